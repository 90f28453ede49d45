"""Our end of a media socket: what is sent on it, and how soon."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

    from patter_core.telephony.carrier import MediaWire

_log = logging.getLogger(__name__)


class SocketLink:
    """Our end of a media socket.

    What is to be sent waits here for `write`, so that `clear` can overtake it.
    """

    def __init__(
        self,
        socket: web.WebSocketResponse,
        wire: MediaWire,
        *,
        most_unsent: int,
        abort: Callable[[], None],
    ) -> None:
        """Write to `socket` once `write` runs; `abort` it when `most_unsent` characters wait."""
        self._socket = socket
        self._wire = wire
        self._most_unsent = most_unsent
        self._unsent = 0
        self._abort = abort
        self._outgoing: deque[str] = deque()
        self._something = asyncio.Event()
        self._closed = False

    async def write(self) -> None:
        """Send what comes, until cancelled or closed."""
        while True:
            while self._outgoing:
                frame = self._outgoing.popleft()
                self._unsent -= len(frame)
                try:
                    await self._socket.send_str(frame)
                except ConnectionError:
                    return  # The reader notices too, and tells the call.
            if self._closed:
                await self._socket.close()
                return
            self._something.clear()
            await self._something.wait()

    def play(self, audio: bytes) -> None:
        """See `MediaLink.play`."""
        self._send(self._wire.audio(audio))

    def mark(self, name: str) -> None:
        """See `MediaLink.mark`."""
        self._send(self._wire.mark(name))

    def clear(self) -> None:
        """See `MediaLink.clear`."""
        self._outgoing.clear()
        self._unsent = 0
        self._send(self._wire.clear())

    def close(self) -> None:
        """See `MediaLink.close`."""
        self._closed = True
        self._something.set()

    def _send(self, frame: str) -> None:
        self._outgoing.append(frame)
        self._unsent += len(frame)
        self._something.set()
        if self._unsent > self._most_unsent:
            _log.warning("A media socket that takes nothing was dropped")
            self._abort()
