"""The terminal of this process: lines in, lines out."""

from __future__ import annotations

import os
import sys

_PIECE_BYTES = 65_536


class Terminal:
    """Reads standard input, or asks whoever sits there; writes to standard output."""

    def __init__(self) -> None:
        """Nothing is read yet."""
        self._held = b""

    def read_line(self) -> str | None:
        """The next line; None when there is no more. Blocks."""
        if sys.stdin.isatty() and sys.stdout.isatty():
            try:
                return input("You: ")
            except EOFError:
                return None
        # Not through sys.stdin: a thread that waits in there keeps the interpreter from ending.
        while b"\n" not in self._held:
            piece = os.read(sys.stdin.fileno(), _PIECE_BYTES)
            if not piece:
                break
            self._held += piece
        if not self._held:
            return None
        line, _, self._held = self._held.partition(b"\n")
        return line.decode(errors="replace")

    @staticmethod
    def write_line(text: str) -> None:
        """Write a line, at once."""
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
