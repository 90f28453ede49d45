"""The disk, what lies on it, and the clock on the wall."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from benchmarks.fault_bench import SILENT, TALKS, Fault, Tally, Trial, live_call, trial
from benchmarks.fault_processes import processes, recovered
from tests.calls.kit import CALLEE


def store() -> list[Fault]:
    """The disk, and what lies on it."""
    return [
        Fault("store: locked", "another process keeps a transaction open", _locked, 1),
        Fault("store: read-only", "the ledger's connection may not write", _read_only, 2),
        Fault(
            "store: read-only, mid-call",
            "and back after the call: its result is written then",
            _read_only_meanwhile,
            2,
        ),
        Fault("store: full", "RLIMIT_FSIZE, in a process of its own", _full, 2),
        Fault("store: corrupted tail", "noise at the end of the write-ahead log", _torn, 2),
        Fault("clock: a day forward", "wall clock, mid-call", lambda: _wall(days=1)),
        Fault("clock: a day back", "wall clock, mid-call", lambda: _wall(days=-1)),
    ]


async def _locked() -> Tally:
    async with trial() as made:
        await made.tool.start()
        with closing(sqlite3.connect(made.folder / "calls.sqlite", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            result = await made.tool.execute(to=CALLEE, idempotency_key="k")
            made.expect((result.status, result.error_code) == ("failed", "internal"), result.status)
            made.expect(not made.network.dials, "dialled without an intent")
            other.execute("ROLLBACK")
        await made.call("completed")  # It recovers by itself.
    return made.tally


async def _writable(made: Trial, yes: bool) -> None:
    """Let the open ledger be written, or not."""
    ledger = made.phone._settings.ledger
    connection = ledger._opened._database._connection

    def change() -> None:
        connection.execute(f"PRAGMA query_only = {'OFF' if yes else 'ON'}")

    await asyncio.wrap_future(ledger._workers.post(change))


async def _read_only() -> Tally:
    async with trial() as made:
        await made.tool.start()
        await _writable(made, False)
        result = await made.tool.execute(to=CALLEE, idempotency_key="k")
        made.expect((result.status, result.error_code) == ("failed", "internal"), result.status)
        made.expect(not made.network.dials, "dialled without an intent")
        await _writable(made, True)
        await made.call("completed")
    return made.tally


async def _read_only_meanwhile() -> Tally:
    async with trial(callee=SILENT) as made:
        await made.tool.start()
        arguments = {"to": CALLEE, "max_duration_sec": 20}
        with made.network.clock.hold():
            live = await made.tool.submit(arguments, idempotency_key="k")
            await made.network.until(lambda: any(leg.answered for leg in made.network.dials))
            await _writable(made, False)
        async with asyncio.timeout(20):
            result = await live.result()
            made.expect(result.status == "timeout", result.status)
            await _writable(made, True)
            replay = await made.tool.execute(arguments, idempotency_key="k")
        made.expect(replay.replayed and replay.status == "timeout", f"later {replay.status}")
    return made.tally


def _tear(log: Path) -> None:
    log.write_bytes((log.read_bytes() if log.exists() else b"") + os.urandom(2_000))


async def _torn() -> Tally:
    async with processes() as (network, start, tally, ledger):
        process = await start("stay", key="k")
        await process.comes_to("answered")
        await process.killed()
        await asyncio.to_thread(_tear, Path(f"{ledger}-wal"))
        await recovered(network, tally, ledger)
    return tally


async def _full() -> Tally:
    async with processes() as (network, start, tally, _):
        process = await start("full", key="k")
        result = await process.says("result")
        ended = (result["status"], result["error_code"])
        tally.expect(ended == ("failed", "internal"), f"full: {ended}")
        tally.expect(not network.dials, "dialled without an intent")
        after = await process.says("result")
        tally.expect(after["may_have_dialed"], f"afterwards: {after['status']} {after['error']}")
        await process.ends()
    return tally


async def _wall(days: int) -> Tally:
    async with live_call(TALKS) as (made, _, _):
        made.network.clock._wall += timedelta(days=days)
    return made.tally
