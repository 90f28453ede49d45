"""One media stream: the WebSocket on which the network is the client, as Twilio is."""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import logging
import secrets
import socket
import time
from typing import TYPE_CHECKING, Any, cast

import aiohttp
import orjson

from patter_core.audio.frames import FRAME_MS, SILENT_FRAME
from patter_core.simulator.playback import PlaybackQueue
from patter_core.simulator.twilio.spoilt_audio import spoilt

if TYPE_CHECKING:
    from collections.abc import Callable

    from patter_core.simulator.handset import Handset
    from patter_core.simulator.leg import LegRecord
    from patter_core.simulator.twilio.gathering import GatheringSocket

_log = logging.getLogger(__name__)

_STILL_FRAMES = 50
_LAG_SEC = 1.0
_DEAD_SEC = 15.0
_GOODBYE_SEC = 2.0
_SILENT_PAYLOAD = base64.b64encode(SILENT_FRAME).decode()
_MUST_HAVE = {
    "media": {"event", "streamSid", "media"},
    "mark": {"event", "streamSid", "mark"},
    "clear": {"event", "streamSid"},
}


class MediaStream:
    """A call's audio, both ways, on an open socket.

    What the callee says leaves as media frames; what comes in is queued, played 20 ms at a time
    and heard by the callee as it is played.
    """

    def __init__(
        self,
        websocket: GatheringSocket,
        leg: LegRecord,
        handset: Handset,
        *,
        account_sid: str,
        hang_up: Callable[[], None],
        violation: Callable[[str], None],
        fault: str = "",
    ) -> None:
        """`hang_up` is called when the callee does; `violation` with what was sent wrongly.

        `fault` is what goes wrong on this stream, if anything: see `Faults.media`.
        """
        self.sid = "MZ" + secrets.token_hex(16)
        self.lagging = False
        self._socket = websocket
        self._leg = leg
        self._handset = handset
        self._account_sid = account_sid
        self._hang_up = hang_up
        self._violation = violation
        self._queue = PlaybackQueue()
        self._spoilt = spoilt(fault)
        self._returns_marks = fault != "no_marks"
        self._sequence = 0
        self._frames = 0
        self._still_frames = 0
        self._pong: asyncio.Future[None] | None = None
        self._asked_at = 0.0

    async def begin(self, parameters: dict[str, str]) -> None:
        """Say which call this is."""
        await self._send({"event": "connected", "protocol": "Call", "version": "1.0.0"})
        await self._send(
            {
                "event": "start",
                "sequenceNumber": self._next(),
                "start": {
                    "accountSid": self._account_sid,
                    "streamSid": self.sid,
                    "callSid": self._leg.sid,
                    "tracks": ["inbound"],
                    "mediaFormat": {
                        "encoding": "audio/x-mulaw",
                        "sampleRate": 8_000,
                        "channels": 1,
                    },
                    "customParameters": parameters,
                },
                "streamSid": self.sid,
            }
        )

    async def read(self) -> None:
        """Take what the other side sends, until it closes the socket."""
        while True:
            message = await self._socket.receive()
            match message.type:
                case aiohttp.WSMsgType.PONG:
                    self._answered()
                case aiohttp.WSMsgType.TEXT:
                    await self._take(message.data)
                case aiohttp.WSMsgType.PING:
                    await self._socket.pong(message.data)
                case aiohttp.WSMsgType.BINARY:
                    self._violation("a binary frame was sent on a media stream")
                case _:
                    self._answered()
                    return

    async def finish(self) -> None:
        """Say that the call is over, and close once the other side has heard it; bounded."""
        self._answered()
        self._socket.let_go()
        with contextlib.suppress(aiohttp.ClientError, ConnectionError, TimeoutError):
            async with asyncio.timeout(_GOODBYE_SEC):
                if not self._socket.closed:
                    stop = {"accountSid": self._account_sid, "callSid": self._leg.sid}
                    await self._send(
                        {
                            "event": "stop",
                            "sequenceNumber": self._next(),
                            "stop": stop,
                            "streamSid": self.sid,
                        }
                    )
                await self._socket.close()

    def abort(self) -> None:
        """Drop the connection without a word."""
        connection = self._socket.get_extra_info("socket")
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)

    # --- the clock's side --------------------------------------------------------------------

    async def send_frame(self) -> None:
        """See `PacedStream.send_frame`."""
        if not self._leg.live or self._socket.closed:
            return
        if (thinking := self._handset.thinking) is not None:
            # Time waits for our own ears; they are never far behind.
            await asyncio.wait([asyncio.wrap_future(thinking)])
            if not self._leg.live or self._socket.closed:
                return
        played, marks = self._queue.play()
        spoken = self._speak(played)
        self._frames += 1
        self._socket.gather()
        self._still_frames = 0 if played or spoken is not SILENT_FRAME else self._still_frames + 1
        try:
            for name in marks:
                await self._echo(name)
            for key in self._handset.pressed:
                await self._press(key)
            # A side that reads nothing gets nothing more, or our own buffer would fill and block.
            if not self.lagging:
                await self._send_audio(spoken)
        except (aiohttp.ClientError, ConnectionError):
            self._answered()
        if self._handset.hung_up:
            self._hang_up()

    def _speak(self, played: bytes) -> bytes:
        try:
            return self._handset.tick(played)
        except Exception:  # noqa: BLE001 - see below
            # A callee's `says` may be anybody's function; its failure ends this call and no other.
            _log.exception("the callee of call %s failed", self._leg.sid)
            self._violation(f"the callee of call {self._leg.sid} failed; see the log")
            self._hang_up()
            return SILENT_FRAME

    @property
    def still(self) -> bool:
        """See `PacedStream.still`."""
        return self._still_frames >= _STILL_FRAMES

    async def ask(self) -> None:
        """See `PacedStream.ask`."""
        try:
            if self._pong is None and not self._socket.closed:
                self._pong = asyncio.get_running_loop().create_future()
                self._asked_at = time.monotonic()
                await self._socket.ping()
        except (aiohttp.ClientError, ConnectionError):
            self._answered()
        finally:
            self._socket.let_go()

    async def taken(self) -> None:
        """See `PacedStream.taken`."""
        if self._pong is not None and not self.lagging:
            await self._pong
        else:
            # Nothing to wait for must not mean that nobody else gets to run.
            await asyncio.sleep(0)

    def watch(self, real_now: float) -> None:
        """See `PacedStream.watch`."""
        if self._pong is None:
            return
        waited = real_now - self._asked_at
        if waited > _DEAD_SEC:
            self.abort()
        elif waited > _LAG_SEC:
            self.lagging = True
            if not self._pong.done():
                self._pong.set_result(None)

    # --- frames out --------------------------------------------------------------------------

    async def _send_audio(self, frame: bytes) -> None:
        if self._spoilt is not None:
            for part in self._spoilt.parts(frame):
                await self._send(
                    {
                        "event": "media",
                        "sequenceNumber": self._next(),
                        "media": part,
                        "streamSid": self.sid,
                    }
                )
            return
        silent = frame is SILENT_FRAME
        payload = _SILENT_PAYLOAD if silent else base64.b64encode(frame).decode()
        self._sequence += 1
        await self._socket.send_str(
            f'{{"event":"media","sequenceNumber":"{self._sequence}",'
            f'"media":{{"track":"inbound","chunk":"{self._frames}",'
            f'"timestamp":"{self._frames * FRAME_MS}","payload":"{payload}"}},'
            f'"streamSid":"{self.sid}"}}'
        )

    async def _echo(self, name: str) -> None:
        if not self._returns_marks:
            return
        await self._send(
            {
                "event": "mark",
                "sequenceNumber": self._next(),
                "mark": {"name": name},
                "streamSid": self.sid,
            }
        )

    async def _press(self, key: str) -> None:
        await self._send(
            {
                "event": "dtmf",
                "sequenceNumber": self._next(),
                "dtmf": {"track": "inbound_track", "digit": key},
                "streamSid": self.sid,
            }
        )

    async def _send(self, message: dict[str, Any]) -> None:
        await self._socket.send_str(orjson.dumps(message).decode())

    def _next(self) -> str:
        self._sequence += 1
        return str(self._sequence)

    def _answered(self) -> None:
        self.lagging = False
        pong, self._pong = self._pong, None
        if pong is not None and not pong.done():
            pong.set_result(None)

    # --- frames in ---------------------------------------------------------------------------

    async def _take(self, text: str) -> None:
        try:
            message = orjson.loads(text)
        except orjson.JSONDecodeError:
            self._violation("a frame on a media stream was no JSON")
            return
        problem = self._problem(message)
        if problem is not None:
            self._violation(problem)
            return
        marks: list[str] = []
        match message["event"]:
            case "media":
                self._take_audio(message["media"]["payload"])
            case "mark":
                marks = self._queue.mark(message["mark"]["name"])
            case _:
                marks = self._queue.clear()
        for name in marks:
            await self._echo(name)

    def _take_audio(self, payload: str) -> None:
        try:
            audio = binascii.a2b_base64(payload, strict_mode=True)
        except ValueError:
            self._violation("a media payload was no base64")
            return
        if not audio or audio.startswith(b"RIFF"):
            self._violation("a media payload was empty, or had a file's header")
            return
        self._queue.add(audio)

    def _problem(self, message: object) -> str | None:
        """What is wrong with a frame; None for nothing."""
        if not isinstance(message, dict):
            return "a frame on a media stream was no JSON object"
        message = cast("dict[str, Any]", message)
        event = str(message.get("event"))
        keys = _MUST_HAVE.get(event)
        if keys is None:
            return f"a media stream knows no event {event!r}"
        if message.keys() != keys:
            return f"a {event} frame has the keys {', '.join(sorted(keys))} and no others"
        if message["streamSid"] != self.sid:
            return f"a {event} frame named another stream"
        if event == "clear":
            return None
        key = "payload" if event == "media" else "name"
        body = message[event]
        # Only a dict's keys compare equal to a set.
        if not isinstance(body, dict) or cast("dict[str, Any]", body).keys() != {key}:
            return f"a {event} frame's {event} has one text, {key}"
        if not isinstance(body[key], str):
            return f"a {event} frame's {event} has one text, {key}"
        return None
