"""The tones of a telephone's keys (ITU-T Q.23), as mu-law audio."""

from __future__ import annotations

import functools
import math
import struct

from patter_core.audio import mulaw
from patter_core.audio.frames import BYTES_PER_MS, SAMPLE_RATE_HZ, SILENCE

KEYS = "123A456B789C*0#D"
_LOW_HZ = (697, 770, 852, 941)
_HIGH_HZ = (1_209, 1_336, 1_477, 1_633)
_AMPLITUDE = 8_000  # Of each tone: both together stay within 16 bits, and well above speech.
_TONE_MS = 100
_GAP_MS = 80
_PAUSES_MS = {"w": 500, "W": 1_000}


def tones(digits: str) -> bytes:
    """`digits` as audio: 100 ms of tone and 80 ms of silence each; w and W are pauses.

    Raises:
        ValueError: Something is no key.
    """
    audio = bytearray()
    for digit in digits:
        if digit in _PAUSES_MS:
            audio += SILENCE * (_PAUSES_MS[digit] * BYTES_PER_MS)
        elif digit.upper() in KEYS:
            audio += _tone(digit.upper()) + SILENCE * (_GAP_MS * BYTES_PER_MS)
        else:
            raise ValueError(f"{digit!r} is no key of a telephone")
    return bytes(audio)


@functools.cache
def _tone(key: str) -> bytes:
    row, column = divmod(KEYS.index(key), 4)
    steps = [2 * math.pi * hertz / SAMPLE_RATE_HZ for hertz in (_LOW_HZ[row], _HIGH_HZ[column])]
    count = _TONE_MS * SAMPLE_RATE_HZ // 1_000
    samples = (round(_AMPLITUDE * sum(math.sin(step * n) for step in steps)) for n in range(count))
    return mulaw.encode(struct.pack(f"<{count}h", *samples))
