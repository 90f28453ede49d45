"""Decoders of pocketsphinx that are ready for the telephone, lent to one pair of ears at a time.

The model hears 16 kHz speech in a room. What makes it understand a telephone: the audio is brought
to 16 kHz, a little noise is added (digital silence and an empty upper band are unlike anything that
it was trained on), and its running mean of the spectrum starts where synthetic speech on a
telephone has it.

The wheel (extra `local`) brings the model of US English. Its calls do not let other Python threads
run: each is short here, because audio comes in frames, decoders are used again, and the search of
the lattice after an utterance, which can take a fifth of a second, is left out.
"""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any, Protocol, cast

from patter_core.audio.frames import FRAME_MS
from patter_core.audio.resample import numpy
from patter_core.errors import ConfigError
from patter_core.extras import imported

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType

    from numpy import int16
    from numpy.typing import NDArray

    from patter_core.speech.grammar import Grammar

MODEL_RATE_HZ = 16_000
"""Samples a second that a decoder wants."""

_NOISE_RMS = 40.0
_NOISE_FRAMES = 200
_IDLE_MOST = 8  # About 35 MB each.
# The cepstral mean of the local voices on a telephone line, with our noise. From a cold start the
# first utterance of a call would come out as nothing.
_WARM_MEAN = "57.0,11.6,-13.3,22.1,-9.4,-8.6,4.4,-20.5,0.3,-1.7,-4.1,5.2,-7.9"
# Wider than the usual: some voices came out as nothing, and grammars are small enough to afford it.
_BEAM = 1e-60
_WORD_BEAM = 1e-40
_WORD_INSERTION = 0.01  # Less than the usual: free rows of digits came out too long.
_NO_WHEEL = "There is no wheel of it for Python 3.14 and later; use Python 3.11 to 3.13."


class Segment(Protocol):
    """One word of what was understood, in decoder frames of 10 ms, both ends included."""

    word: str
    start_frame: int
    end_frame: int


class Decoder(Protocol):
    """What we use of `pocketsphinx.Decoder`."""

    def start_utt(self) -> None:
        """Begin an utterance."""
        ...

    def process_raw(self, data: bytes, no_search: bool = ...) -> object:
        """Take 16-bit samples at `MODEL_RATE_HZ`."""
        ...

    def end_utt(self) -> None:
        """End the utterance."""
        ...

    def hyp(self) -> object | None:
        """What was understood, None for nothing."""
        ...

    def seg(self) -> Iterable[Segment]:
        """The words of it, noises and silences included."""
        ...


def borrow(grammar: Grammar) -> Decoder:
    """A decoder that is ready for a new stream in `grammar`; `give_back` when it is done.

    Takes 100 ms when none is idle.

    Raises:
        MissingExtra: The wheels of the extra `local` are not installed.
        ConfigError: A word of the grammar is not in the dictionary, or it cannot be read.
    """
    try:
        decoder = _IDLE.pop()
    except IndexError:
        decoder = _new_decoder()
    try:
        _check_words(decoder, grammar.words)
        decoder.reinit_feat()  # Of the stream before nothing must be left.
        decoder.set_cmn(_WARM_MEAN)
        _set_grammar(decoder, grammar.jsgf)
    except BaseException:
        give_back(decoder)
        raise
    return cast("Decoder", decoder)


def give_back(decoder: Decoder) -> None:
    """Lend `decoder`, which is within no utterance, to others."""
    if len(_IDLE) < _IDLE_MOST:
        _IDLE.append(decoder)


def with_noise(samples: bytes, frame: int, rate_hz: int) -> bytes:
    """The 20 ms of `samples` with the quiet noise of frame number `frame` added to them."""
    np = numpy()
    noise = _noise(rate_hz)
    louder: Any = np.frombuffer(samples, np.dtype("<i2")).astype(np.int32)
    louder += noise[frame % len(noise)]
    mixed: bytes = np.clip(louder, -32_768, 32_767).astype(np.dtype("<i2")).tobytes()
    return mixed


def pocketsphinx() -> ModuleType:
    """The module pocketsphinx.

    Raises:
        MissingExtra: It is not installed.
    """
    advice = _NO_WHEEL if sys.version_info >= (3, 14) else ""
    return imported("pocketsphinx", extra="local", advice=advice)


_IDLE: list[Any] = []


def _new_decoder() -> Any:  # noqa: ANN401 - the wheel has no types
    module = pocketsphinx()
    config = module.Config(lm=None)
    config["samprate"] = MODEL_RATE_HZ
    config["bestpath"] = False
    config["beam"] = config["pbeam"] = _BEAM
    config["wbeam"] = _WORD_BEAM
    config["wip"] = _WORD_INSERTION
    config["loglevel"] = "FATAL"
    return module.Decoder(config)


def _check_words(decoder: Any, words: Iterable[str]) -> None:  # noqa: ANN401
    # The decoder itself refuses a grammar with an unknown word without saying why.
    unknown = [word for word in words if decoder.lookup_word(word) is None]
    if unknown:
        listed = ", ".join(repr(word) for word in unknown)
        raise ConfigError(
            f"the local ears do not know {listed}: their dictionary is of US English, without most "
            "names, and numbers are written as they are spoken"
        )


def _set_grammar(decoder: Any, jsgf: str) -> None:  # noqa: ANN401
    try:
        decoder.add_jsgf_string("grammar", jsgf)
        decoder.activate_search("grammar")
    except (ValueError, RuntimeError, KeyError) as error:
        raise ConfigError("the grammar cannot be read: it is no valid JSGF") from error


@functools.cache
def _noise(rate_hz: int) -> NDArray[int16]:
    """Some seconds of noise, a row for each frame: always the same, for the same results."""
    np = numpy()
    shape = (_NOISE_FRAMES, rate_hz * FRAME_MS // 1_000)
    noise: Any = np.random.default_rng(8_000).standard_normal(shape) * _NOISE_RMS
    rows: NDArray[int16] = np.rint(noise).astype(np.int16)
    return rows
