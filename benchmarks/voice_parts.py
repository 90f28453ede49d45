"""What the benchmark of a voice is made of: a caller's marker, and parts that take no time.

A caller says one thing: 400 ms of a loud tone and two silent frames. The engine and the floor
beside it answer with two seconds of another tone. Both share these, and differ in all else.
"""

from __future__ import annotations

import audioop
import json
import math
import os
import struct

SAMPLE_RATE_HZ = 8_000
FRAME_SEC = 0.02
FRAME_BYTES = 160
TONE_FRAMES = 20
SILENT_FRAMES = 2
SILENT_FRAME = b"\xff" * FRAME_BYTES

# Twenty words in ten pieces, two sentences: the second is not needed to begin.
REPLY = (
    *("Thanks for", " calling the", " clinic, I", " can help", " you today."),
    *(" We are", " open until", " five and", " your booking", " is confirmed."),
)

_LOUD_RMS = 9_000
_LEAST_FRAMES = 10
_VOICE_CHUNK = 800


def tone(hertz: float, amplitude: int, seconds: float) -> bytes:
    """A tone as mu-law."""
    step = 2 * math.pi * hertz / SAMPLE_RATE_HZ
    count = round(seconds * SAMPLE_RATE_HZ)
    samples = (int(amplitude * math.sin(step * at)) for at in range(count))
    return audioop.lin2ulaw(struct.pack(f"<{count}h", *samples), 2)


TONE_FRAME = tone(400, 28_000, FRAME_SEC)
"""What a caller speaks in."""

SENTENCE = tone(300, 8_000, 1.0)
"""What every sentence of the agent sounds like."""

SENTENCE_CHUNKS = tuple(
    SENTENCE[at : at + _VOICE_CHUNK] for at in range(0, len(SENTENCE), _VOICE_CHUNK)
)
"""The same as a voice streams it, 100 ms at a time."""


class MarkerDetector:
    """Hears a caller's marker; one for each call."""

    def __init__(self) -> None:
        """Begin in silence."""
        self._loud = 0
        self._silent = 0
        self._heard = 0

    def feed(self, samples: bytes) -> str | None:
        """Take 20 ms of 16-bit samples: "began", or what was said when it is over."""
        if audioop.rms(samples, 2) > _LOUD_RMS:
            self._silent = 0
            self._loud += 1
            return "began" if self._loud == 1 else None
        if not self._loud:
            return None
        self._silent += 1
        if self._silent < SILENT_FRAMES:
            return None
        loud, self._loud, self._silent = self._loud, 0, 0
        if loud < _LEAST_FRAMES:
            return ""
        self._heard += 1  # Words that come twice in a row would count as once.
        return f"caller utterance number {self._heard} about booking {self._heard * 37}"


def ready(path: str, **more: str) -> None:
    """Tell whoever started this server that it listens, and how calls get in."""
    print(json.dumps({"ready": True, "path": path, "pid": os.getpid(), **more}), flush=True)
