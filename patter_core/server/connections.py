"""Connections at the door: each must get to the point in time, and strangers cannot crowd it.

aiohttp bounds what a request may hold, but not how long it may take to arrive. So every connection
is watched from outside of aiohttp, between it and the socket.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from patter_core.config import Limits

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_log = logging.getLogger(__name__)


class Connections:
    """All connections of one door.

    Those that have not proven who they are share a bounded number of places. When these are taken
    the oldest of them goes, not the newest: a carrier proves itself at once, and must always be
    able to come in.
    """

    def __init__(self, limits: Limits) -> None:
        """Begin with none."""
        self.limits = limits
        self.closed = False
        self._unproven: dict[asyncio.BaseTransport, Connection] = {}
        self._proven: dict[asyncio.BaseTransport, Connection] = {}

    def close(self) -> None:
        """Let nobody in any more: who was on the way is shown out. Those who are in stay."""
        self.closed = True

    def add(self, transport: asyncio.BaseTransport, connection: Connection) -> None:
        """Somebody is at the door."""
        self._unproven[transport] = connection
        if len(self._unproven) > self.limits.unproven_connections:
            oldest = next(iter(self._unproven.values()))
            _log.warning("Too many strangers at the door; the one that waits longest goes")
            oldest.abort()

    def remove(self, transport: asyncio.BaseTransport) -> None:
        """They are gone."""
        self._unproven.pop(transport, None)
        self._proven.pop(transport, None)

    def trust(self, request: web.Request) -> None:
        """Whoever sent this request has proven who they are."""
        transport = request.transport
        if transport is not None and (connection := self._unproven.pop(transport, None)):
            self._proven[transport] = connection

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Have the whole request before anything is made of it, and stop the clock until then."""
        connection = self._of(request.transport)
        if connection is None:
            raise web.HTTPServiceUnavailable
        await request.read()
        connection.has_request()
        try:
            return await handler(request)
        finally:
            connection.was_answered()

    def _of(self, transport: asyncio.BaseTransport | None) -> Connection | None:
        if transport is None:
            return None
        return self._unproven.get(transport) or self._proven.get(transport)


class Connection(asyncio.Protocol):
    """One connection: passes everything on to aiohttp, and ends it when it dawdles.

    From its beginning, and from the first byte of each later request, it has `request_sec` for the
    whole request, body included; between requests it may be idle for `idle_connection_sec`.
    """

    def __init__(self, inner: asyncio.Protocol, connections: Connections) -> None:
        """Stand before `inner`."""
        self._inner = inner
        self._connections = connections
        self._transport: asyncio.Transport | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._idle = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        if not isinstance(transport, asyncio.Transport):
            raise TypeError("A door has stream sockets")
        if self._connections.closed:
            transport.abort()
            return
        self._transport = transport
        self._begin(self._connections.limits.request_sec)
        self._inner.connection_made(transport)
        self._connections.add(transport, self)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        if self._idle:
            self._idle = False
            self._begin(self._connections.limits.request_sec)
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        """See `asyncio.Protocol`."""
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._stop()
        if self._transport is not None:
            self._connections.remove(self._transport)
            self._inner.connection_lost(exc)

    def has_request(self) -> None:
        """A whole request is there: how long it takes from here on is ours to bound."""
        self._idle = False
        self._stop()

    def was_answered(self) -> None:
        """The next request may take its time to begin, but not for ever."""
        self._idle = True
        self._begin(self._connections.limits.idle_connection_sec)

    def abort(self) -> None:
        """End it, without a word."""
        if self._transport is not None:
            # At once out of the books: a socket takes a moment to go.
            self._connections.remove(self._transport)
            self._transport.abort()

    def _begin(self, seconds: float) -> None:
        # Real time: this bounds what a socket does, whatever clock the calls run on.
        self._stop()
        self._deadline = asyncio.get_running_loop().call_later(seconds, self._too_slow)

    def _stop(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        if not self._idle:
            _log.warning("A connection that did not get to the point was ended")
        self.abort()


@asynccontextmanager
async def listening(
    runner: web.AppRunner, listener: socket.socket, connections: Connections
) -> AsyncGenerator[None]:
    """Serve `runner`'s application on `listener`, every connection watched; closes `listener`."""
    inner = runner.server
    if inner is None:
        raise AssertionError("The runner is set up first")
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Connection(inner(), connections), sock=listener, backlog=128
    )
    try:
        yield
    finally:
        connections.close()
        # Whom asyncio has let in a moment ago, it makes a connection of in its next turn; a server
        # that is closed by then takes that for a mistake, and leaves the socket open.
        loop.remove_reader(listener)
        try:
            await asyncio.sleep(0)
        finally:
            server.close()
