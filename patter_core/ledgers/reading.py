"""Looks into a ledger's file from outside, without becoming an owner or changing anything."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING

from patter_core.errors import LedgerError
from patter_core.ledgers import rows, schema

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from patter_core.calls.ledger import CallRow


def recorded_calls(
    path: Path, *, now: datetime, retention_sec: float, limit: int, call: str = ""
) -> list[CallRow]:
    """The newest `limit` calls of a file, newest first; with `call`, the ones of that id or key.

    Raises:
        LedgerError: It cannot be read; no file is none, and has no calls.
    """
    if not path.exists():
        return []
    where = "1"
    values: tuple[str, ...] = ()
    if call:
        where, values = "call_id = ? OR key = ?", (call, call)
    newest = f"rowid IN (SELECT rowid FROM calls WHERE {where} ORDER BY rowid DESC LIMIT {limit:d})"  # noqa: S608 - ours
    try:
        uri = f"{path.resolve().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
            connection.row_factory = sqlite3.Row
            schema.check(connection)
            expired_before = now - timedelta(seconds=retention_sec)
            found = rows.read_calls(connection, newest, values, expired_before=expired_before)
    except sqlite3.Error as error:
        raise LedgerError(f"The ledger {path} cannot be read: is it one?") from error
    return found[::-1]
