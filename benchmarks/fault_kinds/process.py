"""The process that makes a call."""

from __future__ import annotations

import asyncio
import random
import signal

from benchmarks.fault_bench import Fault, Tally
from benchmarks.fault_processes import processes, recovered

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


async def _signalled(number: int, then: str) -> Tally:
    async with processes() as (network, start, tally, ledger):
        process = await start(then, key="k")
        await process.comes_to("answered")
        process.process.send_signal(number)
        async with asyncio.timeout(10):
            code = await process.ends()
        tally.left += len(network.live_legs)
        if then == "serve" and code != 0:
            tally.lost += 1
            tally.notes.append(f"exit code {code}")
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
