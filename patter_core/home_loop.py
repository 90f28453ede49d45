"""The engine's own thread and event loop: whatever happens to a caller's loop, calls go on here."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections import deque
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
        self._lock = threading.Lock()
        self._posted: deque[Callable[[], object]] = deque()
        self._submitted: set[Future[Any]] = set()
        self._ended = False

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
                self._end()
                over.set_exception(error)
            else:
                self._end()
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
            future = asyncio.run_coroutine_threadsafe(coroutine, loop)
        except RuntimeError as error:  # It was closed since we looked.
            coroutine.close()
            raise PhoneClosed("The phone is closed") from error
        with self._lock:
            ended = self._ended
            self._submitted.add(future)
        future.add_done_callback(self._submitted.discard)
        if ended:
            self._end()
        return future

    def post(self, function: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> bool:
        """Call a plain function on this loop soon, from any thread, in the order of posting.

        What was accepted is called, even if the loop ends at that moment: then without a loop.

        Returns:
            Whether it was accepted; not before the loop runs, nor after it has ended.
        """
        loop = self._loop
        with self._lock:
            if loop is None or self._ended:
                return False
            self._posted.append(lambda: function(*args, **kwargs))
        with contextlib.suppress(RuntimeError):  # It was closed since; its thread will call it.
            loop.call_soon_threadsafe(self._call_posted)
        return True

    def _call_posted(self) -> None:
        """Call the first that waits: there is one turn of the loop for each."""
        with self._lock:
            function = self._posted.popleft() if self._posted else None
        if function is not None:
            function()

    def _end(self) -> None:
        """A closed loop forgets what it was given last; nobody may wait for that for ever."""
        with self._lock:
            self._ended = True
            submitted = tuple(self._submitted)
        while self._posted:
            try:
                self._call_posted()
            except Exception:  # noqa: BLE001 - as the loop would: the others are called all the same
                _log.exception("What was posted to a loop that ended failed")
        for future in submitted:
            if not future.done():
                future.set_exception(PhoneClosed("The phone is closed"))

    def on_it(self) -> bool:
        """Whether the calling thread is this loop's own, which must never wait for it."""
        return threading.current_thread() is self._thread

    @property
    def thread_id(self) -> int:
        """The identity of this loop's thread; 0 before it runs."""
        return (self._thread.ident or 0) if self._thread is not None else 0

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
