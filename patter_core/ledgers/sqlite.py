"""The ledger that needs nothing else: one SQLite file, which several processes may share."""

from __future__ import annotations

import asyncio
import logging
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from patter_core.calls.status import State
from patter_core.calls.tally import settled_usd
from patter_core.errors import LedgerError
from patter_core.ledgers import counting, rows, schema
from patter_core.ledgers.database import Database
from patter_core.ledgers.owners import Owners
from patter_core.workers import Workers

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from concurrent.futures import Future

    from patter_core.calls.ledger import Admit, CallRow
    from patter_core.calls.policy import Refusal
    from patter_core.calls.result import CallResult
    from patter_core.calls.tally import DoNotCall, Tally
    from patter_core.calls.transcript import Turn
    from patter_core.clock import Clock

P = ParamSpec("P")
T = TypeVar("T")

logger = logging.getLogger(__name__)

_FORGET_EVERY_SEC = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opened:
    """What an open ledger is: kept together, so that it is there whole or not at all."""

    database: Database
    owners: Owners
    owner: str
    signing_key: bytes
    process: int


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
        self._opened: _Opened | None = None
        self._started = False
        self._forget_at = 0.0

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
        return await self._ask(self._intend, row, admit)

    async def tally(self, scope: str, to: str, now: datetime) -> Tally:
        """See `CallLedger.tally`."""
        return await self._ask(self._tally, scope, to, now)

    async def add_do_not_call(self, entry: DoNotCall) -> bool:
        """See `CallLedger.add_do_not_call`."""
        return await self._ask(self._add_do_not_call, entry)

    async def remove_do_not_call(self, number: str) -> bool:
        """See `CallLedger.remove_do_not_call`."""
        return await self._ask(self._remove_do_not_call, number)

    async def do_not_call_list(self) -> list[DoNotCall]:
        """See `CallLedger.do_not_call_list`."""
        return await self._ask(self._do_not_call_list)

    async def find(self, scope: str, key: str) -> CallRow | None:
        """See `CallLedger.find`."""
        found = await self._ask(self._select, "scope = ? AND key = ?", scope, key)
        return found[0] if found else None

    async def read(self, call_id: str) -> CallRow | None:
        """See `CallLedger.read`."""
        found = await self._ask(self._select, "call_id = ?", call_id)
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
        await self._ask(self._move, call_id, state, carrier_call_id, answered_at)

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
        self._workers.post(self._note_turn, opened, call_id, turn).add_done_callback(tell)

    async def close_call(self, call_id: str, result: CallResult) -> bool:
        """See `CallLedger.close_call`. A call that was never intended is an error."""
        return await self._ask(self._close_call, call_id, result)

    async def knows_carrier_call(self, carrier_call_id: str) -> bool:
        """See `CallLedger.knows_carrier_call`."""
        return await self._ask(self._knows_carrier_call, carrier_call_id)

    async def owner_lives(self, owner: str) -> bool:
        """See `CallLedger.owner_lives`."""
        return await self._ask(self._owner_lives, owner)

    async def abandoned(self) -> list[CallRow]:
        """See `CallLedger.abandoned`. None in memory, which nothing outlives."""
        return await self._ask(self._abandoned)

    async def _ask(
        self,
        function: Callable[Concatenate[_Opened, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        opened = self._while_open()
        with self._clock.hold():
            return await self._workers.run(function, opened, *args, **kwargs)

    def _while_open(self) -> _Opened:
        if self._forked():
            raise LedgerError("The ledger was opened before this process forked; open another here")
        if self._opened is None:
            raise LedgerError("The ledger is not open; open() comes first, and aclose() is the end")
        return self._opened

    def _forked(self) -> bool:
        return self._opened is not None and self._opened.process != os.getpid()

    # What follows runs on the ledger's own thread.

    def _open(self) -> None:
        # Resolved, so that everybody who has the file finds the owners beside the same one.
        path = None if str(self._path) == ":memory:" else Path(self._path).expanduser().resolve()
        database, owners = Database(path), Owners(None if path is None else path.parent / "owners")
        try:
            database.open()
            with database.errors_in_words():
                owner = owners.join()
                owners.sweep()
            with database.transaction("BEGIN") as connection:
                signing_key = schema.signing_key(connection)
            opened = _Opened(
                database=database,
                owners=owners,
                owner=owner,
                signing_key=signing_key,
                process=os.getpid(),
            )
            self._forget(opened)
        except BaseException:
            owners.leave()
            database.close()
            raise
        self._opened = opened

    def _close(self) -> None:
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.owners.leave()
            opened.database.close()

    def _intend(
        self, opened: _Opened, row: CallRow, admit: Admit | None
    ) -> CallRow | Refusal | None:
        # `synchronous` may change between transactions, and is FULL for this one alone: it costs
        # 3 microseconds, while a commit that waits for the disk took 10 times as long as one that
        # does not (0.2 ms and 0.02 ms on a virtual disk; a real one takes milliseconds). It takes
        # everything committed before to the disk with it.
        with opened.database.transaction(on_disk=True) as connection:
            if row.key is not None:
                holders = self._read(connection, "scope = ? AND key = ?", row.scope, row.key)
                if holders:
                    return holders[0]
            if admit is not None:
                tally = counting.read_tally(connection, row.scope, row.to, row.intended_at)
                if (refusal := admit(tally)) is not None:
                    return refusal
            rows.insert_call(connection, row)
            return None

    def _tally(self, opened: _Opened, scope: str, to: str, now: datetime) -> Tally:
        with opened.database.transaction("BEGIN") as connection:
            return counting.read_tally(connection, scope, to, now)

    def _add_do_not_call(self, opened: _Opened, entry: DoNotCall) -> bool:
        # Who asked to be left alone is not forgotten because the power fails.
        with opened.database.transaction(on_disk=True) as connection:
            return counting.add_do_not_call(connection, entry)

    def _remove_do_not_call(self, opened: _Opened, number: str) -> bool:
        with opened.database.transaction() as connection:
            return counting.remove_do_not_call(connection, number)

    def _do_not_call_list(self, opened: _Opened) -> list[DoNotCall]:
        with opened.database.transaction("BEGIN") as connection:
            return counting.read_do_not_call(connection)

    def _select(self, opened: _Opened, where: str, *values: str) -> list[CallRow]:
        with opened.database.transaction("BEGIN") as connection:
            return self._read(connection, where, *values)

    def _read(self, connection: sqlite3.Connection, where: str, *values: str) -> list[CallRow]:
        return rows.read_calls(connection, where, values, expired_before=self._expired_before())

    def _move(
        self,
        opened: _Opened,
        call_id: str,
        state: State,
        carrier_call_id: str | None,
        answered_at: datetime | None,
    ) -> None:
        with opened.database.transaction() as connection:
            before = _state_under_way(connection, call_id)
            if before is None:
                return
            furthest = max(before, state, key=lambda each: each.rank)
            connection.execute(
                "UPDATE calls SET state = ?, carrier_call_id = coalesce(?, carrier_call_id), "
                "answered_at = coalesce(?, answered_at) WHERE call_id = ?",
                (str(furthest), carrier_call_id, rows.as_text(answered_at), call_id),
            )

    def _note_turn(self, opened: _Opened, call_id: str, turn: Turn) -> None:
        with opened.database.transaction() as connection:
            query = "SELECT 1 FROM calls WHERE call_id = ? AND result IS NULL"
            if connection.execute(query, (call_id,)).fetchone():
                rows.insert_turns(connection, call_id, (turn,))

    def _close_call(self, opened: _Opened, call_id: str, result: CallResult) -> bool:
        with opened.database.transaction() as connection:
            if _state_under_way(connection, call_id) is None:
                return False
            reserved = "SELECT charge_usd FROM calls WHERE call_id = ?"
            (reserved_usd,) = connection.execute(reserved, (call_id,)).fetchone()
            connection.execute(
                "UPDATE calls SET state = ?, result = ?, closed_at = ?, "
                "key = CASE WHEN ? THEN key END, counts = counts AND ?, charge_usd = ? "
                "WHERE call_id = ?",
                (
                    str(State.ENDED),
                    rows.result_json(result),
                    rows.as_text(self._clock.wall()),
                    result.may_have_dialed,
                    result.may_have_dialed,
                    settled_usd(result, reserved_usd),
                    call_id,
                ),
            )
            connection.execute("DELETE FROM turns WHERE call_id = ?", (call_id,))
            rows.insert_turns(connection, call_id, result.transcript)
        if self._clock.now() >= self._forget_at:
            try:
                self._forget(opened)
            except LedgerError:
                # The call is closed, which is what was asked; the next one tries again.
                logger.exception("Transcripts past their time could not be deleted")
        return True

    def _knows_carrier_call(self, opened: _Opened, carrier_call_id: str) -> bool:
        with opened.database.transaction("BEGIN") as connection:
            query = "SELECT 1 FROM calls WHERE carrier_call_id = ?"
            return connection.execute(query, (carrier_call_id,)).fetchone() is not None

    def _owner_lives(self, opened: _Opened, owner: str) -> bool:
        with opened.database.errors_in_words():
            return opened.owners.lives(owner)

    def _abandoned(self, opened: _Opened) -> list[CallRow]:
        if opened.owners.alone:
            return []
        with opened.database.transaction("BEGIN") as connection:
            query = "SELECT DISTINCT owner FROM calls WHERE result IS NULL"
            owners = [owner for (owner,) in connection.execute(query)]
        # Asked before the rows are read: the dead write no more, so what is read then is final.
        dead = {owner for owner in owners if not self._owner_lives(opened, owner)}
        return [row for row in self._select(opened, "result IS NULL") if row.owner in dead]

    def _forget(self, opened: _Opened) -> None:
        """Delete what was said in calls that were closed too long ago."""
        overdue = (
            "transcript_expired = 0 AND closed_at < ? "
            "AND EXISTS (SELECT 1 FROM turns WHERE turns.call_id = calls.call_id)"
        )
        values = (rows.as_text(self._expired_before()),)
        with opened.database.transaction() as connection:
            query = f"SELECT call_id FROM calls WHERE {overdue}"  # noqa: S608 - ours
            forgotten = connection.execute(query, values).fetchall()
            mark = "UPDATE calls SET transcript_expired = 1 WHERE call_id = ?"
            connection.executemany(mark, forgotten)
            connection.executemany("DELETE FROM turns WHERE call_id = ?", forgotten)
        self._forget_at = self._clock.now() + min(_FORGET_EVERY_SEC, self._retention_sec)

    def _expired_before(self) -> datetime:
        # The end of a call is when it was closed: our own clock, where `ended_at` may be another's.
        try:
            return self._clock.wall() - timedelta(seconds=self._retention_sec)
        except OverflowError:
            return datetime.min.replace(tzinfo=UTC)


def _state_under_way(connection: sqlite3.Connection, call_id: str) -> State | None:
    """Where a call is; None once it is closed."""
    query = "SELECT state, result IS NULL FROM calls WHERE call_id = ?"
    record = connection.execute(query, (call_id,)).fetchone()
    if record is None:
        raise LedgerError(f"The ledger has no call {call_id}; intend() comes before everything")
    state, under_way = record
    return State(state) if under_way else None
