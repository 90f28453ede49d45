"""One SQLite file: made private, opened with patience, its errors put into words."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from typing import TYPE_CHECKING

from patter_core.errors import LedgerError
from patter_core.ledgers import schema

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

BUSY_SEC = 5.0
"""How long another process may keep the file to itself before we give up."""

_WORDS = {
    sqlite3.SQLITE_FULL: "the disk is full; free some space",
    sqlite3.SQLITE_READONLY: "it may not be written; check the rights of the file and its folder",
    sqlite3.SQLITE_PERM: "it may not be opened; check the rights of the file and its folder",
    sqlite3.SQLITE_CANTOPEN: (
        "it cannot be opened; check that it is a file and that its folder may be written"
    ),
    sqlite3.SQLITE_BUSY: (
        "another process keeps it locked; find out which one, or give each its own ledger"
    ),
    sqlite3.SQLITE_LOCKED: "it is locked; give each phone its own ledger",
    sqlite3.SQLITE_NOTADB: "it is not a database; choose another path, or move the file away",
    sqlite3.SQLITE_CORRUPT: "it is damaged; move the file away, or restore it from a copy",
    sqlite3.SQLITE_IOERR: "the disk reports an error; check the disk and its free space",
}


class Database:
    """A connection that is made, used and closed on one thread."""

    def __init__(self, path: Path | None) -> None:
        """Store where it is: an absolute path, or None for memory."""
        self._path = path
        self._connection: sqlite3.Connection | None = None

    def open(self) -> None:
        """Open the file, made when missing, and bring its tables up to date.

        Raises:
            LedgerError: It cannot be opened, or holds something else, or is from a newer version.
        """
        with self.errors_in_words():
            if self._path is not None:
                _make_private(self._path)
            self._connection = sqlite3.connect(
                self._path or ":memory:", timeout=BUSY_SEC, isolation_level=None
            )
            self._connection.row_factory = sqlite3.Row
            # Before the first change: a file that is not ours stays as it is.
            schema.check(self._connection)
            self._use_write_ahead_log(self._connection)
            self._connection.execute("PRAGMA synchronous = NORMAL")
            # What was said is overwritten when it is forgotten, not only unlinked.
            self._connection.execute("PRAGMA secure_delete = ON")
        with self.transaction() as connection:
            schema.check(connection)
            schema.make(connection)

    @staticmethod
    def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
        # While two processes make the file at once, SQLite answers "locked" here without waiting.
        patience = time.monotonic() + BUSY_SEC
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    raise
                if time.monotonic() > patience:
                    raise
                time.sleep(0.01)
            else:
                return

    def close(self) -> None:
        """Close the connection. Safe to repeat."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with self.errors_in_words():
                connection.close()

    @contextlib.contextmanager
    def transaction(
        self, begin: str = "BEGIN IMMEDIATE", *, on_disk: bool = False
    ) -> Generator[sqlite3.Connection]:
        """All of the block, or nothing of it, is written.

        A commit survives the death of the process; with `on_disk`, and with the next such commit,
        the loss of power too.

        Raises:
            LedgerError: It could not be read or written.
        """
        with self.errors_in_words():
            connection = self._connection
            if connection is None:
                raise LedgerError("The ledger is closed")
            with _synchronous(connection) if on_disk else contextlib.nullcontext():
                connection.execute(begin)
                try:
                    yield connection
                    connection.execute("COMMIT")
                finally:
                    # Does nothing after a commit, or where SQLite itself has rolled back.
                    connection.rollback()

    @contextlib.contextmanager
    def errors_in_words(self) -> Generator[None]:
        """Turn what SQLite and the system raise into a `LedgerError` that says what to do."""
        try:
            yield
        except sqlite3.Error as error:
            # No code: the mistake was noticed in the binding, before SQLite heard of it.
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            words = _WORDS.get(code, "SQLite refuses; the error before this one says why")
            raise LedgerError(f"The ledger {self._name} failed: {words}") from error
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise LedgerError(
                f"The ledger {self._name} cannot be used: {reason}; "
                "check its path and the rights of its folder"
            ) from error
        except UnicodeEncodeError as error:
            raise LedgerError("A text for the ledger is not valid Unicode") from error

    @property
    def _name(self) -> str:
        return str(self._path or ":memory:")


@contextlib.contextmanager
def _synchronous(connection: sqlite3.Connection) -> Generator[None]:
    connection.execute("PRAGMA synchronous = FULL")
    try:
        yield
    finally:
        connection.execute("PRAGMA synchronous = NORMAL")


# Closing any descriptor of a file drops every lock that this process has on it, SQLite's included.
# So the file is opened by us only when it is new, and nobody here may use it before we closed it.
_making = threading.Lock()


def _make_private(path: Path) -> None:
    """Make an empty file for this user alone; SQLite gives its side files the same mode."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _making, contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
