"""What the other side sent to be played, and the marks that stand in it."""

from __future__ import annotations

from collections import deque

from patter_core.audio.frames import FRAME_BYTES


class PlaybackQueue:
    """Audio in the order of its arrival, played a frame at a time.

    A mark comes back when everything queued before it was played, at once when nothing is queued,
    and with all others when the queue is cleared.
    """

    def __init__(self) -> None:
        """Begin empty."""
        self._audio = bytearray()
        self._marks: deque[tuple[int, str]] = deque()
        self._queued = 0
        self._played = 0

    @property
    def waiting_bytes(self) -> int:
        """Audio that was not played yet."""
        return len(self._audio)

    def add(self, audio: bytes) -> None:
        """Queue mu-law audio of any length."""
        self._audio += audio
        self._queued += len(audio)

    def mark(self, name: str) -> list[str]:
        """Place a mark after what is queued; the names that come back at once."""
        self._marks.append((self._queued, name))
        return self._passed()

    def clear(self) -> list[str]:
        """Drop what was not played; the names of all marks, which come back."""
        self._audio.clear()
        self._played = self._queued
        return self._passed()

    def play(self) -> tuple[bytes, list[str]]:
        """The next 20 ms, less when the queue runs dry, and the marks that it passed."""
        frame = bytes(self._audio[:FRAME_BYTES])
        if not frame:
            return frame, []
        del self._audio[:FRAME_BYTES]
        self._played += len(frame)
        return frame, self._passed() if self._marks else []

    def _passed(self) -> list[str]:
        names: list[str] = []
        while self._marks and self._marks[0][0] <= self._played:
            names.append(self._marks.popleft()[1])
        return names
