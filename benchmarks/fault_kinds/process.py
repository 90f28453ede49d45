"""The process that makes a call."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import signal
import tempfile
from pathlib import Path

from benchmarks.fault_bench import Fault, Tally
from benchmarks.fault_processes import (
    Process,
    account_of,
    counted,
    processes,
    recovered,
    started,
)
from patter.simulator import Callee, PhoneNetwork
from tests.calls.kit import CALLEE

_random = random.Random(6)


async def _sigkill() -> Tally:
    """Between the start of the engine and some way into the call, at any instant."""
    async with processes() as (network, start, tally, ledger):
        process = await start("stay", key="k")
        await process.says("ready")
        await asyncio.sleep(_random.random() ** 2 * 2.5)
        await process.killed()
        await recovered(network, tally, ledger)
    return tally


async def _at_every_moment() -> Tally:
    """One process after another dies a moment later than the one before, until one lives."""
    total = Tally()
    with tempfile.TemporaryDirectory() as name:
        breeder = await started("breed", None, Path(name))
        try:
            for moment in itertools.count(1):
                tally, lived = await _dying_at(moment, breeder, Path(name) / str(moment))
                total.add(tally)
                if lived:
                    return total
        finally:
            await breeder.killed()
    raise AssertionError("One of them lives")


async def _dying_at(moment: int, breeder: Process, folder: Path) -> tuple[Tally, bool]:
    tally, ledger = Tally(trials=1), folder / "calls.sqlite"
    async with PhoneNetwork(speed=10.0) as network:
        network.add(CALLEE, Callee(behave="silent", rings_sec=0.1, hangs_up_after_sec=1.0))
        given = {**account_of(network), "ledger": str(ledger), "key": "k", "at": moment}
        breeder.process.stdin.write(json.dumps(given).encode() + b"\n")
        ended = await breeder.says("ended")
        tally.expect(ended in (0, signal.SIGKILL), f"moment {moment}: ended by {ended}")
        if ended:
            await recovered(network, tally, ledger)
        await counted(network, tally)
    tally.notes = [f"moment {moment}: {note}" for note in tally.notes]
    return tally, ended == 0


async def _signalled(number: int, then: str) -> Tally:
    async with processes() as (network, start, tally, ledger):
        process = await start(then, key="k")
        await process.comes_to("answered")
        process.process.send_signal(number)
        async with asyncio.timeout(10):
            code = await process.ends()
        tally.left += len(network.live_legs)
        tally.expect(then != "serve" or code == 0, f"exit code {code}")
        await recovered(network, tally, ledger)
    return tally


async def _exits(then: str) -> Tally:
    async with processes() as (network, start, tally, ledger):
        process = await start(then, key="k")
        await process.ends()
        await recovered(network, tally, ledger)
    return tally


def process() -> list[Fault]:
    """The process is told to end, or ends without being told."""
    return [
        Fault("process: SIGKILL", "at 60 random instants, then the next start", _sigkill, 60),
        Fault(
            "process: SIGKILL at every moment",
            "each await of a call, each write to the ledger",
            _at_every_moment,
            1,
        ),
        Fault(
            "process: SIGTERM",
            "serve(handle_signals=True), mid-call",
            lambda: _signalled(signal.SIGTERM, "serve"),
            3,
            quick=True,
        ),
        Fault(
            "process: SIGINT",
            "serve(handle_signals=True), mid-call",
            lambda: _signalled(signal.SIGINT, "serve"),
            2,
        ),
        Fault(
            "process: Ctrl-C", "asyncio.run, mid-call", lambda: _signalled(signal.SIGINT, "stay"), 2
        ),
        Fault("process: interpreter exit", "with a live call", lambda: _exits("exit"), 3),
        Fault("process: fork", "a child that ends, mid-call", lambda: _exits("fork"), 2),
    ]
