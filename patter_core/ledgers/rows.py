"""Calls and turns as rows of the ledger's tables, there and back."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from patter_core.calls.ledger import CallRow
from patter_core.calls.result import CallResult
from patter_core.calls.status import State
from patter_core.calls.transcript import Turn
from patter_core.errors import LedgerError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable


def insert_call(connection: sqlite3.Connection, row: CallRow) -> None:
    """Write a call that has just been intended."""
    connection.execute(
        """
        INSERT INTO calls (call_id, owner, scope, key, fingerprint, state, to_number, from_number,
                           intended_at, carrier_call_id, answered_at, counts, charge_usd)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
        (
            row.call_id,
            row.owner,
            row.scope,
            row.key,
            row.fingerprint,
            str(row.state),
            row.to,
            row.from_,
            as_text(row.intended_at),
            row.carrier_call_id,
            as_text(row.answered_at),
            row.counts,
            row.charge_usd,
        ),
    )


def insert_turns(connection: sqlite3.Connection, call_id: str, turns: Iterable[Turn]) -> None:
    """Write `turns` after those that the call has."""
    query = "SELECT coalesce(max(position) + 1, 0) FROM turns WHERE call_id = ?"
    (first,) = connection.execute(query, (call_id,)).fetchone()
    connection.executemany(
        "INSERT INTO turns (call_id, position, role, text, started_ms, cut) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        (
            (call_id, position, turn.role, _words(turn.text), turn.started_ms, turn.cut)
            for position, turn in enumerate(turns, first)
        ),
    )


def read_calls(
    connection: sqlite3.Connection, where: str, values: Iterable[str], *, expired_before: datetime
) -> list[CallRow]:
    """The calls that `where` selects, oldest first, with their turns.

    What was said in a call closed before `expired_before` is not given out, even if it has not been
    deleted yet.
    """
    query = f"SELECT * FROM calls WHERE {where} ORDER BY intended_at, rowid"  # noqa: S608 - ours
    limit = as_text(expired_before) or ""
    return [
        _call(record, _turns(connection, record["call_id"]), limit)
        for record in connection.execute(query, tuple(values)).fetchall()
    ]


def _turns(connection: sqlite3.Connection, call_id: str) -> tuple[Turn, ...]:
    query = "SELECT role, text, started_ms, cut FROM turns WHERE call_id = ? ORDER BY position"
    return tuple(
        Turn(role=role, text=_from_words(text), started_ms=started_ms, cut=bool(cut))
        for role, text, started_ms, cut in connection.execute(query, (call_id,))
    )


def _call(record: sqlite3.Row, turns: tuple[Turn, ...], expired_before: str) -> CallRow:
    overdue = bool(turns) and (record["closed_at"] or expired_before) < expired_before
    expired = bool(record["transcript_expired"]) or overdue
    turns = () if expired else turns
    try:
        return CallRow(
            call_id=record["call_id"],
            owner=record["owner"],
            scope=record["scope"],
            key=record["key"],
            fingerprint=record["fingerprint"],
            state=State(record["state"]),
            to=record["to_number"],
            from_=record["from_number"],
            intended_at=datetime.fromisoformat(record["intended_at"]),
            carrier_call_id=record["carrier_call_id"],
            answered_at=as_moment(record["answered_at"]),
            result=_result(record["result"], turns, expired=expired),
            turns=turns,
            transcript_expired=expired,
            counts=bool(record["counts"]),
            charge_usd=record["charge_usd"],
        )
    except (ValueError, TypeError, KeyError) as error:
        raise LedgerError(
            f"The ledger's row of {record['call_id']} cannot be read; something else has changed it"
        ) from error


def result_json(result: CallResult) -> str:
    """The envelope without what was said, which has a table of its own."""
    envelope = result.to_dict()
    del envelope["transcript"], envelope["transcript_notice"]
    return json.dumps(envelope, separators=(",", ":"))


def _result(text: str | None, turns: tuple[Turn, ...], *, expired: bool) -> CallResult | None:
    if text is None:
        return None
    result = CallResult.from_dict({**json.loads(text), "transcript": ()})
    return replace(result, transcript=turns, transcript_expired=expired)


def as_text(moment: datetime | None) -> str | None:
    """ISO 8601 in UTC to the microsecond: later moments are larger texts. None for None."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def as_moment(text: str | None) -> datetime | None:
    """The moment that `as_text` wrote."""
    return None if text is None else datetime.fromisoformat(text)


def _words(text: str) -> str | bytes:
    # A model may send half of a surrogate pair, which SQLite's text cannot hold. Losing the record
    # of a call over it would be worse than a column that now and then holds bytes.
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
    return text


def _from_words(stored: str | bytes) -> str:
    return stored if isinstance(stored, str) else stored.decode("utf-8", "surrogatepass")
