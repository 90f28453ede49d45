"""The last of the callee's audio, kept for another connection in case this one is lost."""

from __future__ import annotations

from collections import deque

from patter_core.audio.frames import BYTES_PER_MS

_FRAMES = 1_500  # Half a minute.
_BEFORE_SPEECH_MS = 300  # Speech begins a little before it is noticed.


class RecentAudio:
    """One callee's audio: what no connection has heard, or has not told the words of.

    Attributes:
        unknown_ms: Since when the callee has said what is neither known nor answered yet.
    """

    def __init__(self) -> None:
        """Begin with a silent line."""
        self.unknown_ms: int | None = None
        self._frames: deque[bytes] = deque(maxlen=_FRAMES)
        self._missed_bytes = 0

    def add(self, audio: bytes, *, missed: bool) -> None:
        """Keep `audio`; `missed` when there was no connection to hear it."""
        self._frames.append(audio)
        if missed:
            self._missed_bytes += len(audio)

    def speech_began(self, began_ms: int) -> None:
        """The callee says something."""
        if self.unknown_ms is None:
            self.unknown_ms = began_ms

    def known(self) -> None:
        """What the callee said so far is known, or was answered."""
        self.unknown_ms = None

    def lost(self, now_ms: int) -> bool:
        """The connection is gone; whether what the callee said last went down with it."""
        if self.unknown_ms is None:
            return False
        self._missed_bytes = (now_ms - self.unknown_ms + _BEFORE_SPEECH_MS) * BYTES_PER_MS
        self.unknown_ms = None
        return True

    def take_missed(self) -> bytes:
        """What another connection has to hear first."""
        missed_bytes, self._missed_bytes = self._missed_bytes, 0
        return b"".join(self._frames)[-missed_bytes:] if missed_bytes else b""
