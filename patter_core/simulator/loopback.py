"""A server of aiohttp's on 127.0.0.1, while a block runs."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


@asynccontextmanager
async def on_loopback(runner: web.BaseRunner, port: int = 0) -> AsyncGenerator[str]:
    """Serve with `runner` on `port`, 0 for a free one; gives its URL, without a trailing slash."""
    await runner.setup()
    try:
        listener = socket.create_server(("127.0.0.1", port), backlog=128)
        try:
            await web.SockSite(runner, listener).start()
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            # Who was let in a moment ago is a connection two turns of the loop later; a server that
            # is closed by then would not know of it, and leave it open.
            asyncio.get_running_loop().remove_reader(listener)
            for _ in range(2):
                await asyncio.sleep(0)
    finally:
        await runner.cleanup()
