"""Servers that answer anything, and lines to them."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import aiohttp
import pytest

from patter_core.clock import SystemClock
from patter_core.config import Limits
from patter_core.telephony.twilio.account import Twilio
from tests.telephony.raw_http import ACCOUNT, TOKEN, RawServer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable


@pytest.fixture
async def raw_server() -> AsyncGenerator[Callable[..., Awaitable[RawServer]]]:
    """Starts servers: `await raw_server(answer, answer, ..., keep=True)`."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(*answers: bytes | None, **options: object) -> RawServer:
            server = RawServer(list(answers), **options)
            connections: set[asyncio.Task[None]] = set()

            def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                connections.add(asyncio.ensure_future(server.handle(reader, writer)))

            async def stop() -> None:
                listener.close()
                for connection in connections:
                    connection.cancel()
                await asyncio.gather(*connections, return_exceptions=True)

            listener = await asyncio.start_server(accept, "127.0.0.1", 0)
            stack.push_async_callback(stop)
            server.port = listener.sockets[0].getsockname()[1]
            return server

        yield start


@pytest.fixture
async def line_to() -> AsyncGenerator[Callable[..., object]]:
    """Makes lines: `line_to(url)`, over one HTTP session.

    They have the patience that they are given: little is for what waits in vain, or a carrier that
    does answer would be given up on a busy machine.
    """
    async with aiohttp.ClientSession() as http:

        def make(url: str, limits: Limits | None = None, clock: object = None) -> object:
            account = Twilio(ACCOUNT, TOKEN, api_base_url=url)
            return account.line(http, clock or SystemClock(), limits or Limits())

        yield make
