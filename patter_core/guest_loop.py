"""Where users' code runs: their own event loop, never the engine's.

A hook may use what belongs to its author's loop, and it may block. So async code runs on the loop
that last opened the phone, while that runs; else on the loop that awaits the call; else on a spare
one. Plain functions run on threads of their own. None of it can hold up audio.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar, cast

from patter_core.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")

_SYNC_THREADS = 64  # Started as they are needed: a hook may block for ever.


class GuestLoops:
    """Chooses a loop for users' code, and runs it there. Called on the engine's loop."""

    def __init__(self) -> None:
        """Know no loop yet."""
        self._adopted: asyncio.AbstractEventLoop | None = None
        self._spare = _SpareLoop()
        self._workers = Workers("patter-guest", threads=_SYNC_THREADS)
        self._lock = threading.Lock()

    def adopt(self, loop: asyncio.AbstractEventLoop) -> None:
        """Prefer `loop`, which entered `serve()`, `async with phone` or `start()`."""
        self._adopted = loop

    def choose(
        self,
        awaiting: asyncio.AbstractEventLoop | None,
        blocked: asyncio.AbstractEventLoop | None = None,
    ) -> asyncio.AbstractEventLoop:
        """The loop for one call's hooks.

        Args:
            awaiting: The loop that awaits the call; None when a thread waits for it.
            blocked: The loop whose own thread waits for the call, and so cannot run anything.
        """
        for loop in (self._adopted, awaiting):
            if loop is not None and loop is not blocked and loop.is_running():
                return loop
        return self._spare.loop()

    def guest(
        self,
        awaiting: asyncio.AbstractEventLoop | None,
        blocked: asyncio.AbstractEventLoop | None = None,
    ) -> Guest:
        """Where the hooks of one call run; see `choose`, which is asked when one is called."""
        return Guest(self, awaiting, blocked)

    async def call(
        self,
        loop: asyncio.AbstractEventLoop,
        function: Callable[..., Awaitable[T] | T],
        *args: Any,
    ) -> T:
        """Run a user's function, async on `loop` or plain on a thread, and return its answer.

        Cancelling the wait cancels an async function; a plain one runs on, unheard.

        Raises:
            Exception: What the function raised. What would end a task or a thread, cancellation
                and exit, arrives as a RuntimeError: it must not end the engine's.
        """
        try:
            return await self._run(loop, function, *args)
        except Exception:
            raise
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise RuntimeError("A hook was cancelled") from error
        except BaseException as error:
            raise RuntimeError(f"A hook raised {type(error).__name__}") from error

    async def _run(
        self,
        loop: asyncio.AbstractEventLoop,
        function: Callable[..., Awaitable[T] | T],
        *args: Any,
    ) -> T:
        if is_async(function):
            return await _on(loop, lambda: cast("Awaitable[T]", function(*args)))
        with self._lock:
            answering = self._workers.post(lambda: _called(function, *args))
            self._workers.keep_up()
        answer = await asyncio.wrap_future(answering)
        if inspect.isawaitable(answer):
            return await _on(loop, lambda: cast("Awaitable[T]", answer))
        return answer

    def stop(self) -> None:
        """End the threads of our own once they are idle. Safe to repeat."""
        self._spare.stop()
        self._workers.release()


class Guest:
    """Whose hooks one call has: each runs where they belong at that moment."""

    def __init__(
        self,
        loops: GuestLoops,
        awaiting: asyncio.AbstractEventLoop | None,
        blocked: asyncio.AbstractEventLoop | None,
    ) -> None:
        """Choose nothing yet: that may start a thread, and most calls have no hook."""
        self._loops = loops
        self._awaiting = awaiting
        self._blocked = blocked

    async def call(self, function: Callable[..., Awaitable[T] | T], *args: Any) -> T:
        """Run a user's function and return its answer; see `GuestLoops.call`."""
        loop = self._loops.choose(self._awaiting, self._blocked)
        return await self._loops.call(loop, function, *args)


def _called(function: Callable[..., Awaitable[T] | T], *args: Any) -> Awaitable[T] | T:
    try:
        return function(*args)
    except StopIteration as error:  # No future of asyncio takes it.
        raise RuntimeError("A hook raised StopIteration") from error


async def _on(loop: asyncio.AbstractEventLoop, make: Callable[[], Awaitable[T]]) -> T:
    # Made over there: cancelled before it begins, it leaves no coroutine that nobody awaited.
    async def finish() -> T:
        return await make()

    coroutine = finish()
    try:
        future = asyncio.run_coroutine_threadsafe(coroutine, loop)
    except RuntimeError:
        coroutine.close()
        raise
    return await asyncio.wrap_future(future)


def is_async(function: object) -> bool:
    """Whether a call of `function` has to be awaited, as far as that can be told beforehand."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004 - an object with an async __call__
    )


class _SpareLoop:
    """A loop on a daemon thread, for hooks whose author has none running. Started when needed."""

    def __init__(self) -> None:
        self._loop: Future[asyncio.AbstractEventLoop] | None = None
        self._lock = threading.Lock()

    def loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = Future()
                threading.Thread(
                    target=_live_on, args=(self._loop,), name="patter-spare", daemon=True
                ).start()
            return self._loop.result()

    def stop(self) -> None:
        with self._lock:
            if self._loop is not None:
                loop = self._loop.result()
                loop.call_soon_threadsafe(loop.stop)
                self._loop = None


def _live_on(announce: Future[asyncio.AbstractEventLoop]) -> None:
    loop = asyncio.new_event_loop()
    announce.set_result(loop)
    try:
        loop.run_forever()
    finally:
        loop.close()
