"""Marker audio: sound that carries text exactly, one UTF-8 byte for each 20 ms frame.

An utterance is a start frame, the text, an end frame; each is a chord of two tones, so it is real
audio, which survives mu-law and every codec that keeps samples. Scripted voices speak it and
scripted ears understand it: who said which letter when is known to the frame, in no time at all.
"""

from __future__ import annotations

import functools
import math
import struct
from dataclasses import dataclass

from patter_core.audio import mulaw
from patter_core.audio.frames import FRAME_BYTES, SAMPLE_RATE_HZ, SILENT_FRAME

_START = 256
_END = 257
# Seventeen low and sixteen high tones, whole periods in a frame (50 Hz apart), so that no chord
# begins or ends with a click and no two chords are alike.
_LOW_HZ = [300 + 50 * step for step in range(17)]
_HIGH_HZ = [1_500 + 100 * step for step in range(16)]
_AMPLITUDE = 5_000


@dataclass(frozen=True, slots=True)
class Began:
    """Somebody began to speak."""


@dataclass(frozen=True, slots=True)
class Ended:
    """An utterance is over: its whole text."""

    text: str


MarkerEvent = Began | Ended


def encode(text: str) -> bytes:
    """`text` as mu-law audio of whole frames: start, one frame for each UTF-8 byte, end."""
    chords = _chords()[0]
    body = b"".join(chords[value] for value in text.encode())
    return chords[_START] + body + chords[_END]


class MarkerDetector:
    """Understands marker audio, whatever pieces it comes in. Anything else is silence to it.

    Silence within an utterance (a late packet) is passed over. Audio that stops mid-utterance
    leaves it open; `pending` has its text.
    """

    def __init__(self) -> None:
        """Begin with a quiet line."""
        self._buffer = b""
        self._text: bytearray | None = None

    @property
    def pending(self) -> str | None:
        """Text of the utterance that is under way; None when nobody speaks."""
        return None if self._text is None else _decoded(self._text)

    def feed(self, audio: bytes) -> list[MarkerEvent]:
        """What `audio`, mu-law of any length, adds to what was heard."""
        events: list[MarkerEvent] = []
        self._buffer += audio
        while len(self._buffer) >= FRAME_BYTES:
            frame, self._buffer = self._buffer[:FRAME_BYTES], self._buffer[FRAME_BYTES:]
            if frame == SILENT_FRAME:
                continue
            value = _chords()[1].get(frame)
            if value is None:
                self._realign(frame)
            else:
                self._take(value, events)
        return events

    def _take(self, value: int, events: list[MarkerEvent]) -> None:
        if value == _START:
            self._text = bytearray()
            events.append(Began())
        elif self._text is not None and value == _END:
            events.append(Ended(_decoded(self._text)))
            self._text = None
        elif self._text is not None:
            self._text.append(value)

    def _realign(self, frame: bytes) -> None:
        """Skip to where the next utterance starts, when it does not start on our frame's edge."""
        audio = frame + self._buffer
        start = audio.find(_chords()[0][_START], 1)
        if start > 0:
            self._buffer = audio[start:]


def _decoded(text: bytearray) -> str:
    return text.decode(errors="ignore")


@functools.cache
def _chords() -> tuple[list[bytes], dict[bytes, int]]:
    """Each value's frame, and each frame's value. Made once, when somebody first speaks."""
    low = [_tone(hertz) for hertz in _LOW_HZ]
    high = [_tone(hertz) for hertz in _HIGH_HZ]
    frames: list[bytes] = []
    for value in range(258):
        first, second = low[value >> 4], high[value & 15]
        samples = (round(a + b) for a, b in zip(first, second, strict=True))
        frames.append(mulaw.encode(struct.pack(f"<{FRAME_BYTES}h", *samples)))
    return frames, {frame: value for value, frame in enumerate(frames)}


def _tone(hertz: int) -> list[float]:
    step = 2 * math.pi * hertz / SAMPLE_RATE_HZ
    return [_AMPLITUDE * math.sin(step * sample) for sample in range(FRAME_BYTES)]
