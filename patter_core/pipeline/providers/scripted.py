"""Ears, a model and a voice that need no service: exact text on marker audio, in no time at all.

For tests, demos and callers' own checks. The other side has to speak marker audio too, as the
simulated callees do.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from patter_core.errors import ConfigError
from patter_core.pipeline.language_model import Message, TextPiece
from patter_core.pipeline.speech_to_text import SpeechBegan, SpeechEnded
from patter_core.speech import markers

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence

    from patter_core.pipeline.language_model import ReplyEvent
    from patter_core.pipeline.resources import Resources
    from patter_core.pipeline.speech_to_text import SpeechEvent


@dataclass(frozen=True, slots=True)
class ScriptedSTT:
    """Ears that understand marker audio and nothing else: a `SpeechToText`."""

    @asynccontextmanager
    async def listen(
        self,
        report: Callable[[SpeechEvent], None],
        resources: Resources,  # noqa: ARG002 - the Protocol's
    ) -> AsyncGenerator[_MarkerEars]:
        """See `SpeechToText.listen`."""
        yield _MarkerEars(report)


class _MarkerEars:
    """Open `Ears`."""

    def __init__(self, report: Callable[[SpeechEvent], None]) -> None:
        self._report = report
        self._detector = markers.MarkerDetector()

    def feed(self, audio: bytes) -> None:
        """See `Ears.feed`."""
        for event in self._detector.feed(audio):
            match event:
                case markers.Began():
                    self._report(SpeechBegan())
                case markers.Ended(text=text):
                    self._report(SpeechEnded(text))


@dataclass(frozen=True, slots=True)
class ScriptedTTS:
    """A voice that speaks marker audio: a `TextToSpeech`."""

    async def speak(
        self,
        text: str,
        resources: Resources,  # noqa: ARG002 - the Protocol's
    ) -> AsyncIterator[bytes]:
        """See `TextToSpeech.speak`."""
        yield markers.encode(text)


@dataclass(frozen=True, slots=True)
class ScriptedLLM:
    """A model that says what it was told to: a `LanguageModel`.

    Attributes:
        replies: What to answer the callee's first message, second, and so on; after the last
            there is nothing more to say. Or a function of the messages so far. Calls share this
            value: which reply is next shows in the messages, by how often the callee's side spoke.
    """

    replies: Sequence[str] | Callable[[Sequence[Message]], str]

    def __post_init__(self) -> None:
        """A script that cannot be followed is an error now.

        Raises:
            ConfigError: `replies` is one text instead of several.
        """
        if isinstance(self.replies, str):
            raise ConfigError("ScriptedLLM: replies are a list of texts, not one text")
        if not callable(self.replies):
            object.__setattr__(self, "replies", tuple(self.replies))

    async def reply(
        self,
        messages: Sequence[Message],
        resources: Resources,  # noqa: ARG002 - the Protocol's
    ) -> AsyncIterator[ReplyEvent]:
        """See `LanguageModel.reply`."""
        if callable(self.replies):
            text = self.replies(messages)
        else:
            asked = sum(message.role == "user" for message in messages)
            text = self.replies[asked - 1] if 0 < asked <= len(self.replies) else ""
        if text:
            yield TextPiece(text)
