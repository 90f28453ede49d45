"""Scripted services whose every client event is held to the official types."""

from __future__ import annotations

import socket
from contextlib import AsyncExitStack

import pytest

from patter_core.simulator import ScriptedRealtimeServer
from tests.realtime.realtime_kit import came, check_client_events


@pytest.fixture
async def new_server():
    """Makes services; in the end each was sent nothing but what the protocol has."""
    servers = []
    async with AsyncExitStack() as stack:

        async def make(script=(), **options):
            server = ScriptedRealtimeServer(script, **options)
            servers.append(await stack.enter_async_context(server))
            return server

        yield make
        await came(lambda: not any(server.live for server in servers))
    for server in servers:
        check_client_events(server.received)


@pytest.fixture
def unused_port():
    """A port of this machine where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]
