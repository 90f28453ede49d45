"""Where things are on the picture of a call: rows of some seconds each, like a score.

Each row has a lane for the other side, a strip for what happens between, and a lane for the agent;
above and below is room for the words.
"""

from __future__ import annotations

from math import ceil

WIDTH, MARGIN, _LABEL = 1_600, 40, 96
LEFT, RIGHT = MARGIN + _LABEL, WIDTH - MARGIN
_ROW_SEC = 20.0
_MOST_ROWS = 30
LANE, STRIP, LINE, WORD_LINES = 56, 34, 22, 3
WORDS = LINE * WORD_LINES + 6
_ROW = 2 * WORDS + 2 * LANE + STRIP + 44
_HEAD, _FOOT = 148, 56


class Sheet:
    """The paper for a call of so many seconds; a long one has longer rows, not ever more of them.

    Attributes:
        rows: How many there are.
        row_sec: How many seconds a row is long.
    """

    def __init__(self, seconds: float) -> None:
        """Measure it."""
        self._seconds = seconds
        self.row_sec = max(_ROW_SEC, seconds / _MOST_ROWS)
        self.rows = max(1, ceil(seconds / self.row_sec))

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return WIDTH, _HEAD + self.rows * _ROW + _FOOT

    def place(self, seconds: float) -> tuple[float, int]:
        """Where a moment is: its x, and the top of its row."""
        row = min(int(seconds / self.row_sec), self.rows - 1)
        return self.x(seconds, row), self.top(row)

    def x(self, seconds: float, row: int) -> float:
        """Where a moment is within `row`; at its end when it is outside."""
        share = (seconds - row * self.row_sec) / self.row_sec
        return LEFT + min(max(share, 0.0), 1.0) * (RIGHT - LEFT)

    def row_end(self, row: int) -> float:
        """Where `row` ends: the last one with the call."""
        return self.x(min(self._seconds, (row + 1) * self.row_sec), row)

    @staticmethod
    def top(row: int) -> int:
        """The top of `row`."""
        return _HEAD + row * _ROW


def row_at(top: int) -> int:
    """The row whose top this is."""
    return (top - _HEAD) // _ROW


def other_lane(top: int) -> int:
    """The other side's lane in the row with this top."""
    return top + WORDS


def strip(top: int) -> int:
    """What lies between the lanes."""
    return top + WORDS + LANE


def agent_lane(top: int) -> int:
    """The agent's lane."""
    return top + WORDS + LANE + STRIP
