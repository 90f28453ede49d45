"""The HTTP server of one open phone, on a socket that is bound before anything else is opened."""

from __future__ import annotations

import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web

from patter_core.errors import ConfigError
from patter_core.server.connections import Connections, listening
from patter_core.server.media import MediaDoor
from patter_core.server.webhooks import WebhookDoor

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from patter_core.switchboard.desk import Desk


_MOST_HEADERS = 64
_LINGERING_SEC = 1.0
"""How long the rest of a refused request is read, so that its sender hears the refusal."""


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 picks a free one.

    Raises:
        ConfigError: It cannot be had; nothing was opened, and trying again later is fine.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=128)
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"Cannot listen on {host}:{port} ({error}). Choose another port=, or port=0 for any "
            "free one"
        ) from error


@asynccontextmanager
async def serving(listener: socket.socket, desk: Desk) -> AsyncGenerator[None]:
    """Answer on `listener` while the block runs. The socket is closed with it."""
    limits = desk.exchange.limits
    connections = Connections(limits)
    app = web.Application(
        client_max_size=limits.webhook_bytes, middlewares=[connections.middleware]
    )
    app.add_routes([web.get("/health", _health)])
    app.add_routes(WebhookDoor(desk, trust=connections.trust).routes())
    app.add_routes(MediaDoor(desk, trust=connections.trust).routes())
    runner = web.AppRunner(
        app,
        access_log=None,
        handle_signals=False,
        shutdown_timeout=1.0,
        max_headers=_MOST_HEADERS,
        lingering_time=_LINGERING_SEC,
    )
    await runner.setup()
    try:
        async with listening(runner, listener, connections):
            yield
    finally:
        await runner.cleanup()


async def _health(_request: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})
