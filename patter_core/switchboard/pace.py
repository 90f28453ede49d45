"""How many calls a second a carrier account is asked for; the rest wait in their order."""

from __future__ import annotations

import threading
import weakref
from collections import deque
from typing import TYPE_CHECKING

from patter_core.clock import SystemClock

if TYPE_CHECKING:
    from patter_core.clock import Clock
    from patter_core.telephony.carrier import Carrier


class Pace:
    """The queue before one carrier account. Usable from any loop: phones share an account."""

    def __init__(self, clock: Clock) -> None:
        """Nobody waits; the first may go at once."""
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: deque[object] = deque()
        self._next_at = clock.now()

    async def wait(self, calls_per_second: float | None) -> None:
        """Return when the next call may be made, so many a second; None never waits."""
        if calls_per_second is None:
            return
        interval_sec = 1 / calls_per_second
        ticket = object()
        with self._lock:
            self._waiting.append(ticket)
        try:
            while (pause_sec := self._pause_sec(ticket, interval_sec)) > 0:
                await self._clock.sleep(pause_sec)
        except BaseException:
            with self._lock:  # Whoever is behind moves up.
                self._waiting.remove(ticket)
            raise

    def _pause_sec(self, ticket: object, interval_sec: float) -> float:
        """How long to wait before asking again; 0 when it was this one's turn, now taken."""
        with self._lock:
            now = self._clock.now()
            ahead = self._waiting.index(ticket)
            due_at = max(self._next_at, now if ahead else 0.0) + ahead * interval_sec
            if due_at > now:
                # Not longer than one interval: those ahead may give up.
                return min(due_at - now, interval_sec)
            self._waiting.popleft()
            self._next_at = now + interval_sec
            return 0.0


def pace_of(carrier: Carrier, clock: Clock) -> Pace:
    """The one pace of this account in this process, for as long as some phone has it."""
    # Every system clock is the same one; a simulated clock's time is its own.
    time = 0 if isinstance(clock, SystemClock) else id(clock)
    with _lock:
        return _paces.setdefault((carrier.name, carrier.account, time), Pace(clock))


_paces: weakref.WeakValueDictionary[tuple[str, str, int], Pace] = weakref.WeakValueDictionary()
_lock = threading.Lock()
