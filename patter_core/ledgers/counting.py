"""What a phone has used up, counted from the ledger's tables; and whom nobody is to ring."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from patter_core.calls.tally import DAY, HOUR, DoNotCall, Tally
from patter_core.ledgers import rows

if TYPE_CHECKING:
    import sqlite3


def read_tally(connection: sqlite3.Connection, scope: str, to: str, now: datetime) -> Tally:
    """What `scope` has used up at `now`; see `Tally` for what counts."""
    day, hour = (rows.as_text(_before(now, window)) for window in (DAY, HOUR))
    to_number, in_hour, in_day, usd_in_day = connection.execute(
        """
        SELECT count(*) FILTER (WHERE counts AND to_number = ?),
               count(*) FILTER (WHERE counts AND intended_at > ?),
               count(*) FILTER (WHERE counts),
               total(charge_usd)
        FROM calls WHERE scope = ? AND intended_at > ?
        """,
        (to, hour, scope, day),
    ).fetchone()
    in_all = "SELECT total(usd) FROM spending WHERE scope = ?"
    (usd_in_all,) = connection.execute(in_all, (scope,)).fetchone()
    listed = "SELECT 1 FROM do_not_call WHERE number = ?"
    return Tally(
        do_not_call=connection.execute(listed, (to,)).fetchone() is not None,
        calls_to_number=to_number,
        calls_in_hour=in_hour,
        calls_in_day=in_day,
        usd_in_day=_dollars(usd_in_day),
        usd_in_all=_dollars(usd_in_all),
    )


def add_do_not_call(connection: sqlite3.Connection, entry: DoNotCall) -> bool:
    """Put a number on the list unless it is there; whether it was not."""
    added = connection.execute(
        "INSERT INTO do_not_call (number, added_at, call_id) VALUES (?, ?, ?) "
        "ON CONFLICT DO NOTHING",
        (entry.number, rows.as_text(entry.added_at), entry.call_id),
    )
    return added.rowcount > 0


def remove_do_not_call(connection: sqlite3.Connection, number: str) -> bool:
    """Take a number off the list; whether it was there."""
    removed = connection.execute("DELETE FROM do_not_call WHERE number = ?", (number,))
    return removed.rowcount > 0


def read_do_not_call(connection: sqlite3.Connection) -> list[DoNotCall]:
    """The list, in the order of adding."""
    query = "SELECT number, added_at, call_id FROM do_not_call ORDER BY rowid"
    return [
        DoNotCall(number=number, added_at=datetime.fromisoformat(added_at), call_id=call_id)
        for number, added_at, call_id in connection.execute(query)
    ]


def _dollars(total: float) -> float:
    # What was added and taken away again may leave a hair below nothing.
    return max(0.0, round(total, 6))


def _before(now: datetime, window: timedelta) -> datetime:
    try:
        return now - window
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC)
