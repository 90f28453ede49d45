"""Every moment of a call at which something may go wrong: each await of its tasks, each write.

A moment is the step of one of the call's own tasks (those of `switchboard`) after an await, or a
transaction of the ledger just before or just after it is committed.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import contextmanager
from typing import Any

from patter import Patter
from patter_core.ledgers.database import Database


class Moments:
    """Counts moments, and does something at one of them."""

    def __init__(self) -> None:
        """Begin with nothing to do."""
        self._lock = threading.Lock()
        self.arm(0, lambda: None)

    def arm(self, at: int, do: Callable[[], object]) -> None:
        """Count anew, and do `do` at the moment `at`; the first is 1."""
        with self._lock:
            self.count, self._at, self._do = 0, at, do

    def one(self) -> None:
        """Here is one."""
        with self._lock:
            self.count += 1
            now = self.count == self._at
        if now:
            self._do()


@contextmanager
def writes_counted(moments: Moments):
    """Count what ledgers of this process write."""
    usual = Database.transaction

    @contextmanager
    def counted(self: Database, begin: str = "BEGIN IMMEDIATE", *, on_disk: bool = False):
        writes = begin == "BEGIN IMMEDIATE"
        with usual(self, begin, on_disk=on_disk) as connection:
            yield connection
            if writes:
                moments.one()
        if writes:
            moments.one()

    Database.transaction = counted
    try:
        yield
    finally:
        Database.transaction = usual


async def count_awaits(phone: Patter, moments: Moments) -> None:
    """Count the steps of the tasks of an open phone's calls, from now on."""

    def make_task(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> asyncio.Task[Any]:
        code = getattr(work, "cr_code", None)
        if code is not None and "/switchboard/" in code.co_filename:
            work = Counted(work, moments)
        return asyncio.Task(work, loop=loop, **options)

    async def begin() -> None:
        asyncio.get_running_loop().set_task_factory(make_task)

    opened = await phone.opened()
    await asyncio.wrap_future(opened.home.submit(begin))


class Counted(Coroutine[Any, Any, Any]):
    """A coroutine each of whose steps is a moment."""

    def __init__(self, work: Coroutine[Any, Any, Any], moments: Moments) -> None:
        """Stand before `work`."""
        self._work, self._moments = work, moments

    def send(self, value: Any) -> Any:
        """One step."""
        self._moments.one()
        return self._work.send(value)

    def throw(self, *error: Any) -> Any:
        """One step, with an exception."""
        self._moments.one()
        return self._work.throw(*error)

    def close(self) -> None:
        """See `Coroutine`."""
        self._work.close()

    def __await__(self) -> Any:
        """See `Coroutine`."""
        return self._work.__await__()
