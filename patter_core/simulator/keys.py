"""Keys heard in the audio: the two tones of each (DTMF, ITU-T Q.23)."""

from __future__ import annotations

import audioop
import functools
import math
import struct

from patter_core.audio.frames import FRAME_BYTES, SAMPLE_RATE_HZ

_LOW_HZ = (697, 770, 852, 941)
_HIGH_HZ = (1_209, 1_336, 1_477, 1_633)
_KEYS = ("123A", "456B", "789C", "*0#D")
_REFERENCE = 8_000
_QUIETEST_RMS = 100
_SHARE = 0.6
"""How much of a frame's power its two tones have, at least, when they are 1.2 % out of tune."""
_WEAKER = 0.1
"""How much power the weaker of both has, at least, compared with the stronger."""
_OTHERS = 0.25
"""How much power the next tone of the same row may have. Speech spreads it over many."""
_FRAMES = 2
"""So many frames in a row are a key: 40 ms, the shortest that the standard allows."""


class KeyDetector:
    """Finds keys in audio that comes 20 ms at a time."""

    def __init__(self) -> None:
        """Begin with no key pressed."""
        self._key: str | None = None
        self._frames = 0

    def hear(self, samples: bytes) -> tuple[bool, str]:
        """Whether 20 ms of 16-bit samples at 8 kHz are a key's tones, and the key once it counts.

        A key counts once however long it is pressed, "" otherwise.
        """
        key = _key_in(samples)
        self._frames = self._frames + 1 if key == self._key else 1
        self._key = key
        return key is not None, key if key and self._frames == _FRAMES else ""


def _key_in(samples: bytes) -> str | None:
    power = audioop.rms(samples, 2) ** 2
    if power < _QUIETEST_RMS**2:
        return None
    low, high = ([_power_at(samples, hertz) for hertz in row] for row in (_LOW_HZ, _HIGH_HZ))
    weaker, stronger = sorted((max(low), max(high)))
    if weaker + stronger < _SHARE * power or weaker < _WEAKER * stronger:
        return None
    if any(sorted(row)[-2] > _OTHERS * max(row) for row in (low, high)):
        return None
    return _KEYS[low.index(max(low))][high.index(max(high))]


def _power_at(samples: bytes, hertz: int) -> float:
    """How much of the power is at `hertz`: Goertzel's sum, as two sums of products in C."""
    return sum((audioop.findfactor(samples, wave) * _REFERENCE) ** 2 / 2 for wave in _waves(hertz))


@functools.cache
def _waves(hertz: int) -> tuple[bytes, bytes]:
    step = 2 * math.pi * hertz / SAMPLE_RATE_HZ
    return _wave(step, 0.0), _wave(step, math.pi / 2)


def _wave(step: float, phase: float) -> bytes:
    samples = (round(_REFERENCE * math.sin(step * at + phase)) for at in range(FRAME_BYTES))
    return struct.pack(f"<{FRAME_BYTES}h", *samples)
