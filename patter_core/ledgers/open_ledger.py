"""An open ledger in a SQLite file: all that is asked of it, on its own thread."""

from __future__ import annotations

import logging
import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from patter_core.calls.status import State
from patter_core.calls.tally import settled_usd
from patter_core.errors import LedgerError
from patter_core.ledgers import counting, rows, schema
from patter_core.ledgers.database import Database
from patter_core.ledgers.owners import Owners

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from patter_core.calls.ledger import Admit, CallRow
    from patter_core.calls.policy import Refusal
    from patter_core.calls.result import CallResult
    from patter_core.calls.tally import DoNotCall, Tally
    from patter_core.calls.transcript import Turn
    from patter_core.clock import Clock

logger = logging.getLogger(__name__)

_FORGET_EVERY_SEC = 600.0


class OpenLedger:
    """A file of calls, and our place among its owners: there whole, or not at all.

    Everything here, making it included, happens on the one thread of the ledger that has it.
    Methods raise `LedgerError`.

    Attributes:
        owner: The id under which we write.
        signing_key: See `CallLedger.signing_key`.
        process: The process that opened it; nothing of it may be used in a forked child.
    """

    def __init__(self, path: Path | None, *, clock: Clock, retention_sec: float) -> None:
        """Open the file, become an owner, forget transcripts past their time.

        Args:
            path: Absolute; None is memory.
            clock: Tells how old a transcript is.
            retention_sec: How long what was said is kept.
        """
        self._clock = clock
        self._retention_sec = retention_sec
        self._forget_at = 0.0
        self._database = Database(path)
        self._owners = Owners(None if path is None else path.parent / "owners")
        self.process = os.getpid()
        try:
            self._database.open()
            with self._database.errors_in_words():
                self.owner = self._owners.join()
                self._owners.sweep()
            with self._database.transaction("BEGIN") as connection:
                self.signing_key = schema.signing_key(connection)
            self._forget()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Stop being an owner, and close the file."""
        self._owners.leave()
        self._database.close()

    def intend(self, row: CallRow, admit: Admit | None) -> CallRow | Refusal | None:
        """See `CallLedger.intend`."""
        # `synchronous` may change between transactions, and is FULL for this one alone: it costs
        # 3 microseconds, while a commit that waits for the disk took 10 times as long as one that
        # does not (0.2 ms and 0.02 ms on a virtual disk; a real one takes milliseconds). It takes
        # everything committed before to the disk with it.
        with self._database.transaction(on_disk=True) as connection:
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

    def tally(self, scope: str, to: str, now: datetime) -> Tally:
        """See `CallLedger.tally`."""
        with self._database.transaction("BEGIN") as connection:
            return counting.read_tally(connection, scope, to, now)

    def add_do_not_call(self, entry: DoNotCall) -> bool:
        """See `CallLedger.add_do_not_call`."""
        # Who asked to be left alone is not forgotten because the power fails.
        with self._database.transaction(on_disk=True) as connection:
            return counting.add_do_not_call(connection, entry)

    def remove_do_not_call(self, number: str) -> bool:
        """See `CallLedger.remove_do_not_call`."""
        with self._database.transaction() as connection:
            return counting.remove_do_not_call(connection, number)

    def do_not_call_list(self) -> list[DoNotCall]:
        """See `CallLedger.do_not_call_list`."""
        with self._database.transaction("BEGIN") as connection:
            return counting.read_do_not_call(connection)

    def select(self, where: str, *values: str) -> list[CallRow]:
        """The calls that `where` selects, oldest first."""
        with self._database.transaction("BEGIN") as connection:
            return self._read(connection, where, *values)

    def _read(self, connection: sqlite3.Connection, where: str, *values: str) -> list[CallRow]:
        return rows.read_calls(connection, where, values, expired_before=self._expired_before())

    def move(
        self,
        call_id: str,
        state: State,
        carrier_call_id: str | None,
        answered_at: datetime | None,
    ) -> None:
        """See `CallLedger.move`."""
        with self._database.transaction() as connection:
            before = _state_under_way(connection, call_id)
            if before is None:
                return
            furthest = max(before, state, key=lambda each: each.rank)
            connection.execute(
                "UPDATE calls SET state = ?, carrier_call_id = coalesce(?, carrier_call_id), "
                "answered_at = coalesce(?, answered_at) WHERE call_id = ?",
                (str(furthest), carrier_call_id, rows.as_text(answered_at), call_id),
            )

    def note_turn(self, call_id: str, turn: Turn) -> None:
        """See `CallLedger.note_turn`."""
        with self._database.transaction() as connection:
            query = "SELECT 1 FROM calls WHERE call_id = ? AND result IS NULL"
            if connection.execute(query, (call_id,)).fetchone():
                rows.insert_turns(connection, call_id, (turn,))

    def close_call(self, call_id: str, result: CallResult) -> bool:
        """See `CallLedger.close_call`."""
        with self._database.transaction() as connection:
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
                self._forget()
            except LedgerError:
                # The call is closed, which is what was asked; the next one tries again.
                logger.exception("Transcripts past their time could not be deleted")
        return True

    def knows_carrier_call(self, carrier_call_id: str) -> bool:
        """See `CallLedger.knows_carrier_call`."""
        with self._database.transaction("BEGIN") as connection:
            query = "SELECT 1 FROM calls WHERE carrier_call_id = ?"
            return connection.execute(query, (carrier_call_id,)).fetchone() is not None

    def owner_lives(self, owner: str) -> bool:
        """See `CallLedger.owner_lives`."""
        with self._database.errors_in_words():
            return self._owners.lives(owner)

    def abandoned(self) -> list[CallRow]:
        """See `CallLedger.abandoned`."""
        if self._owners.alone:
            return []
        with self._database.transaction("BEGIN") as connection:
            query = "SELECT DISTINCT owner FROM calls WHERE result IS NULL"
            owners = [owner for (owner,) in connection.execute(query)]
        # Asked before the rows are read: the dead write no more, so what is read then is final.
        dead = {owner for owner in owners if not self.owner_lives(owner)}
        return [row for row in self.select("result IS NULL") if row.owner in dead]

    def _forget(self) -> None:
        """Delete what was said in calls that were closed too long ago."""
        overdue = (
            "transcript_expired = 0 AND closed_at < ? "
            "AND EXISTS (SELECT 1 FROM turns WHERE turns.call_id = calls.call_id)"
        )
        values = (rows.as_text(self._expired_before()),)
        with self._database.transaction() as connection:
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
