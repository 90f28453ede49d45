"""What is said while a tool runs, and never after it."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from patter_core.clock import Clock
    from patter_core.tools.definition import Reassurance

_MAX_CHARS = 1_000

_log = logging.getLogger(__name__)


class Progress:
    """Takes what one invocation has to say, from any thread, until it is closed."""

    def __init__(self, on_progress: Callable[[str], object]) -> None:
        """Pass everything on to `on_progress`, on the running loop, which is this one's own."""
        self._on_progress = on_progress
        self._loop = asyncio.get_running_loop()
        self._open = True

    def __call__(self, text: str) -> None:
        """Say `text`; in order, and at once when called on the own loop."""
        text = text[:_MAX_CHARS]
        try:
            here = asyncio.get_running_loop()
        except RuntimeError:
            here = None
        if here is self._loop:
            self._say(text)
        else:
            with suppress(RuntimeError):  # The loop was closed: there is nobody left to hear it.
                self._loop.call_soon_threadsafe(self._say, text)

    def close(self) -> None:
        """Say nothing more: what a tool says once it was answered for comes too late."""
        self._open = False

    def _say(self, text: str) -> None:
        if not self._open:
            return
        try:
            self._on_progress(text)
        except Exception:  # noqa: BLE001 - a stranger's code
            # Whoever listens has no part in what the tool does.
            _log.exception("What a tool said could not be passed on")


@asynccontextmanager
async def reassuring(
    say: Callable[[str], None], reassurance: Reassurance, clock: Clock
) -> AsyncGenerator[None]:
    """Say the line of `reassurance` when the block takes longer than it may in silence."""

    async def wait_and_say() -> None:
        await clock.sleep(reassurance.after_ms / 1000)
        say(reassurance.message)

    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(wait_and_say())
        try:
            yield
        finally:
            waiting.cancel()
