"""Daemon threads for calls that block, which go on working while the interpreter shuts down.

An executor of the standard library refuses work from the moment when the main thread ends; a call
that is still up then must be hung up, and that needs a name looked up and a row written.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")


class Workers:
    """A few threads that run blocking functions, in the order in which they were asked.

    With one thread the order of asking is the order of running, without exception.
    """

    def __init__(self, name: str, *, threads: int = 1) -> None:
        """Store what is needed; `start` starts the threads."""
        self._name = name
        self._size = threads
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._unfinished = 0
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start all the threads. Safe to repeat."""
        with self._lock:
            self._start(self._size)

    def keep_up(self) -> None:
        """Start one thread for each job that is not finished, as far as there may be so many.

        For jobs that may block for ever: those behind them need not wait.
        """
        with self._lock:
            self._start(min(self._unfinished, self._size))

    def _start(self, count: int) -> None:
        while len(self._threads) < count:
            name = f"{self._name}-{len(self._threads)}"
            thread = threading.Thread(target=self._work, name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `function` on a worker and return what it returns, or raise what it raises.

        Cancelling the wait does not stop a function that has begun: it has its effect, and nobody
        hears of it.
        """
        return await asyncio.wrap_future(self.post(function, *args, **kwargs))

    def post(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Ask for `function` to be run, and go on."""
        outcome: Future[T] = Future()

        def job() -> None:
            try:
                if outcome.set_running_or_notify_cancel():
                    outcome.set_result(function(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001 - it is handed to whoever asked
                outcome.set_exception(error)
            finally:
                with self._lock:
                    self._unfinished -= 1

        with self._lock:
            self._unfinished += 1
        self._jobs.put(job)
        return outcome

    def release(self) -> None:
        """Let the threads end after the work that was asked for so far. Safe to repeat."""
        with self._lock:
            for _ in self._threads:
                self._jobs.put(None)
            self._threads.clear()

    def stop(self) -> None:
        """Like `release`, and wait until they have ended."""
        threads = list(self._threads)
        self.release()
        for thread in threads:
            thread.join()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
            del job  # Or it would be kept, with all that it refers to, until the next one.
