"""`patter mcp --http` over a real socket, with sessions and without."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys

import pytest
from mcp import Client

from patter.testing import RESTAURANT


@pytest.fixture
def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def server(port):
    path = os.pathsep.join(entry for entry in sys.path if entry)
    command = ["-m", "patter.cli.main", "mcp", "--simulate", "--wait-sec", "30"]
    with subprocess.Popen(
        [sys.executable, *command, "--http", str(port)],
        env=os.environ | {"PYTHONPATH": path},
        stderr=subprocess.PIPE,
    ) as process:
        yield f"http://127.0.0.1:{port}/mcp"
        process.terminate()


async def listening(port):
    async with asyncio.timeout(30):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_call_is_made_over_http(server, port, mode):
    await listening(port)
    async with Client(server, mode=mode) as client:
        call = {"to": RESTAURANT, "goal": "Book a table"}
        result = await client.call_tool("make_phone_call", call)
    assert result.structured_content["status"] == "completed"
