"""The telephone's frame: 20 ms of mu-law at 8 kHz, one byte for each sample (ITU-T G.711)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SAMPLE_RATE_HZ = 8_000
FRAME_MS = 20
FRAME_BYTES = SAMPLE_RATE_HZ * FRAME_MS // 1_000
BYTES_PER_MS = SAMPLE_RATE_HZ // 1_000
SILENCE = b"\xff"
"""Zero volts in mu-law."""
SILENT_FRAME = SILENCE * FRAME_BYTES


def duration_ms(audio_bytes: int) -> float:
    """How long `audio_bytes` of telephone audio last."""
    return audio_bytes / BYTES_PER_MS


def whole_frames(audio: bytes) -> Iterator[bytes]:
    """`audio` in frames, the last one filled up with silence."""
    for start in range(0, len(audio), FRAME_BYTES):
        yield audio[start : start + FRAME_BYTES].ljust(FRAME_BYTES, SILENCE)
