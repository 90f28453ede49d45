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

    What the connection takes is written at once: a task would first have to be woken, behind
    everything else that goes on. What it does not take waits here for `write`, so that `clear` can
    overtake it.
    """

    def __init__(
        self,
        socket: web.WebSocketResponse,
        transport: asyncio.WriteTransport,
        wire: MediaWire,
        *,
        most_unsent: int,
        abort: Callable[[], None],
    ) -> None:
        """Write to `socket`, whose connection is `transport`; what must wait, once `write` runs.

        When more than `most_unsent` characters wait, `abort` it.
        """
        self._socket = socket
        self._transport = transport
        self._wire = wire
        self._most_unsent = most_unsent
        self._unsent = 0
        self._abort = abort
        self._outgoing: deque[str] = deque()
        self._something = asyncio.Event()
        self._closed = False

    async def write(self) -> None:
        """Send what had to wait, until cancelled or closed."""
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
        if self._takes_more():
            self._transport.write(_text_frame(frame))
            return
        self._outgoing.append(frame)
        self._unsent += len(frame)
        self._something.set()
        if self._unsent > self._most_unsent:
            _log.warning("A media socket that takes nothing was dropped")
            self._abort()

    def _takes_more(self) -> bool:
        """Whether a frame can go out whole now, with nothing before it that still waits."""
        return not (
            self._outgoing
            or self._closed
            or self._transport.get_write_buffer_size()
            or self._transport.is_closing()
            or self._socket.closed
        )


def _text_frame(text: str) -> bytes:
    """`text` as one WebSocket frame of a server, which masks nothing: RFC 6455, 5.2."""
    payload = text.encode()
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    if size < 0x10000:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload
