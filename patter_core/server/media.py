"""One call's audio on a WebSocket: let in when it proves which call it belongs to."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from aiohttp import WSMsgType, web

from patter_core.calls.call_events import MediaClosed
from patter_core.server.media_link import SocketLink
from patter_core.telephony.carrier import (
    MediaAudio,
    MediaDigit,
    MediaMark,
    MediaStarted,
    MediaStopped,
    MediaWire,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from patter_core.clock import Clock
    from patter_core.config import Limits
    from patter_core.switchboard.connect import Conversation
    from patter_core.switchboard.desk import Desk
    from patter_core.switchboard.operator import Operator

_log = logging.getLogger(__name__)


class MediaDoor:
    """Accepts one carrier's media sockets.

    The upgrade must bear the carrier's signature, and the first frames the signed reference of a
    live call that has no audio yet. Anything else is closed before anything is spent.
    """

    def __init__(self, desk: Desk, *, trust: Callable[[web.Request], None]) -> None:
        """Serve the carrier of this desk's exchange; `trust` hears whose sockets are a call's."""
        self._desk = desk
        self._trust = trust
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
            max_msg_size=exchange.limits.frame_bytes,
            compress=False,
            timeout=2.0,
            autoping=False,  # See `_texts`.
            # Of a side that is gone without a word nothing is heard, not even that it is gone.
            heartbeat=exchange.limits.heartbeat_sec,
        )
        await socket.prepare(request)
        wire = exchange.carrier.media_wire()
        try:
            async with exchange.clock.timeout(exchange.limits.media_start_sec):
                started = await _first_start(socket, wire)
        except TimeoutError:
            started = None
        operator = self._owner_of(started)
        transport = request.transport
        if started is None or operator is None or transport is None:
            _log.warning("A media socket that belongs to no call was closed")
            await socket.close()
            return socket
        self._trust(request)
        async with asyncio.TaskGroup() as group:
            link = SocketLink(
                socket,
                transport,
                wire,
                most_unsent=exchange.limits.unsent_chars,
                abort=transport.abort,
            )
            writer = group.create_task(link.write())
            conversation = operator.connect(started.call, link)
            if conversation is not None:
                pace = FramePace(exchange.clock, exchange.limits)
                announced = await _listen(socket, wire, conversation, pace)
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


async def _texts(socket: web.WebSocketResponse) -> AsyncGenerator[str]:
    """The text frames, until the socket is closed or sends any other kind.

    Pings are answered here: left to aiohttp, the answer to one that the other side did not wait
    for would throw away what that side had said before it closed, its goodbye among it.
    """
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            yield message.data
        elif message.type is WSMsgType.PING:
            with suppress(ConnectionError):
                await socket.pong(message.data)
        elif message.type is not WSMsgType.PONG:
            return


async def _first_start(socket: web.WebSocketResponse, wire: MediaWire) -> MediaStarted | None:
    async for text in _texts(socket):
        match wire.read(text):
            case MediaStarted() as started:
                return started
            case None:
                continue
            case _:
                return None  # Audio before anybody said whose.
    return None


class FramePace:
    """Whether frames come at a pace at which a call can bring them."""

    def __init__(self, clock: Clock, limits: Limits) -> None:
        """Begin to count now."""
        self._clock = clock
        self._limits = limits
        self._began = clock.now()
        self._frames = 0

    def keeps_with_one_more(self) -> bool:
        """Count a frame; False when there are more than a call could have."""
        self._frames += 1
        if self._frames <= self._limits.frames_at_once:
            return True  # Looking at the time fifty times a second is for floods only.
        elapsed_sec = self._clock.now() - self._began
        allowed = self._limits.frames_at_once + elapsed_sec * self._limits.frames_per_sec
        return self._frames <= allowed


async def _listen(
    socket: web.WebSocketResponse, wire: MediaWire, conversation: Conversation, pace: FramePace
) -> bool:
    """Pass on what is heard until the audio is over; whether the carrier announced that."""
    async for text in _texts(socket):
        if not pace.keeps_with_one_more():
            _log.warning("A media socket that sent a flood of frames was closed")
            return False
        match wire.read(text):
            case MediaAudio(audio=audio):
                conversation.hear_audio(audio)
            case MediaMark(name=name):
                conversation.hear_mark(name)
            case MediaStopped():
                return True
            case MediaStarted() | MediaDigit() | None:
                pass
    return False
