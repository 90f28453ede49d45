"""A WebSocket that can send several frames in one piece."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp


class GatheringSocket(aiohttp.ClientWebSocketResponse):
    """A client's socket whose frames leave together when they are gathered.

    A frame and a ping in two packets wake the other side twice, a thousand times in a call.
    """

    def __init__(self, reader: Any, writer: Any, *rest: Any, **options: Any) -> None:  # noqa: ANN401
        """As aiohttp makes it."""
        super().__init__(reader, writer, *rest, **options)
        self._outlet = _Outlet(writer.transport)
        writer.transport = self._outlet

    def gather(self) -> None:
        """Keep what is sent from now on until `let_go`. Safe to repeat."""
        self._outlet.keep()

    async def receive(self, timeout: float | None = None) -> Any:  # noqa: ANN401 - aiohttp's own type differs from version to version
        """As aiohttp's; but to stop listening is not to have lost the connection.

        aiohttp would note it as lost, and then `close` would not wait for the other side: what it
        was about to write would be refused, and what we had said last would go unread with that.
        """
        try:
            return await super().receive(timeout)
        except asyncio.CancelledError:
            self._close_code = None
            raise

    def let_go(self) -> None:
        """Send what was kept. Safe to repeat."""
        self._outlet.flush()


class _Outlet:
    """A transport, as far as aiohttp's writer knows it, that can keep what is written."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._kept: list[bytes] | None = None

    def write(self, data: bytes) -> None:
        if self._kept is None:
            self._transport.write(data)
        else:
            self._kept.append(data)

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def keep(self) -> None:
        if self._kept is None:
            self._kept = []

    def flush(self) -> None:
        kept, self._kept = self._kept, None
        if kept:
            self._transport.write(b"".join(kept))
