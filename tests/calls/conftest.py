"""A phone network for each test, and phones on it that are closed before it is."""

from __future__ import annotations

import socket
from contextlib import AsyncExitStack

import pytest

from patter import Patter, PatterTool
from patter.simulator import Callee, PhoneNetwork
from tests.calls.kit import CALLEE, PHONE, bounded, scripted


@pytest.fixture
def speed():
    """How many times real time the network runs; None as fast as it can. Files override it."""
    return None


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
