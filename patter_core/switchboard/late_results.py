"""Results that the ledger could not take when their calls ended: written as soon as it can."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from patter_core.switchboard import end

if TYPE_CHECKING:
    from patter_core.calls.result import CallResult
    from patter_core.switchboard.exchange import Exchange

_EVERY_SEC = 1.0


class LateResults:
    """Keeps results and tries to write them. Until that is done their calls count as under way.

    Whoever comes with the key of such a call waits for it; were it never written, for ever.
    """

    def __init__(self, exchange: Exchange, tasks: asyncio.TaskGroup) -> None:
        """Begin with none; `tasks` is the parent of whatever waits."""
        self._exchange = exchange
        self._tasks = tasks
        self._kept: dict[str, CallResult] = {}
        self._writing: asyncio.Task[None] | None = None
        self._closed = False

    def keep(self, result: CallResult) -> None:
        """Write `result` once the ledger takes it."""
        self._kept[result.call_id] = result
        if self._writing is None and not self._closed:
            self._writing = self._tasks.create_task(self._keep_trying())

    async def close(self) -> None:
        """Try once more. What is left is for the next start, which closes it as interrupted."""
        self._closed = True
        if self._writing is not None:
            self._writing.cancel()
            await self._try()

    async def _keep_trying(self) -> None:
        try:
            while self._kept:
                await asyncio.sleep(_EVERY_SEC)  # Real time: a disk knows no other.
                await self._try()
        finally:
            self._writing = None

    async def _try(self) -> None:
        for result in tuple(self._kept.values()):
            if not await end.close_record(result, self._exchange):
                return
            self._kept.pop(result.call_id, None)
