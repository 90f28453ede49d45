"""A thread with an event loop of its own, which runs one thing until it is told to stop."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from types import TracebackType

_STOP_SEC = 5.0


class OwnLoop:
    """Runs `main(ready, stop)` on a daemon thread.

    `main` calls `ready` once it is up and returns soon after `stop` is set. `start` raises what
    `main` raised before that. Stopping is bounded: past the bound the thread is left behind.
    """

    def __init__(
        self,
        name: str,
        main: Callable[[Callable[[], None], asyncio.Event], Coroutine[None, None, None]],
    ) -> None:
        """Store what is needed; `start` starts the thread."""
        self._name = name
        self._main = main
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._up: Future[None] = Future()
        self._down: Future[None] = Future()

    def start(self) -> None:
        """Start, and return once it is up."""
        self._launch()
        self._up.result()

    async def start_async(self) -> None:
        """Start, without blocking the caller's loop meanwhile."""
        self._launch()
        await asyncio.wrap_future(self._up)

    def stop(self) -> None:
        """Stop, within a bound. Safe to repeat."""
        if self._ask_to_stop() and self._thread is not None:
            self._thread.join(_STOP_SEC)

    async def stop_async(self) -> None:
        """Stop, without blocking the caller's loop, which our own end may need to say goodbye."""
        if self._ask_to_stop():
            await asyncio.wait([asyncio.wrap_future(self._down)], timeout=_STOP_SEC)

    def call_soon(self, callback: Callable[[], None]) -> None:
        """Run `callback` on our loop; nothing happens when it is not up."""
        if self._loop is not None and not self._down.done():
            self._loop.call_soon_threadsafe(callback)

    def _launch(self) -> None:
        if self._thread is not None:
            raise RuntimeError(f"{self._name} was started before; make a new one")
        self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
        self._thread.start()

    def _ask_to_stop(self) -> bool:
        loop, stop = self._loop, self._stop
        if loop is None or stop is None or self._down.done():
            return False
        loop.call_soon_threadsafe(stop.set)
        return True

    def _work(self) -> None:
        try:
            asyncio.run(self._run())
        except BaseException as error:
            if self._up.done():
                raise
            self._up.set_exception(error)
        finally:
            self._down.set_result(None)

    async def _run(self) -> None:
        self._stop = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        await self._main(lambda: self._up.set_result(None), self._stop)


class OnOwnLoop:
    """Lives on a loop of its own while it is entered, with `with` or `async with`."""

    _loop: OwnLoop

    def __enter__(self) -> Self:
        self._loop.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.stop()

    async def __aenter__(self) -> Self:
        await self._loop.start_async()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._loop.stop_async()
