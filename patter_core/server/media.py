"""One call's audio on a WebSocket: let in when it proves which call it belongs to."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, TypeGuard, cast

from aiohttp import WSMsgType, web

from patter_core.calls.call import MediaClosed
from patter_core.telephony.carrier import (
    MediaAudio,
    MediaDigit,
    MediaMark,
    MediaStarted,
    MediaStopped,
    MediaWire,
)

if TYPE_CHECKING:
    from patter_core.switchboard.connect import Conversation
    from patter_core.switchboard.desk import Desk
    from patter_core.switchboard.operator import Operator

    _Transport = asyncio.WriteTransport | None

_log = logging.getLogger(__name__)


class MediaDoor:
    """Accepts one carrier's media sockets.

    The upgrade must bear the carrier's signature, and the first frames the signed reference of a
    live call that has no audio yet. Anything else is closed before anything is spent.
    """

    def __init__(self, desk: Desk) -> None:
        """Serve the carrier of this desk's exchange."""
        self._desk = desk
        self._webhooks = desk.exchange.carrier.webhooks()

    def routes(self) -> list[web.RouteDef]:
        """The one path that every stream connects to."""
        return [web.get(f"/{self._desk.exchange.carrier.name}/media", self._serve)]

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        exchange = self._desk.exchange
        if not self._webhooks.verify(url=exchange.media_url, headers=request.headers, form={}):
            _log.warning("A stranger's media socket was refused")
            raise web.HTTPForbidden
        socket = web.WebSocketResponse(
            max_msg_size=exchange.limits.frame_bytes, compress=False, timeout=2.0
        )
        await socket.prepare(request)
        wire = exchange.carrier.media_wire()
        try:
            async with exchange.clock.timeout(exchange.limits.media_start_sec):
                started = await _first_start(socket, wire)
        except TimeoutError:
            started = None
        operator = self._owner_of(started)
        if started is None or operator is None:
            _log.warning("A media socket that belongs to no call was closed")
            await socket.close()
            return socket
        async with asyncio.TaskGroup() as group:
            link = SocketLink(socket, cast("_Transport", request.transport), wire)
            writer = group.create_task(link.write())
            conversation = operator.connect(started.call, link)
            if conversation is not None:
                announced = await _listen(socket, wire, conversation)
                operator.tell(MediaClosed(announced=announced))
            else:
                _log.warning(
                    "Call %s has its audio already; another socket was closed", operator.call_id
                )
            writer.cancel()
        await socket.close()
        return socket

    def _owner_of(self, started: MediaStarted | None) -> Operator | None:
        if started is None or started.account != self._desk.exchange.carrier.account:
            return None
        return self._desk.find(started.callref)


async def _first_start(socket: web.WebSocketResponse, wire: MediaWire) -> MediaStarted | None:
    async for message in socket:
        if message.type is not WSMsgType.TEXT:
            return None
        match wire.read(message.data):
            case MediaStarted() as started:
                return started
            case None:
                continue
            case _:
                return None  # Audio before anybody said whose.
    return None


async def _listen(
    socket: web.WebSocketResponse, wire: MediaWire, conversation: Conversation
) -> bool:
    """Pass on what is heard until the audio is over; whether the carrier announced that."""
    async for message in socket:
        if message.type is not WSMsgType.TEXT:
            return False
        match wire.read(message.data):
            case MediaAudio(audio=audio):
                conversation.hear_audio(audio)
            case MediaMark(name=name):
                conversation.hear_mark(name)
            case MediaStopped():
                return True
            case MediaStarted() | MediaDigit() | None:
                pass
    return False


class SocketLink:
    """Our end of a media socket.

    What the connection takes is written at once, not by a task that has to be woken first. What it
    does not take waits here, so that `clear` can overtake it.
    """

    def __init__(
        self,
        socket: web.WebSocketResponse,
        transport: _Transport,
        wire: MediaWire,
    ) -> None:
        """Write to `socket`, whose connection is `transport`; what must wait, once `write` runs."""
        self._socket = socket
        self._transport = transport
        self._wire = wire
        self._outgoing: deque[str] = deque()
        self._something = asyncio.Event()
        self._closed = False

    async def write(self) -> None:
        """Send what had to wait, until cancelled or closed."""
        while True:
            while self._outgoing:
                try:
                    await self._socket.send_str(self._outgoing.popleft())
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
        self._send(self._wire.clear())

    def close(self) -> None:
        """See `MediaLink.close`."""
        self._closed = True
        self._something.set()

    def _send(self, frame: str) -> None:
        if self._takes_more(self._transport):
            self._transport.write(_text_frame(frame))
        else:
            self._outgoing.append(frame)
            self._something.set()

    def _takes_more(self, transport: _Transport) -> TypeGuard[asyncio.WriteTransport]:
        """Whether a frame can go out whole now, with nothing before it that still waits."""
        return not (
            transport is None
            or self._outgoing
            or self._socket.closed
            or transport.is_closing()
            or transport.get_write_buffer_size()
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
