"""The engine's own thread and event loop: whatever happens to a caller's loop, calls go on here."""

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from patter_core.errors import PhoneClosed

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

P = ParamSpec("P")
T = TypeVar("T")

_log = logging.getLogger(__name__)


class HomeLoop:
    """A daemon thread whose loop runs one main coroutine, and what is sent to it meanwhile."""

    def __init__(self, name: str = "patter-home") -> None:
        """Store the thread's name; nothing runs yet."""
        self._name = name
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._over: Future[None] | None = None

    def run(self, main: Callable[[], Coroutine[Any, Any, None]]) -> Future[None]:
        """Start the thread with `main`, which is the parent of everything that runs here.

        Returns:
            Done when `main` is, with its exception if it raised one; the thread ends after it.
        """
        over: Future[None] = Future()
        started = threading.Event()

        async def live() -> None:
            self._loop = asyncio.get_running_loop()
            started.set()
            await main()

        def work() -> None:
            try:
                asyncio.run(live())
            except BaseException as error:  # noqa: BLE001 - handed to whoever waits for the end
                over.set_exception(error)
            else:
                over.set_result(None)
            finally:
                started.set()

        self._over = over
        self._thread = threading.Thread(target=work, name=self._name, daemon=True)
        self._thread.start()
        started.wait()
        return over

    def submit(
        self, function: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]:
        """Run a coroutine function on this loop, from any thread.

        Raises:
            PhoneClosed: The loop is not running.
        """
        loop = self._alive()
        coroutine = function(*args, **kwargs)
        try:
            return asyncio.run_coroutine_threadsafe(coroutine, loop)
        except RuntimeError as error:  # It was closed since we looked.
            coroutine.close()
            raise PhoneClosed("The phone is closed") from error

    def post(self, function: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> bool:
        """Call a plain function on this loop soon, from any thread.

        Returns:
            Whether there was a loop to call it on.
        """
        loop = self._loop
        if loop is None:
            return False
        try:
            loop.call_soon_threadsafe(lambda: function(*args, **kwargs))
        except RuntimeError:
            return False
        return True

    def on_it(self) -> bool:
        """Whether the calling thread is this loop's own, which must never wait for it."""
        return threading.current_thread() is self._thread

    def wait_over(self, timeout_sec: float) -> bool:
        """Block until the thread has ended; whether it did in time."""
        if self._thread is None:
            return True
        self._thread.join(timeout_sec)
        return not self._thread.is_alive()

    def _alive(self) -> asyncio.AbstractEventLoop:
        if self._loop is None or self._over is None or self._over.done():
            raise PhoneClosed("The phone is not open")
        return self._loop
