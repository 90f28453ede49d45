"""A scripted speech model on loopback, which speaks OpenAI Realtime's events."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import orjson
from aiohttp import WSMsgType, web

from patter_core.simulator.loopback import on_loopback
from patter_core.simulator.own_loop import OnOwnLoop, OwnLoop
from patter_core.simulator.realtime.script import Answer, RealtimeReply
from patter_core.simulator.realtime.session import Session
from patter_core.simulator.realtime.trouble import RealtimeTrouble, Troubles
from patter_core.simulator.realtime.wire import Gone, Wire

_LARGEST_EVENT_BYTES = 16 * 1024 * 1024
_GOODBYE_SEC = 1.0  # Whoever has not answered a goodbye by then is left.

Script = Sequence[RealtimeReply] | Callable[[dict[str, Any]], RealtimeReply]


class ScriptedRealtimeServer(OnOwnLoop):
    """Answers `/v1/realtime` by a script, and refuses what the service would refuse.

    It hears marker audio, speaks marker audio, and does word for word what the instructions of a
    single response tell it to say. Open it with `with` or `async with`; it lives on a thread of its
    own.

    Attributes:
        base_url: Where it listens, for `OpenAIRealtime(base_url=...)`; ends in /v1.
        received: Every client event, in order, of all connections.
        sent: Every server event, in the same way.
        refusals: What was wrong with the client events that were refused.
        keys: The API key of every connection.
        connections: How many there have been.
        live: How many there are.
    """

    def __init__(
        self, script: Script = (), *, accepts_strict: bool = False, refuses: int | None = None
    ) -> None:
        """Plan it; nothing is touched before it is entered.

        Args:
            script: Replies, given in order, after which it has nothing to say; or a function of
                what a model sees (`items`, `said`: what the callee said, `session`, `response`),
                which runs on the server's thread.
            accepts_strict: Whether `strict` is a known key of a tool.
            refuses: The HTTP status that connections are refused with.
        """
        self._script = script
        self._replies: Iterator[RealtimeReply] = iter(()) if callable(script) else iter(script)
        self._accepts_strict = accepts_strict
        self._refuses = refuses
        self._lock = threading.Lock()
        self._troubles = Troubles()
        self._received: list[dict[str, Any]] = []
        self._sent: list[dict[str, Any]] = []
        self._refusals: list[str] = []
        self._requests: list[web.Request] = []
        self.keys: list[str] = []
        self.connections = 0
        self.live = 0
        self._url: str | None = None
        self._loop = OwnLoop("scripted-realtime", self._serve)

    @property
    def base_url(self) -> str:
        """See the class."""
        if self._url is None:
            raise RuntimeError("the server is not up; open it with `with` or `async with`")
        return self._url

    @property
    def received(self) -> list[dict[str, Any]]:
        """See the class."""
        return list(self._received)

    @property
    def sent(self) -> list[dict[str, Any]]:
        """See the class."""
        return list(self._sent)

    @property
    def refusals(self) -> list[str]:
        """See the class."""
        return list(self._refusals)

    def spoil(self, kind: RealtimeTrouble, at: str | int, *, times: int | None = 1) -> None:
        """Get something wrong: see `Troubles`.

        Args:
            kind: What.
            at: The type of the event that is spoilt, or its number among all that are sent, from 0.
            times: How often; None until the end.
        """
        self._troubles.plan(kind, at, times)

    def heal(self) -> None:
        """Work properly again."""
        self._troubles.clear()

    def hang_up(self) -> None:
        """Abort every connection there is."""
        self._loop.call_soon(self._abort_all)

    def _abort_all(self) -> None:
        for request in self._requests:
            if request.transport is not None:
                request.transport.abort()

    # --- on the server's loop ----------------------------------------------------------------

    async def _serve(self, ready: Callable[[], None], stop: asyncio.Event) -> None:
        app = web.Application()
        app.add_routes([web.get("/v1/realtime", self._connect)])
        runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=0.1, access_log=None)
        async with on_loopback(runner) as url:
            self._url = f"{url}/v1"
            ready()
            await stop.wait()

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        if self._refuses is not None:
            return web.json_response({"error": {"message": "No."}}, status=self._refuses)
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or not key:
            return web.json_response({"error": {"code": "invalid_api_key"}}, status=401)
        model = request.query.get("model")
        if not model or "OpenAI-Beta" in request.headers:
            return web.json_response({"error": {"code": "invalid_request"}}, status=400)
        socket = web.WebSocketResponse(
            timeout=_GOODBYE_SEC, max_msg_size=_LARGEST_EVENT_BYTES, compress=False
        )
        await socket.prepare(request)
        self.keys.append(key)
        self.connections += 1
        self.live += 1
        self._requests.append(request)
        try:
            async with asyncio.TaskGroup() as tasks:
                wire = Wire(request, socket, self._troubles, self._log)
                session = Session(
                    wire,
                    model=model,
                    answer=self._answer,
                    tasks=tasks,
                    accepts_strict=self._accepts_strict,
                )
                talking = tasks.create_task(self._talk(session, socket))
                await talking
                if session.response is not None:
                    session.response.leave()
        finally:
            self._requests.remove(request)
            self.live -= 1
        return socket

    async def _talk(self, session: Session, socket: web.WebSocketResponse) -> None:
        try:
            await session.greet()
            async for message in socket:
                if message.type is not WSMsgType.TEXT:
                    continue
                event = _parsed(message.data)
                self._received.append(event)
                if (problem := await session.take(event)) is not None:
                    self._refusals.append(problem)
        except Gone:
            pass

    def _log(self, event: dict[str, Any]) -> int:
        self._sent.append(event)
        return len(self._sent) - 1

    def _answer(self, view: dict[str, Any]) -> Answer:
        with self._lock:
            if callable(self._script):
                return Answer.of(self._script(view))
            return Answer.of(next(self._replies, ""))


def _parsed(text: str) -> dict[str, Any]:
    try:
        parsed: Any = orjson.loads(text)
    except orjson.JSONDecodeError:
        parsed = None
    return cast("dict[str, Any]", parsed) if isinstance(parsed, dict) else {}
