"""The audio of a scripted Realtime session: what it hears, and what it says, as marker audio."""

from __future__ import annotations

from typing import TYPE_CHECKING

from patter_core.audio import mulaw
from patter_core.speech.markers import MarkerDetector, encode

if TYPE_CHECKING:
    from patter_core.speech.markers import MarkerEvent

_PCM_PER_SAMPLE = 3  # 24 kHz to the telephone's 8.
_CHUNK_FRAMES = 10


class Ears:
    """Hears marker audio in one encoding."""

    def __init__(self, kind: str) -> None:
        """Listen to audio of the session's format `kind`."""
        self._pcm = kind == "audio/pcm"
        self._bytes_per_ms = 48 if self._pcm else 8
        self._detector = MarkerDetector()
        self._bytes = 0
        self._held = b""

    @property
    def now_ms(self) -> int:
        """How much was heard."""
        return self._bytes // self._bytes_per_ms

    def feed(self, audio: bytes) -> list[MarkerEvent]:
        """What `audio` adds to what was heard."""
        self._bytes += len(audio)
        return self._detector.feed(self._as_telephone(audio))

    def _as_telephone(self, audio: bytes) -> bytes:
        if not self._pcm:
            return audio
        step = 2 * _PCM_PER_SAMPLE
        self._held += audio
        whole = len(self._held) - len(self._held) % step
        taken, self._held = self._held[:whole], self._held[whole:]
        return mulaw.encode(b"".join(taken[at : at + 2] for at in range(0, whole, step)))


def spoken(text: str, kind: str) -> list[bytes]:
    """`text` as chunks of audio in the format `kind`."""
    audio = encode(text)
    size = _CHUNK_FRAMES * 160
    if kind == "audio/pcm":
        samples = mulaw.decode(audio)
        audio = b"".join(samples[at : at + 2] * _PCM_PER_SAMPLE for at in range(0, len(samples), 2))
        size *= 2 * _PCM_PER_SAMPLE
    return [audio[at : at + size] for at in range(0, len(audio), size)]


def duration_ms(audio_bytes: int, kind: str) -> int:
    """How long so much audio in the format `kind` lasts."""
    return audio_bytes // (48 if kind == "audio/pcm" else 8)
