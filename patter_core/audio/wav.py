"""WAV files of calls: the caller on the left, the agent on the right."""

from __future__ import annotations

import audioop
import struct
import wave
from dataclasses import dataclass
from typing import TYPE_CHECKING

from patter_core.audio import mulaw
from patter_core.audio.frames import BYTES_PER_MS, SAMPLE_RATE_HZ, SILENCE

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
_SAMPLE_BYTES = 2
_BOTH_BYTES = 2 * _SAMPLE_BYTES
_LONGEST_BYTES = 0xFFFF_FFFF - _HEADER.size


class StereoWriter:
    """Writes two mu-law streams at 8 kHz into one file of 16-bit samples, side by side.

    Each side says where in the call its audio belongs; what nobody spoke in is silence. Audio may
    come up to `settle_ms` later than that of the other side, and may be given twice: the last one
    counts. The header is right whenever something was written, so a killed process leaves a file
    that can be played up to its last seconds. Calls block on the disk, some microseconds each and
    more every second: use a thread in a live call.

    Attributes:
        late: Samples that came too late to be written.
    """

    def __init__(self, path: Path | str, *, settle_ms: int = 2_000) -> None:
        """Store what is needed; `with` opens the file, and overwrites one that is there."""
        self.late = 0
        self._path = path
        self._settle = settle_ms * BYTES_PER_MS
        self._written = 0  # Samples of each side that are in the file.
        self._sides = (bytearray(), bytearray())  # What comes after them, in mu-law.

    def __enter__(self) -> StereoWriter:
        """Open the file.

        Raises:
            OSError: That is not possible.
        """
        self._file = open(self._path, "wb")
        self._file.write(_header(0))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Write the rest, and close the file."""
        with self._file:
            self._write(max(len(side) for side in self._sides))

    def left(self, audio: bytes, position: int) -> None:
        """The caller's `audio`, whose first sample is the call's sample number `position`."""
        self._take(0, audio, position)

    def right(self, audio: bytes, position: int) -> None:
        """The agent's `audio`, whose first sample is the call's sample number `position`."""
        self._take(1, audio, position)

    def _take(self, side: int, audio: bytes, position: int) -> None:
        start = position - self._written
        if start < 0:
            self.late += min(-start, len(audio))
            audio, start = audio[-start:], 0
        waiting = self._sides[side]
        if len(waiting) < start:
            waiting += SILENCE * (start - len(waiting))
        waiting[start : start + len(audio)] = audio
        settled = max(len(other) for other in self._sides) - self._settle
        if settled >= SAMPLE_RATE_HZ:
            self._write(settled)

    def _write(self, samples: int) -> None:
        left, right = (
            mulaw.decode(bytes(side[:samples]).ljust(samples, SILENCE)) for side in self._sides
        )
        for side in self._sides:
            del side[:samples]
        self._file.write(
            audioop.add(
                audioop.tostereo(left, _SAMPLE_BYTES, 1, 0),
                audioop.tostereo(right, _SAMPLE_BYTES, 0, 1),
                _SAMPLE_BYTES,
            )
        )
        # The samples first: a header that promises more than there is confuses players.
        self._file.flush()
        self._written += samples
        end = self._file.tell()
        self._file.seek(0)
        self._file.write(_header(min(self._written * _BOTH_BYTES, _LONGEST_BYTES)))
        self._file.seek(end)
        self._file.flush()


@dataclass(frozen=True, slots=True)
class Recording:
    """What a WAV file holds.

    Attributes:
        rate_hz: Samples a second.
        channels: 16-bit samples of each channel, the left one first.
    """

    rate_hz: int
    channels: tuple[bytes, ...]


def read(path: Path | str) -> Recording:
    """The 16-bit mono or stereo file at `path`.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no such file.
    """
    try:
        with wave.open(str(path), "rb") as file:
            shape = (file.getnchannels(), file.getsampwidth())
            samples = file.readframes(file.getnframes())
            rate_hz = file.getframerate()
    except (wave.Error, EOFError) as error:
        raise ValueError(f"this is no WAV file that can be read: {error}") from error
    if shape == (1, _SAMPLE_BYTES):
        return Recording(rate_hz, (samples,))
    if shape != (2, _SAMPLE_BYTES):
        raise ValueError("only files of one or two channels of 16-bit samples can be read")
    return Recording(
        rate_hz,
        (
            audioop.tomono(samples, _SAMPLE_BYTES, 1, 0),
            audioop.tomono(samples, _SAMPLE_BYTES, 0, 1),
        ),
    )


def _header(data_bytes: int) -> bytes:
    return _HEADER.pack(
        b"RIFF",
        _HEADER.size - 8 + data_bytes,
        b"WAVE",
        b"fmt ",
        16,
        1,  # Plain samples.
        2,
        SAMPLE_RATE_HZ,
        SAMPLE_RATE_HZ * _BOTH_BYTES,
        _BOTH_BYTES,
        8 * _SAMPLE_BYTES,
        b"data",
        data_bytes,
    )
