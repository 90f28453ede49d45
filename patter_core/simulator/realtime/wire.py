"""One connection's frames: every event that the service sends, with its troubles."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

    from patter_core.simulator.realtime.trouble import Troubles


class Gone(Exception):
    """The connection is no more."""


class Wire:
    """Sends events on one WebSocket, in order."""

    def __init__(
        self,
        request: web.Request,
        socket: web.WebSocketResponse,
        troubles: Troubles,
        log: Callable[[dict[str, Any]], int],
    ) -> None:
        """Send on `socket`; `log` notes every event and gives its number."""
        self._request = request
        self._socket = socket
        self._troubles = troubles
        self._log = log
        self._ids = itertools.count(1)
        self._stalled = False
        self._turn = asyncio.Lock()

    async def send(self, kind: str, **fields: Any) -> None:
        """Send the event `kind`.

        Raises:
            Gone: The connection is no more.
        """
        async with self._turn:
            event = {"type": kind, "event_id": f"event_{next(self._ids)}", **fields}
            trouble = self._troubles.strike(kind, self._log(event))
            if trouble is None:
                await self._write(event)
            else:
                await self._spoil(trouble, event)

    async def _spoil(self, trouble: str, event: dict[str, Any]) -> None:
        match trouble:
            case "disconnect":
                if self._request.transport is not None:
                    self._request.transport.abort()
                raise Gone
            case "expire" | "close":
                if trouble == "expire":
                    await self._write(self._error("session_expired", "The session is too old."))
                await self._socket.close(code=1001)
                raise Gone
            case "stall":
                self._stalled = True
            case "garbage":
                await self._text('{"type": "response.done", "resp')
            case "nonsense":
                await self._write({"type": event["type"], "event_id": event["event_id"]})
            case "error":
                await self._write(self._error("server_error", "The server had an error."))
                await self._write(event)
            case _:
                pass

    def _error(self, code: str, message: str) -> dict[str, Any]:
        error = {"type": "server_error", "code": code, "message": message, "param": None}
        event_id = f"event_{next(self._ids)}"
        return {"type": "error", "event_id": event_id, "error": {**error, "event_id": None}}

    async def _write(self, event: dict[str, Any]) -> None:
        await self._text(orjson.dumps(event).decode())

    async def _text(self, text: str) -> None:
        if self._stalled:
            return
        try:
            await self._socket.send_str(text)
        except (ConnectionError, RuntimeError) as error:
            raise Gone from error
