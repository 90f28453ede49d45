"""From one sample rate to another, chunk by chunk, without aliases and without clicks.

A polyphase filter whose state is kept across chunks: audio that comes in pieces gives the same
samples as audio that comes whole. It needs numpy (extra `local`), which is imported on first use.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

from patter_core.extras import imported

if TYPE_CHECKING:
    from types import ModuleType

    from numpy import float32
    from numpy.typing import NDArray

_STOPBAND_DB = 78.0
_AT_ONCE = 8  # Samples of the lower rate that are made in one go: a millisecond of telephone.
_CUTOFF = 0.94  # Of the lower rate's half: the telephone's band passes, most of the rest does not.


class Resampler:
    """One stream of 16-bit little-endian mono samples on its way to another rate.

    `feed` gives what can be told so far, `flush` the rest. What comes out begins with `delay_ms` of
    silence.

    Attributes:
        delay_ms: How much later than it went in a sound comes out, in the stream's own time.
    """

    def __init__(self, from_hz: int, to_hz: int, *, taps: int = 32) -> None:
        """Begin with silence.

        Args:
            from_hz: Rate of what goes in.
            to_hz: Rate of what comes out.
            taps: Length of the filter in samples of the lower rate: more is steeper, and later.

        Raises:
            MissingExtra: numpy is not installed.
        """
        self._numpy = numpy()
        divisor = math.gcd(from_hz, to_hz)
        out, into = to_hz // divisor, from_hz // divisor
        at_once = max(_AT_ONCE // min(out, into), 1)
        self._into = at_once * into  # So many samples in ...
        self._blocks = _filter_blocks(out, into, at_once, taps)
        self._memory = len(self._blocks) - self._into
        self._held = bytes(2 * self._memory)  # ... for each block, with those before them.
        self.delay_ms = 1_000 * taps / (2 * min(from_hz, to_hz))

    def feed(self, samples: bytes) -> bytes:
        """What `samples` add, any number of bytes of them: possibly nothing yet."""
        held = self._held + samples
        length = len(held) // 2
        blocks = (length - self._memory) // self._into
        if blocks <= 0:
            self._held = held
            return b""
        np = self._numpy
        audio = np.frombuffer(held, np.dtype("<i2"), length).astype(np.float32)
        # A view: each window overlaps the one before it.
        windows = np.ndarray(
            (blocks, len(self._blocks)), np.float32, audio, strides=(4 * self._into, 4)
        )
        self._held = held[2 * blocks * self._into :]
        made: Any = windows @ self._blocks
        np.rint(made, out=made)
        np.clip(made, -32_768, 32_767, out=made)
        samples_out: bytes = made.astype(np.dtype("<i2")).tobytes()
        return samples_out

    def flush(self) -> bytes:
        """What is left, once nothing more comes. The next `feed` begins another stream."""
        rest = self.feed(bytes(2 * (self._memory + self._into)))
        self._held = bytes(2 * self._memory)
        return rest


def numpy() -> ModuleType:
    """The module numpy.

    Raises:
        MissingExtra: It is not installed.
    """
    return imported("numpy", extra="local")


@functools.cache
def _filter_blocks(out: int, into: int, at_once: int, taps: int) -> NDArray[float32]:
    """A matrix: a window of samples in, times it, is samples out.

    The last `into * at_once` samples of each window are new, and `out * at_once` come out. The
    filter is a sinc under a Kaiser window, as long as `taps` samples of the lower rate.
    """
    np = numpy()
    longest = max(out, into)
    length = taps * longest  # In steps of the rate that both rates divide.
    steps = np.arange(length + 1) - length / 2
    kaiser = np.kaiser(length + 1, 0.1102 * (_STOPBAND_DB - 8.7))
    impulse = np.sinc(steps * _CUTOFF / longest) * kaiser
    memory = -(-length // out)
    # Row r is the input at step out * (r - memory), column c the output at step into * c.
    rows = np.arange(memory + into * at_once)[:, None]
    since = into * np.arange(out * at_once)[None, :] - out * (rows - memory)
    within = (since >= 0) & (since <= length)
    blocks = np.where(within, impulse[np.clip(since, 0, length)], 0.0)
    # A constant must pass every phase alike, or there would be a whine at the rate of the phases.
    blocks /= blocks.sum(axis=0)
    contiguous: NDArray[float32] = np.ascontiguousarray(blocks, dtype=np.float32)
    return contiguous
