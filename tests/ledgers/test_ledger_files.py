"""The ledger's files: private, and never somebody else's."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from patter_core.errors import LedgerError
from patter_core.ledgers import database

PROGRAM = Path(__file__).with_name("ledger_process.py")
ROOT = PROGRAM.parents[2]


def run(what, path):
    return subprocess.run(
        [sys.executable, str(PROGRAM), what, str(path)],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ).stdout


@pytest.fixture
def open_to_all():
    """A folder that every user can reach, unlike those that pytest makes."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
async def test_files_are_for_their_owner_alone(opened, intent, tmp_path, umask):
    before = os.umask(umask)
    try:
        folder = tmp_path / "state" / "patter"
        ledger = await opened(folder / "calls.db")
        await ledger.intend(intent(ledger))
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.rglob("*")}
    assert modes == {
        "calls.db": 0o600,
        "calls.db-wal": 0o600,
        "calls.db-shm": 0o600,
        "owners": 0o700,
        f"{ledger.owner}.lock": 0o600,
    }
    assert folder.stat().st_mode & 0o777 == 0o700


async def test_a_file_that_is_no_database_is_refused_and_left_alone(opened, tmp_path):
    path = tmp_path / "calls.db"
    path.write_text("Dear diary, " * 200)
    with pytest.raises(LedgerError, match="not a database") as caught:
        await opened(path)
    assert isinstance(caught.value.__cause__, sqlite3.DatabaseError)
    assert path.read_text() == "Dear diary, " * 200
    assert list(tmp_path.iterdir()) == [path]


async def test_another_programs_database_is_refused_and_left_alone(opened, tmp_path):
    path = tmp_path / "calls.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (a)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(LedgerError, match="another program"):
        await opened(path)
    assert path.read_bytes() == before


async def test_a_ledger_of_a_newer_version_is_refused(opened, tmp_path):
    path = tmp_path / "calls.db"
    await (await opened(path)).aclose()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 2")
    connection.close()
    with pytest.raises(LedgerError, match="newer Patter"):
        await opened(path)
    assert list((tmp_path / "owners").iterdir()) == []


async def test_an_empty_file_becomes_a_ledger(opened, tmp_path):
    (tmp_path / "calls.db").touch()
    assert len((await opened(tmp_path / "calls.db")).signing_key) == 32


async def test_a_path_that_leads_nowhere_is_refused_in_words(opened, tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "calls.db"):
        with pytest.raises(LedgerError, match=r"check") as caught:
            await opened(path)
        assert isinstance(caught.value.__cause__, (sqlite3.Error, OSError))


def test_a_folder_that_may_not_be_written_is_refused_in_words(open_to_all):
    open_to_all.chmod(0o555)
    said = run("powerless", open_to_all / "calls.db")
    assert said.startswith("error The ledger ")
    assert "rights of its folder" in said


def test_a_ledger_that_may_only_be_read_is_refused_in_words(open_to_all):
    path = open_to_all / "calls.db"
    run("leave_to_exit", path)
    path.chmod(0o444)
    open_to_all.chmod(0o555)
    said = run("powerless", path)
    assert said.startswith("error The ledger ")
    assert "check" in said


def test_a_disk_without_room_is_an_error_in_words_and_passes(tmp_path):
    said = run("cramped", tmp_path / "calls.db").splitlines()
    assert said[0].startswith("error The ledger ")
    assert "disk" in said[0]
    assert said[1] == "again True"


async def test_a_ledger_that_stays_locked_is_an_error_in_words(
    opened, intent, tmp_path, monkeypatch
):
    monkeypatch.setattr(database, "BUSY_SEC", 0.1)
    path = tmp_path / "calls.db"
    ledger = await opened(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(LedgerError, match="locked"):
            await ledger.intend(intent(ledger))
        assert await ledger.read("call_1") is None
    finally:
        other.close()
    assert await ledger.intend(intent(ledger)) is None


async def test_a_short_lock_of_another_process_is_waited_for(opened, intent, tmp_path):
    path = tmp_path / "calls.db"
    ledger = await opened(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    intending = asyncio.ensure_future(ledger.intend(intent(ledger)))
    await asyncio.sleep(0.1)
    assert not intending.done()
    other.close()
    assert await intending is None


async def test_a_row_that_was_tampered_with_is_an_error_in_words(opened, intent, tmp_path):
    path = tmp_path / "calls.db"
    ledger = await opened(path)
    await ledger.intend(intent(ledger))
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE calls SET state = 'asleep'")
    connection.close()
    with pytest.raises(LedgerError, match="call_1"):
        await ledger.read("call_1")


async def test_two_ledgers_of_one_process_that_make_the_file_keep_each_others_locks(
    opened, intent, tmp_path
):
    for trial in range(20):
        path = tmp_path / f"{trial}.db"
        first, second = await asyncio.gather(opened(path), opened(path))
        assert first.signing_key == second.signing_key
        await asyncio.gather(
            *(first.intend(intent(first, f"a{n}", key=f"k{n}")) for n in range(10)),
            *(second.intend(intent(second, f"b{n}", key=f"k{n}")) for n in range(10)),
        )
        await asyncio.gather(first.aclose(), second.aclose())
