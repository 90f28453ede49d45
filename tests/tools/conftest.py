"""Servers that answer a tool's webhook with anything."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest

from tests.telephony.raw_http import RawServer

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
