"""A phone network for each test, and phones on it that are closed before it is."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from patter import Patter, PatterTool
from patter.simulator import Callee, PhoneNetwork
from tests.calls.kit import CALLEE, PHONE, bounded, scripted
from tests.calls.speaking import KINDS, Speaking

ROOT = Path(__file__).parents[2]


@pytest.fixture
def speed():
    """How many times real time the network runs; None as fast as it can. Files override it."""
    return


@pytest.fixture
async def network(speed):
    """A network in simulated time with one callee who talks; nothing may break its rules."""
    async with PhoneNetwork(speed=speed) as network:
        network.add(CALLEE, Callee(says=["Hello?", "Four people at eight.", "Bye."]))
        yield network
        await network.until(lambda: not network.live_legs, what="every leg to be gone")
        assert network.violations == []


@pytest.fixture
async def new_phone(network):
    """Makes phones on the network, in its time, and closes them all."""
    async with AsyncExitStack() as stack:

        def make(**options):
            described = {"ledger": ":memory:", "clock": network.clock, **options}
            phone = Patter(carrier=network.twilio(), phone_number=PHONE, **described)
            stack.push_async_callback(lambda: bounded(phone.aclose()))
            return phone

        yield make


@pytest.fixture(params=KINDS)
async def speaking(request):
    """Makes agents that speak in each of the ways there are, one after the other."""
    async with AsyncExitStack() as stack:
        yield Speaking(request.param, stack)


@pytest.fixture
def new_tool(new_phone):
    """Makes tools, each on a phone of its own: `phone=` takes one, or the options of one."""

    def make(*replies, phone=None, agent=None, **options):
        chosen = new_phone(**(phone or {})) if phone is None or isinstance(phone, dict) else phone
        return PatterTool(chosen, agent=agent or scripted(*replies), **options)

    return make


@pytest.fixture
def unused_port():
    """A port of this machine where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class Process:
    """A process that makes a call: see `calling_process`."""

    def __init__(self, process):
        self._process = process
        self.lines = []

    async def says(self, name):
        """The next line that has `name`, and its value."""
        async with asyncio.timeout(30):
            while True:
                text = await self._process.stdout.readline()
                assert text, f"the process ended and never said {name}"
                line = json.loads(text)
                self.lines.append(line)
                if name in line:
                    return line[name]

    async def comes_to(self, event):
        """Wait for an event of its call; the call's id."""
        while await self.says("event") != event:
            pass
        return self.lines[-1]["call_id"]

    def hears(self, line=""):
        self._process.stdin.write(f"{line}\n".encode())

    def gets(self, signal_number):
        self._process.send_signal(signal_number)

    async def ends(self):
        async with asyncio.timeout(30):
            return await self._process.wait()


@pytest.fixture
async def calling(network):
    """Starts processes that make calls on the network, which they reach by name."""
    started = []

    async def start(then, to=CALLEE, **given):
        given |= {
            "then": then,
            "to": to,
            "account_sid": network.account_sid,
            "auth_token": network.auth_token,
            "api_base_url": network.api_base_url.replace("127.0.0.1", "localhost"),
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.calls.calling_process",
            json.dumps(given, default=str),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            cwd=ROOT,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join([str(ROOT / "integrations"), str(ROOT)]),
            },
        )
        started.append(process)
        return Process(process)

    yield start
    for process in started:
        if process.returncode is None:
            process.kill()
        process.stdin.close()
        await process.wait()
