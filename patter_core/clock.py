"""Monotonic time, sleep and deadlines, handed to whoever needs them.

Production runs on `SystemClock`. A `SimulatedClock` stands still until somebody moves it, so that a
call of three minutes takes as long as its computing does; the phone network on loopback moves it.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import threading
import time
import weakref
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator
    from contextlib import AbstractAsyncContextManager, AbstractContextManager


class Clock(Protocol):
    """Time, as the engine sees it. Usable from any thread and any loop."""

    def now(self) -> float:
        """Monotonic seconds; only differences mean anything."""
        ...

    def wall(self) -> datetime:
        """The date and time of day, aware, UTC: for records and quiet hours, never deadlines."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait until `seconds` have passed on this clock."""
        ...

    def timeout(self, seconds: float | None) -> AbstractAsyncContextManager[object]:
        """Like `asyncio.timeout`, on this clock: `TimeoutError` leaves a block that overstays.

        None never expires.
        """
        ...

    def hold(self) -> AbstractContextManager[None]:
        """Mark that something real is outstanding: a request, a disk write, a user's function.

        A simulated clock keeps to real time meanwhile, or it would run past the answer.
        """
        ...

    def join(self, loop: asyncio.AbstractEventLoop) -> None:
        """Count `loop` among those that must be idle before simulated time may jump."""
        ...


class SystemClock:
    """The clock on the wall."""

    def now(self) -> float:
        """See `Clock.now`."""
        return time.monotonic()

    def wall(self) -> datetime:
        """See `Clock.wall`."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """See `Clock.sleep`."""
        await asyncio.sleep(seconds)

    def timeout(self, seconds: float | None) -> AbstractAsyncContextManager[object]:
        """See `Clock.timeout`."""
        return asyncio.timeout(seconds)

    def hold(self) -> AbstractContextManager[None]:
        """See `Clock.hold`."""
        return contextlib.nullcontext()

    def join(self, loop: asyncio.AbstractEventLoop) -> None:
        """See `Clock.join`."""


class _Timer:
    """One moment that somebody waits for, on the loop it waits on."""

    __slots__ = ("at", "callback", "cancelled", "loop")

    def __init__(
        self, at: float, loop: asyncio.AbstractEventLoop, callback: Callable[[], None]
    ) -> None:
        self.at = at
        self.loop = loop
        self.callback = callback
        self.cancelled = False

    def fire(self) -> None:
        # A loop that was closed has nobody left to wake.
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._run)

    def _run(self) -> None:
        # Cancelling happens on the waiter's own loop, so here the flag can be trusted.
        if not self.cancelled:
            self.callback()


class SimulatedClock:
    """A clock that moves when told: `advance` is for its one driver, the rest for everybody.

    Attributes:
        holds: How many things are outstanding that only real time can finish.
        activity: Counts everything that was asked of the clock; when it stays, nobody is planning.
    """

    def __init__(self, *, wall: datetime | None = None) -> None:
        """Start at 0 s; `wall` is the date and time then, now when not given."""
        self._now = 0.0
        self._wall = wall or datetime.now(UTC)
        self._timers: list[tuple[float, int, _Timer]] = []
        self._order = itertools.count()
        self._lock = threading.Lock()
        self._loops: weakref.WeakSet[asyncio.AbstractEventLoop] = weakref.WeakSet()
        self.holds = 0
        self.activity = 0

    def now(self) -> float:
        """See `Clock.now`."""
        return self._now

    def wall(self) -> datetime:
        """See `Clock.wall`."""
        return self._wall + timedelta(seconds=self._now)

    async def sleep(self, seconds: float) -> None:
        """See `Clock.sleep`."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        loop = asyncio.get_running_loop()
        woken: asyncio.Future[None] = loop.create_future()

        def wake() -> None:
            if not woken.done():
                woken.set_result(None)

        timer = self._call_at(self._now + seconds, loop, wake)
        try:
            await woken
        finally:
            timer.cancelled = True

    def timeout(self, seconds: float | None) -> AbstractAsyncContextManager[object]:
        """See `Clock.timeout`."""
        return asyncio.timeout(None) if seconds is None else self._expiring(seconds)

    @contextlib.asynccontextmanager
    async def _expiring(self, seconds: float) -> AsyncGenerator[None]:
        # The standard library's own timeout does the cancelling; we only tell it when.
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(0 if seconds <= 0 else None) as deadline:
            timer = self._call_at(
                self._now + seconds, loop, lambda: deadline.reschedule(loop.time())
            )
            try:
                yield
            finally:
                timer.cancelled = True

    @contextlib.contextmanager
    def hold(self) -> Generator[None]:
        """See `Clock.hold`."""
        with self._lock:
            self.holds += 1
            self.activity += 1
        try:
            yield
        finally:
            with self._lock:
                self.holds -= 1
                self.activity += 1

    def join(self, loop: asyncio.AbstractEventLoop) -> None:
        """See `Clock.join`."""
        with self._lock:
            self._loops.add(loop)

    def loops(self) -> list[asyncio.AbstractEventLoop]:
        """The running loops that time must wait for while they are busy."""
        with self._lock:
            loops = list(self._loops)
        return [loop for loop in loops if loop.is_running()]

    def next_timer(self) -> float | None:
        """The earliest moment that somebody waits for, in this clock's seconds, if any."""
        with self._lock:
            while self._timers and self._timers[0][2].cancelled:
                heapq.heappop(self._timers)
            return self._timers[0][0] if self._timers else None

    def advance(self, until: float) -> None:
        """Move to `until` (seconds, never backwards) and wake everybody who waited for it."""
        due: list[_Timer] = []
        with self._lock:
            self._now = max(self._now, until)
            while self._timers and self._timers[0][0] <= self._now:
                due.append(heapq.heappop(self._timers)[2])
        for timer in due:
            timer.fire()

    def _call_at(
        self, at: float, loop: asyncio.AbstractEventLoop, callback: Callable[[], None]
    ) -> _Timer:
        timer = _Timer(at, loop, callback)
        with self._lock:
            self._loops.add(loop)
            self.activity += 1
            heapq.heappush(self._timers, (at, next(self._order), timer))
        return timer
