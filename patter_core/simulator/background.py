"""What is around a callee: noise that goes on and on, the same in every run."""

from __future__ import annotations

import audioop
import functools
from typing import TYPE_CHECKING, Any

from patter_core.audio import mulaw
from patter_core.audio.frames import FRAME_BYTES, SAMPLE_RATE_HZ
from patter_core.audio.resample import numpy
from patter_core.speech import espeak
from patter_core.speech.espeak import Voice

if TYPE_CHECKING:
    from patter_core.simulator.callee import Background

_SECONDS = 8
_SAMPLES_BYTES = 2 * FRAME_BYTES
_PEOPLE = {
    "en-us+f2": "So I told her that we would never go there again, and she agreed.",
    "en+m3": "Two more coffees for the corner table, and the bill for the window.",
    "en-us+m7": "It rained the whole week, so the children stayed inside and played.",
    "en+f4": "Have you seen the new manager, he was here on Monday or on Tuesday.",
    "en-us+m1": "The train was late again, and nobody knew which platform it would use.",
}


class Noise:
    """A loop of some seconds of noise, laid under what is said."""

    def __init__(self, kind: Background, rms: float) -> None:
        """Make noise as loud as `rms`, in 16-bit samples.

        Raises:
            MissingExtra: The wheels of the extra `local` are not installed.
        """
        self._samples = _loop(kind, rms)
        self._position = 0

    def over(self, frame: bytes) -> bytes:
        """A frame of mu-law with the next 20 ms of noise in it."""
        noise = self._samples[self._position : self._position + _SAMPLES_BYTES]
        self._position = (self._position + _SAMPLES_BYTES) % len(self._samples)
        return mulaw.encode(audioop.add(mulaw.decode(frame), noise, 2))


@functools.lru_cache(maxsize=16)
def _loop(kind: Background, rms: float) -> bytes:
    np = numpy()
    made: Any = _hiss() if kind == "hiss" else _babble()
    made *= rms / float(np.sqrt(np.mean(made**2)))
    samples: bytes = np.clip(np.rint(made), -32_768, 32_767).astype(np.dtype("<i2")).tobytes()
    return samples


def _hiss() -> Any:  # noqa: ANN401 - an array of numpy, which may be missing
    return numpy().random.default_rng(1).standard_normal(_SECONDS * SAMPLE_RATE_HZ)


def _babble() -> Any:  # noqa: ANN401
    """Several people at once, each going round in circles, none of them meant for the telephone."""
    np = numpy()
    sum_of_all: Any = np.zeros(_SECONDS * SAMPLE_RATE_HZ)
    for shift, (voice, words) in enumerate(_PEOPLE.items()):
        speech = mulaw.decode(espeak.say(words, Voice(name=voice)))
        samples: Any = np.frombuffer(speech, np.dtype("<i2")).astype(np.float64)
        sum_of_all += np.roll(np.resize(samples, len(sum_of_all)), 5_000 * shift)
    return sum_of_all
