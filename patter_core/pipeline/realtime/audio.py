"""The telephone's audio as a Realtime session takes and gives it: untouched, or as 24 kHz PCM."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol

from patter_core.audio import mulaw
from patter_core.audio.frames import SAMPLE_RATE_HZ
from patter_core.audio.resample import Resampler

if TYPE_CHECKING:
    from collections.abc import Mapping

AudioName = Literal["pcmu", "pcm"]

_PCM_RATE_HZ = 24_000


class Encoding(Protocol):
    """One call's encoding, both ways; it may remember what came before."""

    @property
    def format(self) -> Mapping[str, Any]:
        """The session's word for it."""
        ...

    def to_service(self, audio: bytes) -> bytes:
        """The callee's mu-law, as the service takes it."""
        ...

    def from_service(self, audio: bytes, *, last: bool = False) -> bytes:
        """The service's audio as mu-law; `last` gives what was kept back, and begins anew."""
        ...


class MuLaw:
    """The telephone's own encoding: nothing is done to it."""

    format: Mapping[str, Any] = {"type": "audio/pcmu"}

    def to_service(self, audio: bytes) -> bytes:
        """See `Encoding.to_service`."""
        return audio

    def from_service(self, audio: bytes, *, last: bool = False) -> bytes:  # noqa: ARG002
        """See `Encoding.from_service`."""
        return audio


class Pcm:
    """24 kHz PCM, resampled both ways without a seam between chunks."""

    format: Mapping[str, Any] = {"type": "audio/pcm", "rate": _PCM_RATE_HZ}

    def __init__(self) -> None:
        """Begin with silence both ways.

        Raises:
            MissingExtra: numpy is not installed.
        """
        self._up = Resampler(SAMPLE_RATE_HZ, _PCM_RATE_HZ)
        self._down = Resampler(_PCM_RATE_HZ, SAMPLE_RATE_HZ)

    def to_service(self, audio: bytes) -> bytes:
        """See `Encoding.to_service`."""
        return self._up.feed(mulaw.decode(audio))

    def from_service(self, audio: bytes, *, last: bool = False) -> bytes:
        """See `Encoding.from_service`."""
        samples = self._down.feed(audio)
        if last:
            samples += self._down.flush()
        return mulaw.encode(samples)


def encoding(name: AudioName) -> Encoding:
    """A new call's encoding.

    Raises:
        MissingExtra: It needs numpy, which is not installed.
    """
    return Pcm() if name == "pcm" else MuLaw()
