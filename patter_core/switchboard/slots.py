"""Lines that may be in use at once, given out in the order in which they were asked for."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from patter_core.clock import Clock


class QueueFull(Exception):
    """As many calls are waiting as may."""


class Slots:
    """`count` lines and a queue. Used on one loop only."""

    def __init__(self, count: int, *, queue_length: int, clock: Clock) -> None:
        """All lines are free."""
        self._free = count
        self._queue_length = queue_length
        self._clock = clock
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def take(self, timeout_sec: float) -> None:
        """Wait for a line, first come, first served.

        Raises:
            QueueFull: Too many wait already.
            TimeoutError: None became free in time.
        """
        if self.take_now():
            return
        if len(self._waiting) >= self._queue_length:
            raise QueueFull
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with self._clock.timeout(timeout_sec):
                await turn
        except BaseException:
            if turn.done() and not turn.cancelled():
                self.give_back()  # It came at the very moment when nobody wanted it any more.
            else:
                with contextlib.suppress(ValueError):  # Already passed over.
                    self._waiting.remove(turn)
            raise

    def take_now(self) -> bool:
        """Take a line if one is free and nobody waits for it; whether that was so."""
        if self._free and not self._waiting:
            self._free -= 1
            return True
        return False

    def give_back(self) -> None:
        """Free a line for whoever waits longest."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
