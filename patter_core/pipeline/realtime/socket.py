"""One connection to OpenAI Realtime: opened, configured, written to and read."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp

from patter_core.errors import ProviderError
from patter_core.pipeline.realtime import events, wire

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from patter_core.pipeline.resources import Resources

_log = logging.getLogger(__name__)

NAME = "openai-realtime"
_HEARTBEAT_SEC = 20.0
_GOODBYE_SEC = 1.0
_ABANDON_SEC = 0.1
_MOST_WAITING = 3_000  # Frames that nobody takes: a minute of audio.


class RealtimeSocket:
    """An open connection. `send` never waits.

    What the connection takes is written at once, not by a task that has to be woken first; what it
    does not take waits for `write`.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Use `socket`, which stays the opener's to close."""
        self._socket = socket
        self._outbox: deque[str] = deque()
        self._wake = asyncio.Event()
        self._full = False

    def send(self, frame: str) -> None:
        """Send `frame` after those before it; nothing happens once the connection is lost."""
        if self._full or self._outbox:
            if len(self._outbox) < _MOST_WAITING:
                self._outbox.append(frame)
            return
        sending = self._socket.send_str(frame)
        try:
            sending.send(None)
        except StopIteration:
            return
        except (aiohttp.ClientError, OSError):
            return  # The reader notices too.
        # It took this one, and only waits until it would take another.
        sending.close()
        self._full = True
        self._wake.set()

    async def write(self) -> None:
        """Send what had to wait until cancelled, or until the connection is lost."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            if not await self.flush():
                return

    async def flush(self) -> bool:
        """Send what waits; whether the connection took it."""
        try:
            while self._outbox:
                await self._socket.send_str(self._outbox.popleft())
        except (aiohttp.ClientError, OSError):
            return False
        self._full = False
        return True

    async def frame(self) -> str | None:
        """The next text frame; None when the connection is lost."""
        try:
            while True:
                message = await self._socket.receive()
                match message.type:
                    case aiohttp.WSMsgType.TEXT:
                        return str(message.data)
                    case aiohttp.WSMsgType.BINARY:
                        _log.debug("The service sent a binary frame, which says nothing")
                    case _:
                        return None
        except (aiohttp.ClientError, OSError):
            return None

    async def abandon(self) -> None:
        """Close without a goodbye to somebody who does not answer: `frame` gives None."""
        try:
            async with asyncio.timeout(_ABANDON_SEC):
                await self._socket.close()
        except TimeoutError:
            _log.debug("The service did not notice that it was left")

    async def close(self) -> None:
        """Send what waits, and close; bounded."""
        try:
            async with asyncio.timeout(_GOODBYE_SEC):
                await self.flush()
                await self._socket.close()
        except TimeoutError:
            _log.debug("The service did not say goodbye in time")
            await self.abandon()  # Nothing was closed if it did not even take what waited.


@dataclass(slots=True, kw_only=True)
class Connecting:
    """What it takes to connect one call, again and again.

    Attributes:
        session: What a session is configured with; its tools lose `strict` once the service
            refused it.
    """

    url: str
    key: str = field(repr=False)
    session: dict[str, Any]
    open_sec: float
    call_id: str
    resources: Resources

    def configuration(self, detection: Mapping[str, Any] | None) -> dict[str, Any]:
        """The session, with turns noticed as `detection` says; None notices none."""
        audio: dict[str, Any] = self.session["audio"]
        noticed = None if detection is None else dict(detection)
        heard = {**audio["input"], "turn_detection": noticed}
        return {**self.session, "audio": {**audio, "input": heard}}

    def withdraw_strict(self) -> bool:
        """Leave `strict` out of every tool; whether any had it."""
        tools: list[dict[str, Any]] = self.session.get("tools", [])
        without = [{key: tool[key] for key in tool if key != "strict"} for tool in tools]
        had_it = without != tools
        if had_it:
            self.session["tools"] = without
        return had_it


@asynccontextmanager
async def connected(
    connecting: Connecting, detection: Mapping[str, Any] | None
) -> AsyncGenerator[RealtimeSocket]:
    """A connection whose session is as `connecting` and `detection` say.

    Raises:
        ProviderError: It cannot be had, in a plain sentence. Nothing else is raised on opening.
    """
    resources = connecting.resources
    try:
        with resources.clock.hold():
            async with asyncio.timeout(connecting.open_sec):
                opened = await resources.http.ws_connect(
                    connecting.url,
                    headers={"Authorization": f"Bearer {connecting.key}"},
                    max_msg_size=0,
                    heartbeat=_HEARTBEAT_SEC,
                )
                socket = RealtimeSocket(opened)
                try:
                    await _configure(socket, connecting, detection)
                except BaseException:
                    await socket.abandon()
                    raise
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        raise _said_plainly(error) from error
    try:
        yield socket
    finally:
        await socket.close()


async def _configure(
    socket: RealtimeSocket, connecting: Connecting, detection: Mapping[str, Any] | None
) -> None:
    """See that the session is there, and as we want it."""
    sent = 0
    while (frame := await socket.frame()) is not None:
        match readable(frame):
            case events.SessionCreated() if not sent:
                sent = 1
            case events.SessionUpdated() if sent:
                return
            case events.Fault(code="unknown_parameter", param=param) if (
                sent == 1 and param.endswith(".strict") and connecting.withdraw_strict()
            ):
                _log.warning(
                    "Call %s: the service does not know `strict`; it is left out",
                    connecting.call_id,
                )
                sent = 2
            case events.Fault() as fault:
                raise refusal(fault)
            case _:
                continue
        session = connecting.configuration(detection)
        socket.send(wire.session_update(session, event_id=f"session_{sent}"))
        await socket.flush()
    raise ProviderError(NAME, "the connection broke while it was set up", retryable=True)


def refusal(fault: events.Fault) -> ProviderError:
    """`fault` as an error, without the service's own sentence, which may quote what was sent."""
    match fault.code:
        case "invalid_api_key" | "account_deactivated":
            return ProviderError(NAME, "the API key was refused")
        case "insufficient_quota" | "billing_hard_limit_reached":
            return ProviderError(NAME, "the account's quota is used up")
        case "model_not_found":
            return ProviderError(NAME, "no such model")
        case "rate_limit_exceeded":
            return ProviderError(NAME, "too many requests", retryable=True)
        case _:
            about = fault.code or fault.kind or "without a code"
            param = f" about {fault.param}" if fault.param else ""
            return ProviderError(NAME, f"the service objected ({about}){param}")


def readable(frame: str) -> events.ServerEvent | None:
    """The event of `frame`; None when it cannot be read, or need not be."""
    try:
        return wire.read(frame)
    except wire.UnreadableEvent:
        return None


def _said_plainly(error: Exception) -> ProviderError:
    match error:
        case TimeoutError():
            return ProviderError(NAME, "it took too long to open a session", retryable=True)
        case aiohttp.WSServerHandshakeError(status=status):
            return _http_refusal(status)
        case aiohttp.InvalidURL():
            return ProviderError(NAME, "its address cannot be used")
        case _:
            return ProviderError(NAME, "it could not be reached", retryable=True)


def _http_refusal(status: int) -> ProviderError:
    if status in (401, 403):
        return ProviderError(NAME, f"the API key was refused (HTTP {status})")
    if status == 404:
        return ProviderError(NAME, "no such model, or no such address (HTTP 404)")
    if status == 429:
        return ProviderError(NAME, "too many requests (HTTP 429)", retryable=True)
    if status >= 500:
        return ProviderError(NAME, f"the service failed (HTTP {status})", retryable=True)
    return ProviderError(NAME, f"the connection was refused (HTTP {status})")
