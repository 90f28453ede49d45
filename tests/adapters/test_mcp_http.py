"""`patter mcp --http` over a real socket, with sessions and without."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys

import aiohttp
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


async def posted(http, url, method, params, *, number=None):
    """What a client says and hears, word by word."""
    said = {"jsonrpc": "2.0", "method": method, "params": params}
    if number is not None:
        said["id"] = number
    async with http.post(url, json=said) as answer:
        answer.raise_for_status()
        heard = [line.removeprefix("data: ") for line in (await answer.text()).splitlines()]
        return answer.headers, [json.loads(line) for line in heard if line.startswith("{")]


async def test_a_request_that_a_session_repeats_rings_once(server, port):
    await listening(port)
    accept = {"Accept": "application/json, text/event-stream"}
    made = {"name": "make_phone_call", "arguments": {"to": RESTAURANT, "goal": "Book a table"}}

    async def session(http):
        hello = {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "raw", "version": "1"},
        }
        headers, _ = await posted(http, server, "initialize", hello, number=1)
        http.headers["mcp-session-id"] = headers["mcp-session-id"]
        await posted(http, server, "notifications/initialized", {})

    async def called(http):
        _, heard = await posted(http, server, "tools/call", made, number=2)
        return heard[-1]["result"]["structuredContent"]

    async with aiohttp.ClientSession(headers=accept) as http:
        await session(http)
        envelopes = [await called(http), await called(http)]
    async with aiohttp.ClientSession(headers=accept) as http:
        await session(http)
        envelopes.append(await called(http))
    assert [each["replayed"] for each in envelopes] == [False, True, False]
    assert len({each["call_id"] for each in envelopes}) == 2
