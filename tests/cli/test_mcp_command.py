"""`patter mcp` is told to end by whoever started it: nobody stays on the line."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from patter.simulator import Callee, PhoneNetwork
from tests.calls.kit import CALLEE, bounded

pytest.importorskip("mcp")

ROOT = Path(__file__).parents[2]
INITIALIZE = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "test", "version": "1"},
}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_hangs_up(number):
    async with PhoneNetwork(speed=1.0) as network:
        network.add(CALLEE, Callee(behave="silent", rings_sec=0.0))
        account = {
            "account_sid": network.account_sid,
            "auth_token": network.auth_token,
            "api_base_url": network.api_base_url,
        }
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.cli.mcp_process", json.dumps(account)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT / 'integrations'}{os.pathsep}{ROOT}"},
        )
        try:
            asks = (
                {"id": 1, "method": "initialize", "params": INITIALIZE},
                {"method": "notifications/initialized"},
                {
                    "id": 2,
                    "method": "tools/call",
                    "params": {"name": "make_phone_call", "arguments": {"to": CALLEE}},
                },
            )
            for ask in asks:
                process.stdin.write(json.dumps({"jsonrpc": "2.0", **ask}).encode() + b"\n")
            await network.until(lambda: any(leg.answered for leg in network.dials), 20)
            process.send_signal(number)
            assert await bounded(process.wait()) == 0
            assert network.live_legs == []
        finally:
            if process.returncode is None:
                process.kill()
            process.stdin.close()
            await process.wait()
