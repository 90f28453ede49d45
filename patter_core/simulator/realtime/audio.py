"""The audio of a scripted Realtime session: what it hears, and what it says, as marker audio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from patter_core.audio import mulaw
from patter_core.audio.frames import FRAME_BYTES, SILENT_FRAME
from patter_core.audio.resample import numpy
from patter_core.speech import markers

if TYPE_CHECKING:
    from patter_core.speech.markers import MarkerEvent

_PCM_PER_SAMPLE = 3  # 24 kHz to the telephone's 8.
_CHUNK_FRAMES = 10
_LETTERS = "".join(map(chr, range(32, 127)))
_ALIKE = 0.7  # Of 1: how much a frame must be like a letter's chord to be one.


class Ears:
    """Hears marker audio in one encoding."""

    def __init__(self, kind: str) -> None:
        """Listen to audio of the session's format `kind`."""
        self._pcm = Restorer() if kind == "audio/pcm" else None
        self._bytes_per_ms = 48 if self._pcm else 8
        self._detector = markers.MarkerDetector()
        self._bytes = 0

    @property
    def now_ms(self) -> int:
        """How much was heard."""
        return self._bytes // self._bytes_per_ms

    def feed(self, audio: bytes) -> list[MarkerEvent]:
        """What `audio` adds to what was heard."""
        self._bytes += len(audio)
        if self._pcm is not None:
            audio = self._pcm.feed(audio, samples_apart=_PCM_PER_SAMPLE)
        return self._detector.feed(audio)


class Restorer:
    """Makes marker audio that was resampled what it was: each frame the chord that it is most like.

    It knows ASCII. A resampler's delay does not matter, while it is a small part of a frame.
    """

    def __init__(self) -> None:
        """Hear nothing yet.

        Raises:
            MissingExtra: numpy is not installed.
        """
        self._numpy: Any = numpy()
        encoded = markers.encode(_LETTERS)
        self._chords = [
            encoded[at : at + FRAME_BYTES] for at in range(0, len(encoded), FRAME_BYTES)
        ]
        self._wanted = self._normal(mulaw.decode(encoded))
        self._held = b""

    def feed(self, samples: bytes, *, samples_apart: int = 1) -> bytes:
        """Whole frames of mu-law; of the 16-bit `samples` one in `samples_apart` is looked at."""
        self._held += samples
        size = 2 * FRAME_BYTES * samples_apart
        whole = len(self._held) // size * size
        taken, self._held = self._held[:whole], self._held[whole:]
        if not taken:
            return b""
        np = self._numpy
        heard = np.frombuffer(taken, "<i2")[::samples_apart].astype("<i2").tobytes()
        like: Any = self._normal(heard) @ self._wanted.T
        best: list[int] = like.argmax(axis=1).tolist()
        return b"".join(
            self._chords[at] if row[at] >= _ALIKE else SILENT_FRAME
            for row, at in zip(like.tolist(), best, strict=True)
        )

    def _normal(self, samples: bytes) -> Any:  # noqa: ANN401 - numpy's
        """Frames as the strengths of their tones, whatever their phases, of length 1."""
        np = self._numpy
        frames = np.frombuffer(samples, "<i2").reshape(-1, FRAME_BYTES).astype(np.float32)
        strengths = np.abs(np.fft.rfft(frames))
        return strengths / np.maximum(np.linalg.norm(strengths, axis=1, keepdims=True), 1.0)


def spoken(text: str, kind: str) -> list[bytes]:
    """`text` as chunks of audio in the format `kind`."""
    audio = markers.encode(text)
    size = _CHUNK_FRAMES * FRAME_BYTES
    if kind == "audio/pcm":
        samples = mulaw.decode(audio)
        audio = b"".join(samples[at : at + 2] * _PCM_PER_SAMPLE for at in range(0, len(samples), 2))
        size *= 2 * _PCM_PER_SAMPLE
    return [audio[at : at + size] for at in range(0, len(audio), size)]


def duration_ms(audio_bytes: int, kind: str) -> int:
    """How long so much audio in the format `kind` lasts."""
    return audio_bytes // (48 if kind == "audio/pcm" else 8)
