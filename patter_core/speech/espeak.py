"""A robotic voice: espeak-ng, and the one owner of its engine.

The engine is one for the whole process, with one voice and one callback at a time. So whoever
wants to speak asks its owner, whose thread says one utterance after the other, each with its own
settings. It speaks about a thousand times faster than real time, so nobody waits long. Its breath
is random: the same text never gives the same samples twice.

The library comes with espeakng-loader (extra `local`), is loaded on first use, and is licensed
GPL-3.0-or-later.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import logging
import queue
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from patter_core.audio import mulaw
from patter_core.audio.frames import SAMPLE_RATE_HZ
from patter_core.audio.resample import Resampler
from patter_core.errors import ConfigError
from patter_core.extras import imported
from patter_core.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from concurrent.futures import Future

_LOGGER = logging.getLogger(__name__)

VOICE_RATE_HZ = 22_050
"""Samples a second, as the engine gives them."""

# From espeak-ng's speak_lib.h.
_AUDIO_OUTPUT_SYNCHRONOUS = 2  # Synthesis calls back on the thread that asked for it.
_INITIALIZE_DONT_EXIT = 0x8000  # Or it would end the process when its data is not found.
_POSITION_CHARACTER = 1
_CHARS_UTF8 = 1
_RATE, _PITCH = 1, 3
_BUFFER_MS = 60
_STEEP = 64  # Taps of the filter: what the telephone cannot carry is gone before it can fold back.


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """How something is said.

    Attributes:
        name: A voice of espeak-ng, with a variant if wanted: "en-us", "en" (British), "en-us+f3".
        speed_wpm: Words a minute, 80 to 450.
        pitch: 0 to 99; 50 is the voice's own.
    """

    name: str = "en-us"
    speed_wpm: int = 160
    pitch: int = 50

    def __post_init__(self) -> None:
        """A voice that cannot be set is an error now.

        Raises:
            ConfigError: A value lies outside of its range.
        """
        if not 80 <= self.speed_wpm <= 450:
            raise ConfigError(f"speed_wpm is 80 to 450, not {self.speed_wpm}")
        if not 0 <= self.pitch <= 99:
            raise ConfigError(f"pitch is 0 to 99, not {self.pitch}")
        if not self.name:
            raise ConfigError('a voice has a name, as in "en-us"')


class Utterance:
    """Something that is being said. `cancel` from any thread.

    Attributes:
        done: Over, cancelled or not; holds what went wrong.
    """

    def __init__(self) -> None:
        """Store what is needed; `begin` makes one."""
        self.done: Future[None]
        self.cancelled = False

    def cancel(self) -> None:
        """Say no more of it. Safe to repeat, and when it is over."""
        self.cancelled = True
        self.done.cancel()


def begin(text: str, voice: Voice, on_samples: Callable[[bytes], None]) -> Utterance:
    """Begin to say `text`, and return at once, whatever there is to be loaded first.

    `on_samples` is called on the engine's thread with 16-bit mono samples at `VOICE_RATE_HZ`, some
    60 ms at a time, until `done`. After `cancel` it is called once more at most. What goes wrong
    shows in `done`: `MissingExtra` without the wheel, `ConfigError` for a voice that there is not.
    """
    with _STARTING:
        _WORKERS.start()
    utterance = Utterance()
    utterance.done = _WORKERS.post(_say, text, voice, on_samples, utterance)
    return utterance


@contextlib.contextmanager
def speaking(text: str, voice: Voice) -> Generator[Iterator[bytes]]:
    """The samples of `text` as they come, for a thread that may block; leaving cancels the rest.

    Raises:
        MissingExtra: The wheel is not installed.
        ConfigError: There is no such voice.
    """
    chunks: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    utterance = begin(text, voice, chunks.put)
    utterance.done.add_done_callback(lambda _done: chunks.put(None))

    def samples() -> Iterator[bytes]:
        while (chunk := chunks.get()) is not None:
            yield chunk
        utterance.done.result()

    try:
        yield samples()
    finally:
        utterance.cancel()


def say(text: str, voice: Voice) -> bytes:
    """All of `text` as telephone audio: mu-law at 8 kHz. Takes some milliseconds.

    Raises:
        MissingExtra: The wheel is not installed.
        ConfigError: There is no such voice.
    """
    with speaking(text, voice) as samples:
        return b"".join(telephone(samples))


class TelephoneLine:
    """Turns one utterance's samples at `VOICE_RATE_HZ` into mu-law at 8 kHz, piece by piece.

    Both methods raise `MissingExtra` when numpy is not installed.
    """

    def __init__(self) -> None:
        """Begin with silence; numpy is not loaded before the first `feed`."""
        self._resampler: Resampler | None = None

    def feed(self, samples: bytes) -> bytes:
        """What `samples` add."""
        if self._resampler is None:
            self._resampler = Resampler(VOICE_RATE_HZ, SAMPLE_RATE_HZ, taps=_STEEP)
        return mulaw.encode(self._resampler.feed(samples))

    def flush(self) -> bytes:
        """The rest."""
        return b"" if self._resampler is None else mulaw.encode(self._resampler.flush())


def telephone(samples: Iterable[bytes]) -> Iterator[bytes]:
    """One utterance's samples as mu-law at 8 kHz."""
    line = TelephoneLine()
    for chunk in samples:
        if audio := line.feed(chunk):
            yield audio
    yield line.flush()


_WORKERS = Workers("patter-voice")
_STARTING = threading.Lock()


def _say(
    text: str, voice: Voice, on_samples: Callable[[bytes], None], utterance: Utterance
) -> None:
    if not utterance.cancelled:
        _engine().say(text, voice, on_samples, utterance)


@functools.cache
def _engine() -> _Engine:
    """The engine, for its own thread only. What this raises is raised anew next time."""
    return _Engine()


class _Engine:
    """The library. Its methods are called on one thread."""

    def __init__(self) -> None:
        loader: Any = imported("espeakng_loader", extra="local")
        try:
            library: Any = ctypes.CDLL(loader.get_library_path())
            data_path: str = loader.get_data_path()
        except (OSError, RuntimeError) as error:
            raise ConfigError(f"espeak-ng cannot be loaded on this machine ({error})") from error
        _declare(library)
        rate_hz = library.espeak_Initialize(
            _AUDIO_OUTPUT_SYNCHRONOUS, _BUFFER_MS, data_path.encode(), _INITIALIZE_DONT_EXIT
        )
        if rate_hz != VOICE_RATE_HZ:
            raise ConfigError(f"espeak-ng does not start (it answered {rate_hz})")
        self._library = library
        self._voice: Voice | None = None
        self._on_samples: Callable[[bytes], None] = _nobody
        self._utterance: Utterance | None = None
        # The library keeps this pointer: it must live as long.
        self._callback = _CALLBACK(self._take)
        library.espeak_SetSynthCallback(self._callback)

    def say(
        self, text: str, voice: Voice, on_samples: Callable[[bytes], None], utterance: Utterance
    ) -> None:
        """Say `text`, until the end or until `utterance` is cancelled.

        Raises:
            ConfigError: There is no such voice, or the library refuses.
        """
        self._use(voice)
        self._on_samples, self._utterance = on_samples, utterance
        try:
            spoken = text.replace("\0", " ").encode(errors="replace") + b"\0"
            failed = self._library.espeak_Synth(
                spoken, len(spoken), 0, _POSITION_CHARACTER, 0, _CHARS_UTF8, None, None
            )
        finally:
            self._on_samples, self._utterance = _nobody, None
        if failed:
            raise ConfigError(f"espeak-ng refuses to speak (it answered {failed})")

    def _use(self, voice: Voice) -> None:
        if voice == self._voice:
            return
        # Setting a voice resets speed and pitch, so all three are set, always.
        self._voice = None
        if self._library.espeak_SetVoiceByName(voice.name.encode()):
            raise ConfigError(f"espeak-ng has no voice named {voice.name!r}")
        self._library.espeak_SetParameter(_RATE, voice.speed_wpm, 0)
        self._library.espeak_SetParameter(_PITCH, voice.pitch, 0)
        self._voice = voice

    def _take(self, samples: int | None, count: int, _events: int | None) -> int:
        """What the library calls with audio. The answer 1 stops it."""
        utterance = self._utterance
        if utterance is None or utterance.cancelled:
            return 1
        if samples and count > 0:
            try:
                self._on_samples(ctypes.string_at(samples, 2 * count))
            except Exception:
                # ctypes would print it and go on. Whoever listens has gone: say no more.
                _LOGGER.exception("a listener of the local voice failed")
                return 1
        return 0


_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


def _declare(library: Any) -> None:  # noqa: ANN401 - ctypes has no types either
    library.espeak_Initialize.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_int]
    library.espeak_SetSynthCallback.argtypes = [_CALLBACK]
    library.espeak_SetSynthCallback.restype = None
    library.espeak_SetVoiceByName.argtypes = [ctypes.c_char_p]
    library.espeak_SetParameter.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int]
    library.espeak_Synth.argtypes = [
        ctypes.c_char_p,
        ctypes.c_size_t,
        ctypes.c_uint,
        ctypes.c_int,
        ctypes.c_uint,
        ctypes.c_uint,
        ctypes.c_void_p,
        ctypes.c_void_p,
    ]


def _nobody(_samples: bytes) -> None:
    """Whom the library speaks to between utterances."""
