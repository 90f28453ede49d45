"""The signals that ask a process to stop, heard for as long as somebody wants to hear them."""

from __future__ import annotations

import asyncio
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_STOP = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stop_signals(stop: Callable[[], None]) -> Generator[None]:
    """Call `stop` on the running loop at SIGINT and SIGTERM; the handlers before come back after.

    Only in the main thread, where signals arrive.
    """
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in _STOP}
    for number in before:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)
