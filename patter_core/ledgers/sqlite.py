"""The ledger that needs nothing else: one SQLite file, which several processes may share."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from patter_core.errors import LedgerError
from patter_core.ledgers.open_ledger import OpenLedger
from patter_core.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from datetime import datetime

    from patter_core.calls.ledger import Admit, CallRow
    from patter_core.calls.policy import Refusal
    from patter_core.calls.result import CallResult
    from patter_core.calls.status import State
    from patter_core.calls.tally import DoNotCall, Tally
    from patter_core.calls.transcript import Turn
    from patter_core.clock import Clock

P = ParamSpec("P")
T = TypeVar("T")

logger = logging.getLogger(__name__)


class SqliteLedger:
    """A `CallLedger` in a SQLite file, or in memory.

    Everything runs on a thread of its own, in the order of asking, from whichever loop it is asked;
    the thread goes on while the interpreter exits. An intent is on disk before `intend` returns;
    the other writes survive the death of the process, and the loss of power once the next intent
    is written.
    """

    def __init__(self, path: Path | str, *, clock: Clock, retention_sec: float) -> None:
        """Store what is needed; nothing is touched before `open`.

        Args:
            path: The file, made with its folder when missing; or ":memory:", which nobody shares
                and nothing outlives.
            clock: Tells how old a transcript is, and is held while the disk works.
            retention_sec: How long what was said is kept, from when its call was closed.
        """
        self._path = path
        self._clock = clock
        self._retention_sec = retention_sec
        self._workers = Workers("patter-ledger")
        self._opened: OpenLedger | None = None
        self._started = False

    @property
    def owner(self) -> str:
        """See `CallLedger.owner`. Raises `LedgerError` while it is not open."""
        return self._while_open().owner

    @property
    def signing_key(self) -> bytes:
        """See `CallLedger.signing_key`. Raises `LedgerError` while it is not open."""
        return self._while_open().signing_key

    async def open(self) -> None:
        """See `CallLedger.open`. Safe to repeat while open."""
        if self._opened is not None:
            self._while_open()
            return
        self._workers.start()
        self._started = True
        try:
            with self._clock.hold():
                await self._workers.run(self._open)
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """See `CallLedger.aclose`. Turns noted before are written."""
        if self._forked():
            return
        if self._started:
            # Whether there is something to close is decided on the thread: it may still be at what
            # a cancelled `open` asked for. Once asked, it happens, whoever stops waiting.
            closing = asyncio.wrap_future(self._workers.post(self._close))
            with self._clock.hold():
                await asyncio.shield(closing)
            self._workers.stop()
            self._started = False

    async def intend(self, row: CallRow, admit: Admit | None = None) -> CallRow | Refusal | None:
        """See `CallLedger.intend`. `admit` is asked on the ledger's thread."""
        return await self._ask(OpenLedger.intend, row, admit)

    async def tally(self, scope: str, to: str, now: datetime) -> Tally:
        """See `CallLedger.tally`."""
        return await self._ask(OpenLedger.tally, scope, to, now)

    async def add_do_not_call(self, entry: DoNotCall) -> bool:
        """See `CallLedger.add_do_not_call`."""
        return await self._ask(OpenLedger.add_do_not_call, entry)

    async def remove_do_not_call(self, number: str) -> bool:
        """See `CallLedger.remove_do_not_call`."""
        return await self._ask(OpenLedger.remove_do_not_call, number)

    async def do_not_call_list(self) -> list[DoNotCall]:
        """See `CallLedger.do_not_call_list`."""
        return await self._ask(OpenLedger.do_not_call_list)

    async def find(self, scope: str, key: str) -> CallRow | None:
        """See `CallLedger.find`."""
        found = await self._ask(OpenLedger.select, "scope = ? AND key = ?", scope, key)
        return found[0] if found else None

    async def read(self, call_id: str) -> CallRow | None:
        """See `CallLedger.read`."""
        found = await self._ask(OpenLedger.select, "call_id = ?", call_id)
        return found[0] if found else None

    async def move(
        self,
        call_id: str,
        state: State,
        *,
        carrier_call_id: str | None = None,
        answered_at: datetime | None = None,
    ) -> None:
        """See `CallLedger.move`. A call that was never intended is an error."""
        await self._ask(OpenLedger.move, call_id, state, carrier_call_id, answered_at)

    def note_turn(self, call_id: str, turn: Turn) -> None:
        """See `CallLedger.note_turn`. A turn of a call that is closed, or unknown, is dropped."""

        def tell(outcome: Future[None]) -> None:
            if error := outcome.exception():
                logger.error("A turn of call %s was not written down", call_id, exc_info=error)

        try:
            opened = self._while_open()
        except LedgerError:
            logger.exception("A turn of call %s was not written down", call_id)
            return
        self._workers.post(OpenLedger.note_turn, opened, call_id, turn).add_done_callback(tell)

    async def close_call(self, call_id: str, result: CallResult) -> bool:
        """See `CallLedger.close_call`. A call that was never intended is an error."""
        return await self._ask(OpenLedger.close_call, call_id, result)

    async def knows_carrier_call(self, carrier_call_id: str) -> bool:
        """See `CallLedger.knows_carrier_call`."""
        return await self._ask(OpenLedger.knows_carrier_call, carrier_call_id)

    async def owner_lives(self, owner: str) -> bool:
        """See `CallLedger.owner_lives`."""
        return await self._ask(OpenLedger.owner_lives, owner)

    async def abandoned(self) -> list[CallRow]:
        """See `CallLedger.abandoned`. None in memory, which nothing outlives."""
        return await self._ask(OpenLedger.abandoned)

    async def _ask(
        self,
        function: Callable[Concatenate[OpenLedger, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        opened = self._while_open()
        with self._clock.hold():
            return await self._workers.run(function, opened, *args, **kwargs)

    def _while_open(self) -> OpenLedger:
        if self._forked():
            raise LedgerError("The ledger was opened before this process forked; open another here")
        if self._opened is None:
            raise LedgerError("The ledger is not open; open() comes first, and aclose() is the end")
        return self._opened

    def _forked(self) -> bool:
        return self._opened is not None and self._opened.process != os.getpid()

    # On the ledger's own thread.

    def _open(self) -> None:
        # Resolved, so that everybody who has the file finds the owners beside the same one.
        path = None if str(self._path) == ":memory:" else Path(self._path).expanduser().resolve()
        self._opened = OpenLedger(path, clock=self._clock, retention_sec=self._retention_sec)

    def _close(self) -> None:
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()
