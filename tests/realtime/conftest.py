"""Scripted services whose every client event is held to the official types."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from patter_core.simulator import ScriptedRealtimeServer
from tests.realtime.realtime_kit import check_client_events


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
        async with asyncio.timeout(5):
            while any(server.live for server in servers):
                await asyncio.sleep(0.005)
    for server in servers:
        check_client_events(server.received)
