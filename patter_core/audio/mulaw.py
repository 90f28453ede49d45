"""Mu-law (ITU-T G.711), to and from 16-bit little-endian samples."""

from __future__ import annotations

import audioop


def encode(samples: bytes) -> bytes:
    """16-bit samples to mu-law: two bytes become one."""
    return audioop.lin2ulaw(samples, 2)


def decode(mulaw: bytes) -> bytes:
    """Mu-law to 16-bit samples: one byte becomes two."""
    return audioop.ulaw2lin(mulaw, 2)
