"""Ears and a mouth that take no time: words travel as marker audio, exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from patter_core.audio import mulaw
from patter_core.audio.frames import FRAME_BYTES, SILENCE
from patter_core.simulator.callee import Digits
from patter_core.simulator.keys import KeyDetector
from patter_core.speech.markers import Began, Ended, MarkerDetector, encode

if TYPE_CHECKING:
    from concurrent.futures import Future


class MarkerEars:
    """`Ears` that understand marker audio, and keys. Any other sound is a sound without words."""

    def __init__(self) -> None:
        """Begin with a quiet line."""
        self.heard: list[str] = []
        self.keys = ""
        self.behind: Future[Any] | None = None
        self._marker = MarkerDetector()
        self._key_detector = KeyDetector()
        self._keys_told = 0

    def hear(self, played: bytes) -> bool:
        """See `Ears.hear`."""
        if not played or not played.strip(SILENCE):
            return False
        pending = self._marker.pending
        frame = played.ljust(FRAME_BYTES, SILENCE)
        events = self._marker.feed(frame)
        if pending is None and not events:
            self.keys += self._key_detector.hear(mulaw.decode(frame))[1]
        for event in events:
            match event:
                case Began():
                    # What was cut off is what a person would have heard of it.
                    if pending:
                        self.heard.append(pending)
                case Ended(text):
                    self.heard.append(text)
        return True

    def finish_turn(self) -> None:
        """See `Ears.finish_turn`."""
        if pending := self._marker.pending:
            self.heard.append(pending)
        self._marker = MarkerDetector()
        if keys := self.keys[self._keys_told :]:
            self._keys_told = len(self.keys)
            self.heard.append(Digits(keys))

    def close(self) -> None:
        """See `Ears.close`."""


class MarkerMouth:
    """A `Mouth` that speaks marker audio."""

    def __init__(self) -> None:
        """Nothing is needed."""
        self.behind: Future[Any] | None = None
        self.lingers = False

    def speech(self, line: str) -> bytes:
        """See `Mouth.speech`."""
        return encode(line)

    def over_noise(self, frame: bytes) -> bytes:
        """See `Mouth.over_noise`."""
        return frame

    def close(self) -> None:
        """See `Mouth.close`."""
