"""Processes that make one call on a network, and what the next start makes of what they left."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import sys
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from benchmarks.fault_bench import SILENT, Tally
from patter import Patter, PatterTool
from patter.simulator import Callee, PhoneNetwork
from tests.calls.kit import CALLEE, PHONE, scripted

ROOT = Path(__file__).resolve().parents[1]


class Process:
    """A process that makes a call, and says by lines how it goes."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self.process, self.log = process, log
        self.said = ""

    async def says(self, name: str) -> Any:
        """The next line that has `name`.

        Raises:
            AssertionError: It did not come; what came last, and what was logged, tell why.
        """
        try:
            async with asyncio.timeout(20):
                while text := await self.process.stdout.readline():
                    self.said = text.decode()
                    line = json.loads(text)
                    if name in line:
                        return line[name]
        except TimeoutError:
            why = "20 s went by"
        else:
            why = "it ended"
        raise AssertionError(f"{why} before {name}{self._last_words()}")

    def _last_words(self) -> str:
        """What it said and logged last: also where its threads were, had it lasted too long."""
        logged = " | ".join(self.log.read_text(errors="replace").strip().splitlines()[-6:])
        return f"; after {self.said[:60]!r} it logged: {logged}"

    async def comes_to(self, event: str) -> None:
        while await self.says("event") != event:
            pass

    async def killed(self) -> None:
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGKILL)
        await self.ends()

    async def ends(self) -> int:
        """Its exit code, once it has one."""
        try:
            async with asyncio.timeout(20):
                return await self.process.wait()
        except TimeoutError:
            raise AssertionError(f"it did not end{self._last_words()}") from None


async def started(then: str, network: PhoneNetwork | None, folder: Path, **given: Any) -> Process:
    """A process that does `then`; see `fault_process`."""
    given |= {"then": then, **(account_of(network) if network is not None else {})}
    log = folder / f"{secrets.token_hex(4)}.log"
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "benchmarks.fault_process",
            json.dumps(given),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT / 'integrations'}:{ROOT}"},
        )
    return Process(process, log)


def account_of(network: PhoneNetwork) -> dict[str, str]:
    """What a process needs to reach a network."""
    return {
        "to": CALLEE,
        "account_sid": network.account_sid,
        "auth_token": network.auth_token,
        "api_base_url": network.api_base_url,
    }


@asynccontextmanager
async def processes(callee: Callee = SILENT):
    """A network at four times real time, and processes that make calls on it."""
    tally = Tally(trials=1)
    all_of_them: list[Process] = []
    with tempfile.TemporaryDirectory() as name:
        ledger = Path(name) / "calls.sqlite"
        async with PhoneNetwork(speed=4.0) as network:
            network.add(CALLEE, callee)

            async def start(then: str, **given: Any) -> Process:
                given |= {"ledger": str(ledger)}
                all_of_them.append(await started(then, network, Path(name), **given))
                return all_of_them[-1]

            try:
                yield network, start, tally, ledger
            finally:
                for process in all_of_them:
                    await process.killed()
                await counted(network, tally)


async def counted(network: PhoneNetwork, tally: Tally) -> None:
    """Count what was dialled, and what was left up."""
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
        if network.dials:
            tally.expect(result is not None, "no result after recovery")
            again = await PatterTool(phone, agent=scripted()).execute(
                to=CALLEE, idempotency_key="k", max_duration_sec=60, first_message="Hi."
            )
            tally.expect(again.replayed, "a key that was not replayed")
        tally.expect(result is None or result.status != "in_progress", "still under way")
    finally:
        await phone.aclose()
