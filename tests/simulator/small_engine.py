"""A small engine for the network's tests: answer URL, callbacks and media socket on loopback."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from typing import Any
from urllib.parse import urlencode

import aiohttp
import orjson
from aiohttp import web
from twilio.request_validator import RequestValidator

from patter_core.audio.frames import BYTES_PER_MS
from patter_core.speech.markers import Ended, MarkerDetector, encode


class SmallEngine:
    """Answers calls with a script: replies[n] is said after the callee's n-th utterance."""

    def __init__(self, network: Any, replies=(), greeting: str | None = None) -> None:
        self.network = network
        self.replies = list(replies)
        self.greeting = greeting
        self.forms: list[tuple[str, dict[str, str]]] = []
        self.signatures: list[bool] = []
        self.heard: list[str] = []
        self.frames: list[dict[str, Any]] = []
        self.twiml: str | None = None
        self.on_media = self.talk
        self.delay_sec = 0.0
        self.sockets = 0
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> SmallEngine:
        app = web.Application()
        app.router.add_post("/answer", self._answer)
        app.router.add_post("/status", self._status)
        app.router.add_post("/machine", self._status)
        app.router.add_get("/media", self._media)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.host = f"127.0.0.1:{self._runner.addresses[0][1]}"
        self.url = f"http://{self.host}"
        self.http = aiohttp.ClientSession()
        self.network.clock.join(asyncio.get_running_loop())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.close()
        await self._runner.cleanup()

    # --- what the engine asks of the carrier -------------------------------------------------

    def calls_url(self, sid: str = "") -> str:
        network = self.network
        tail = f"/{sid}" if sid else ""
        return f"{network.api_base_url}/2010-04-01/Accounts/{network.account_sid}/Calls{tail}.json"

    async def dial(self, to: str, **more: Any) -> dict[str, Any]:
        form = {
            "To": to,
            "From": "+14155550100",
            "Url": f"{self.url}/answer",
            "StatusCallback": f"{self.url}/status",
            "StatusCallbackEvent": ["initiated", "ringing", "answered", "completed"],
        } | more
        status, body = await self.post(self.calls_url(), form)
        assert status == 201, body
        return body

    async def post(self, url: str, form: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        with self.network.clock.hold():
            async with self._request("POST", url, form) as response:
                return response.status, orjson.loads(await response.read())

    async def raw(self, method: str, url: str, form: dict[str, Any] | None = None):
        """The status and the headers of whatever is answered."""
        with self.network.clock.hold():
            async with self._request(method, url, form or {}) as response:
                return response.status, response.headers

    def _request(self, method: str, url: str, form: dict[str, Any]):
        body = urlencode({k: v for k, v in form.items() if v is not None}, doseq=True)
        pair = f"{self.network.account_sid}:{self.network.auth_token}"
        headers = {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
        if method == "POST":
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        return self.http.request(
            method, url, data=body or None, headers=headers, allow_redirects=False
        )

    # --- what the carrier asks of the engine -------------------------------------------------

    async def _answer(self, request: web.Request) -> web.Response:
        await self._note("answer", request)
        if self.delay_sec:
            await asyncio.sleep(self.delay_sec)
        twiml = self.twiml or (
            f'<Response><Connect><Stream url="ws://{self.host}/media">'
            '<Parameter name="ref" value="a&amp;b"/></Stream></Connect><Hangup/></Response>'
        )
        return web.Response(text=twiml, content_type="text/xml")

    async def _status(self, request: web.Request) -> web.Response:
        await self._note(request.path.strip("/"), request)
        return web.Response(status=204)

    async def _note(self, kind: str, request: web.Request) -> None:
        form = dict(await request.post())
        self.forms.append((kind, form))
        self._check(f"{self.url}{request.path_qs}", form, request)

    def _check(self, url: str, form: dict[str, str], request: web.Request) -> None:
        validator = RequestValidator(self.network.auth_token)
        signature = request.headers.get("X-Twilio-Signature", "")
        self.signatures.append(validator.validate(url, form, signature))

    async def _media(self, request: web.Request) -> web.WebSocketResponse:
        self._check(f"ws://{self.host}/media", {}, request)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets += 1
        with contextlib.suppress(ConnectionError):
            await self.on_media(Media(socket, self))
        return socket

    async def talk(self, media: Media) -> None:
        """Greet, and answer each utterance with the next reply."""
        replies = iter(self.replies)
        async for event in media.events():
            if event["event"] == "start" and self.greeting:
                await media.say(self.greeting)
            for text in media.heard_in(event):
                self.heard.append(text)
                if (reply := next(replies, None)) is not None:
                    await media.say(reply)

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.forms]


class Media:
    """One media socket, from the engine's side."""

    def __init__(self, socket: web.WebSocketResponse, engine: SmallEngine) -> None:
        self.socket = socket
        self.engine = engine
        self.stream = ""
        self._ear = MarkerDetector()

    async def events(self):
        async for message in self.socket:
            event = orjson.loads(message.data)
            self.engine.frames.append(event)
            if event["event"] == "start":
                self.stream = event["streamSid"]
            yield event

    def heard_in(self, event) -> list[str]:
        if event["event"] != "media":
            return []
        audio = base64.b64decode(event["media"]["payload"])
        return [said.text for said in self._ear.feed(audio) if isinstance(said, Ended)]

    async def send(self, event: str, **more: Any) -> None:
        await self.socket.send_json({"event": event, "streamSid": self.stream} | more)

    async def say(self, text: str) -> int:
        """Queue `text`; how many ms it lasts."""
        audio = encode(text)
        await self.send("media", media={"payload": base64.b64encode(audio).decode()})
        return len(audio) // BYTES_PER_MS

    async def mark(self, name: str) -> None:
        await self.send("mark", mark={"name": name})
