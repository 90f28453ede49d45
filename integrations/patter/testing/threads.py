"""Threads and loops on which the suite runs a framework."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

T = TypeVar("T")


def in_plain_code(run: Callable[[asyncio.AbstractEventLoop], T]) -> T:
    """Block until `run` returned, on a thread of its own whose default loop is closed afterwards.

    For a framework's `run_sync`: it refuses a thread whose loop is running, uses the default loop
    of another (which `run` is given, to open and close with), and leaves it open.
    """

    def on_its_thread() -> T:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        try:
            return run(loop)
        finally:
            asyncio.set_event_loop(None)
            loop.close()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(on_its_thread).result()


@contextmanager
def loop_elsewhere() -> Generator[asyncio.AbstractEventLoop]:
    """A loop that runs on another thread; at the end its tasks are cancelled."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever)
    thread.start()
    try:
        yield loop
    finally:
        asyncio.run_coroutine_threadsafe(_cancel_the_rest(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()


async def _cancel_the_rest() -> None:
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
