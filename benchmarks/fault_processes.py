"""Processes that make one call on a network, and what the next start makes of what they left."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from benchmarks.fault_bench import SILENT, Tally
from patter import Patter, PatterTool
from patter.simulator import PhoneNetwork
from tests.calls.kit import CALLEE, PHONE, scripted

ROOT = Path(__file__).resolve().parents[1]


class Process:
    """A process that makes a call, and says by lines how it goes."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def says(self, name: str) -> Any:
        async with asyncio.timeout(20):
            while text := await self.process.stdout.readline():
                line = json.loads(text)
                if name in line:
                    return line[name]
        raise TimeoutError(f"the process ended and never said {name}")

    async def comes_to(self, event: str) -> None:
        while await self.says("event") != event:
            pass

    async def killed(self) -> None:
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGKILL)
        await self.ends()

    async def ends(self) -> int:
        async with asyncio.timeout(20):
            return await self.process.wait()


@asynccontextmanager
async def processes():
    """A network at four times real time, and processes that make calls on it."""
    tally, started = Tally(trials=1), []
    with tempfile.TemporaryDirectory() as name:
        ledger = Path(name) / "calls.sqlite"
        async with PhoneNetwork(speed=4.0) as network:
            network.add(CALLEE, SILENT)

            async def start(then: str, **given: Any) -> Process:
                given |= {"then": then, "to": CALLEE, "ledger": str(ledger)}
                given |= {"account_sid": network.account_sid, "auth_token": network.auth_token}
                given |= {"api_base_url": network.api_base_url}
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "benchmarks.fault_process",
                    json.dumps(given),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.DEVNULL,
                    cwd=ROOT,
                    env={**os.environ, "PYTHONPATH": f"{ROOT / 'integrations'}:{ROOT}"},
                )
                started.append(process)
                return Process(process)

            try:
                yield network, start, tally, ledger
            finally:
                for process in started:
                    if process.returncode is None:
                        process.kill()
                    await process.wait()
                tally.dials += len(network.dials)
                tally.doubled += max(0, len(network.dials) - 1)
                try:
                    await network.until(lambda: not network.live_legs, 5.0)
                except TimeoutError:
                    tally.left += len(network.live_legs)


async def recovered(network: PhoneNetwork, tally: Tally, ledger: Path) -> None:
    """Open a phone on what a dead process left: within 20 s nothing is up and the row is closed."""
    phone = Patter(carrier=network.twilio(), phone_number=PHONE, ledger=ledger)
    try:
        async with asyncio.timeout(20):
            await phone.start()
        tally.left += len(network.live_legs)
        result = await phone.result("k")
        dialled = bool(network.dials)
        if (dialled and result is None) or (result is not None and result.status == "in_progress"):
            tally.lost += 1
            tally.notes.append("no result after recovery")
        again = (
            await PatterTool(phone, agent=scripted()).execute(
                to=CALLEE, idempotency_key="k", max_duration_sec=60, first_message="Hi."
            )
            if dialled
            else None
        )
        if again is not None and not again.replayed:
            tally.lost += 1
            tally.notes.append("a key that was not replayed")
    finally:
        await phone.aclose()
