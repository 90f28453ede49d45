"""The tables of a ledger in SQLite, and the version that a file says it has."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from patter_core.errors import LedgerError

if TYPE_CHECKING:
    import sqlite3

VERSION = 1
"""Counts the shapes that the tables have had; a file keeps its own in `user_version`."""

APPLICATION_ID = 0x50545452
"""Marks a SQLite file as a ledger of ours: "PTTR"."""

_STATEMENTS = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL)",
    # `result` is JSON without its transcript, NULL until the call is closed. Times are ISO 8601 in
    # UTC to the microsecond, which sort as text.
    """
    CREATE TABLE calls (
        call_id TEXT PRIMARY KEY,
        owner TEXT NOT NULL,
        scope TEXT NOT NULL,
        key TEXT,
        fingerprint TEXT NOT NULL,
        state TEXT NOT NULL,
        to_number TEXT NOT NULL,
        from_number TEXT NOT NULL,
        intended_at TEXT NOT NULL,
        carrier_call_id TEXT,
        answered_at TEXT,
        result TEXT,
        closed_at TEXT,
        transcript_expired INTEGER NOT NULL DEFAULT 0,
        counts INTEGER NOT NULL,
        charge_usd REAL NOT NULL
    )
    """,
    "CREATE UNIQUE INDEX calls_by_key ON calls (scope, key) WHERE key IS NOT NULL",
    """
    CREATE INDEX calls_by_carrier_call ON calls (carrier_call_id)
        WHERE carrier_call_id IS NOT NULL
    """,
    "CREATE INDEX calls_under_way ON calls (owner) WHERE result IS NULL",
    "CREATE INDEX calls_with_transcript ON calls (closed_at) WHERE transcript_expired = 0",
    # It holds all that caps and budgets are counted from, so that the table itself is not read.
    "CREATE INDEX calls_by_time ON calls (scope, intended_at, counts, to_number, charge_usd)",
    """
    CREATE TABLE turns (
        call_id TEXT NOT NULL REFERENCES calls,
        position INTEGER NOT NULL,
        role TEXT NOT NULL,
        text TEXT NOT NULL,
        started_ms INTEGER NOT NULL,
        cut INTEGER NOT NULL,
        PRIMARY KEY (call_id, position)
    ) WITHOUT ROWID
    """,
    # What all calls of a scope count for, kept up to date: adding them up again for every intent
    # took tens of milliseconds at 100,000 calls.
    "CREATE TABLE spending (scope TEXT PRIMARY KEY, usd REAL NOT NULL)",
    """
    CREATE TRIGGER charge_of_new_call AFTER INSERT ON calls BEGIN
        INSERT INTO spending VALUES (new.scope, new.charge_usd)
            ON CONFLICT (scope) DO UPDATE SET usd = usd + new.charge_usd;
    END
    """,
    """
    CREATE TRIGGER charge_of_settled_call AFTER UPDATE OF charge_usd ON calls BEGIN
        UPDATE spending SET usd = usd + new.charge_usd - old.charge_usd WHERE scope = new.scope;
    END
    """,
    """
    CREATE TABLE do_not_call (
        number TEXT PRIMARY KEY,
        added_at TEXT NOT NULL,
        call_id TEXT
    )
    """,
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {VERSION}",
)


def check(connection: sqlite3.Connection) -> None:
    """See that the file is empty, or a ledger that this version can read.

    Raises:
        LedgerError: It is neither.
    """
    if _is_empty(connection):
        return
    if _pragma(connection, "application_id") != APPLICATION_ID:
        raise LedgerError("The ledger's file is another program's database; choose another path")
    version = _pragma(connection, "user_version")
    if version > VERSION:
        raise LedgerError(
            f"The ledger was written by a newer Patter (its tables have version {version}, ours "
            f"{VERSION}); upgrade Patter, or choose another path"
        )


def make(connection: sqlite3.Connection) -> None:
    """Make the tables, and the secret that signs call references, unless they are there.

    Runs in a transaction that excludes other writers, so all who open the file agree on both.
    """
    if not _is_empty(connection):
        return
    for statement in _STATEMENTS:
        connection.execute(statement)
    connection.execute("INSERT INTO meta VALUES ('signing_key', ?)", (secrets.token_bytes(32),))


def signing_key(connection: sqlite3.Connection) -> bytes:
    """The 32 secret bytes that `make` wrote."""
    query = "SELECT value FROM meta WHERE name = 'signing_key'"
    (key,) = connection.execute(query).fetchone()
    return bytes(key)


def _is_empty(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])
