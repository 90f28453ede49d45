"""A small engine that speaks and understands speech, for audible callees."""

from __future__ import annotations

import base64
import importlib.util
from typing import Any

import pytest

from patter_core.speech import espeak
from patter_core.speech.espeak import Voice
from patter_core.speech.grammar import of_phrases
from patter_core.speech.sphinx import Ended, Recogniser
from tests.simulator.small_engine import Media, SmallEngine

WHEELS = ("espeakng_loader", "numpy", "pocketsphinx")
needs_wheels = pytest.mark.skipif(
    any(importlib.util.find_spec(wheel) is None for wheel in WHEELS),
    reason="local ears and voice need the extra `local`, which has no wheels for this Python",
)


def as_heard(text: str) -> str:
    """How the local ears write what was said."""
    return "".join(letter for letter in text.lower() if letter.isalpha() or letter in " '")


class TalkingEngine(SmallEngine):
    """Like the small engine, with real speech: it understands `hears` and nothing else."""

    def __init__(self, network: Any, replies=(), greeting: str | None = None, hears=()) -> None:
        super().__init__(network, replies, greeting)
        self.hears = list(hears)
        self.keys = ""
        self.on_media = self.converse

    async def converse(self, media: Media) -> None:
        """Greet, and answer each utterance with the next reply."""
        replies, ears = iter(self.replies), self.ears()
        try:
            async for event in media.events():
                if event["event"] == "start" and self.greeting:
                    await self.say(media, self.greeting)
                for text in self.understood(ears, event):
                    self.heard.append(text)
                    if (reply := next(replies, None)) is not None:
                        await self.say(media, reply)
        finally:
            ears.close()

    def ears(self) -> Recogniser:
        return Recogniser(of_phrases(self.hears))

    def understood(self, ears: Recogniser, event) -> list[str]:
        if event["event"] == "dtmf":
            self.keys += event["dtmf"]["digit"]
        if event["event"] != "media":
            return []
        audio = base64.b64decode(event["media"]["payload"])
        return [said.text for said in ears.hear(audio) if isinstance(said, Ended)]

    def audio(self) -> list[bytes]:
        """What the callee sent, frame by frame."""
        media = [frame for frame in self.frames if frame["event"] == "media"]
        return [base64.b64decode(frame["media"]["payload"]) for frame in media]

    async def say(self, media: Media, text: str) -> None:
        await self.play(media, espeak.say(text, Voice(name="en-us+f2")))

    async def play(self, media: Media, audio: bytes) -> None:
        await media.send("media", media={"payload": base64.b64encode(audio).decode()})
