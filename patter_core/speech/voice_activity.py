"""Which frames sound like speech: the detector in the recogniser's wheel, with an ear for level.

The detector alone takes seconds to get used to loud noise, and holds on after a word. A frame must
also be louder than the quietest one of late, which in steady noise none is.
"""

from __future__ import annotations

import audioop
from collections import deque

from patter_core.audio.frames import FRAME_BYTES, FRAME_MS, SAMPLE_RATE_HZ
from patter_core.speech.decoders import pocketsphinx, with_noise

_MODE = 2  # 3 misses speech.
_WARM_UP_FRAMES = 25
_ABOVE_FLOOR = 2.0  # 6 dB.
_FLOOR_FRAMES = 75
_LOUDEST_FIRST_FLOOR = 400  # Audio that begins with speech has shown no floor yet.
_QUIETEST_SPEECH = 60


class VoiceActivity:
    """Tells speech from noise, frame by frame, on one stream."""

    def __init__(self) -> None:
        """Begin in a quiet room.

        Raises:
            MissingExtra: The wheels of the extra `local` are not installed.
        """
        self._vad = pocketsphinx().Vad(_MODE, SAMPLE_RATE_HZ, FRAME_MS / 1_000)
        self._levels: deque[int] = deque([_LOUDEST_FIRST_FLOOR], maxlen=_FLOOR_FRAMES)
        # It takes the first frames of anything for speech.
        for frame in range(_WARM_UP_FRAMES):
            self._vad.is_speech(with_noise(bytes(2 * FRAME_BYTES), frame, SAMPLE_RATE_HZ))

    def is_speech(self, samples: bytes) -> bool:
        """Whether 20 ms of 16-bit `samples` at 8 kHz sound like speech."""
        level = audioop.rms(samples, 2)
        self._levels.append(level)
        loud = level >= max(_ABOVE_FLOOR * min(self._levels), _QUIETEST_SPEECH)
        # It is asked always: it learns what the noise is from every frame.
        sounds_like_speech: bool = self._vad.is_speech(samples)
        return sounds_like_speech and loud
