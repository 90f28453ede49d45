"""What the answer to a call tells the network to do: its TwiML, carried out."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, cast

import aiohttp
from yarl import URL

from patter_core.simulator.twilio import twiml
from patter_core.simulator.twilio.media import MediaStream
from patter_core.simulator.twilio.signature import signature
from patter_core.simulator.twilio.webhooks import Webhook, WebhookAnswer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from patter_core.simulator.exchange import Exchange
    from patter_core.simulator.leg import EndedBy, LegRecord
    from patter_core.simulator.twilio.gathering import GatheringSocket
    from patter_core.simulator.twilio.telling import Telling

_log = logging.getLogger(__name__)

_CONNECT_SEC = 10.0
_DROPPED_SEC = 2.0
_TRANSFERRED_SEC = 10.0
_XML = {"text/xml", "application/xml", "text/html"}


class Instructions:
    """Asks what to do with one call, and does it. Ends nothing but what the callee ends."""

    def __init__(self, exchange: Exchange, leg: LegRecord, telling: Telling) -> None:
        """Serve `leg`."""
        self._exchange = exchange
        self._switch = exchange.switch
        self._clock = exchange.switch.clock
        self._leg = leg
        self._telling = telling

    async def ask(
        self, url: str, method: str = "POST", extra: Mapping[str, str] | None = None
    ) -> str | None:
        """The TwiML at `url`, or at the fallback; None when there is none to be had."""
        form = self._telling.basics() | dict(extra or {})
        answer = await self._exchange.sender.send(
            Webhook(kind="answer", url=url, form=form, method=method)
        )
        if _failed(answer) and (fallback := self._leg.parameter("FallbackUrl")):
            method = self._leg.parameter("FallbackMethod", "POST")
            answer = await self._exchange.sender.send(
                Webhook(kind="answer", url=fallback, form=form, method=method)
            )
        if _failed(answer):
            return None
        if answer.content_type not in _XML:
            self._switch.violation(f"TwiML was answered as {answer.content_type}")
            return None
        return answer.body

    async def carry_out(self, document: str) -> None:
        """Do what `document` says, and what redirects say instead while it is done."""
        pending: str | None = document
        while pending is not None:
            verbs = self.verbs(pending)
            async with asyncio.TaskGroup() as tasks:
                doing = tasks.create_task(self._do(verbs))
                watch = tasks.create_task(self._leg.redirected.wait())
                await asyncio.wait([doing, watch], return_when=asyncio.FIRST_COMPLETED)
                doing.cancel()
                watch.cancel()
            self._leg.redirected.clear()
            pending, self._leg.redirect = self._leg.redirect, None
            if pending is not None and not pending.lstrip().startswith("<"):
                pending = await self.ask(pending) or ""

    def verbs(self, document: str) -> list[twiml.Verb]:
        """What `document` says, in order; nothing when it cannot be carried out."""
        if not document:
            return []
        try:
            return twiml.parse(document)
        except twiml.BadTwiml as error:
            self._switch.violation(str(error))
            return []

    async def _do(self, verbs: list[twiml.Verb]) -> None:
        for position, verb in enumerate(verbs):
            match verb:
                case twiml.ConnectStream():
                    await self._stream(verb)
                case twiml.Pause(seconds):
                    await self._clock.sleep(seconds)
                case twiml.PlayDigits(digits):
                    await self._clock.sleep(0.5 * len(digits))
                case twiml.Dial(number):
                    self._leg.transferred_to.append(number)
                    if number in self._switch.callees:
                        await self._clock.sleep(_TRANSFERRED_SEC)
                case twiml.Reject() if position > 0:
                    self._switch.violation("<Reject> can only come first")
                    return
                case twiml.Hangup() | twiml.Reject():
                    return

    # --- media -------------------------------------------------------------------------------

    async def _stream(self, connect: twiml.ConnectStream) -> None:
        """Connect the media socket and carry audio until the other side closes it."""
        leg, fault = self._leg, self._switch.faults.strike("media")
        leg.stream_parameters = dict(connect.parameters)
        if fault is not None and fault.kind == "never_connects":
            return
        with self._exchange.pace.outstanding():
            socket = await self._connect(connect.url)
        if socket is None or leg.handset is None:
            return
        stream = MediaStream(
            socket,
            leg,
            leg.handset,
            account_sid=self._switch.account_sid,
            hang_up=lambda: self._end("callee"),
            violation=self._switch.violation,
            fault=fault.kind if fault is not None else "",
        )
        dropped = False
        try:
            if fault is not None and fault.kind == "no_start":
                await stream.read()
                return
            await stream.begin(connect.parameters)
            with self._exchange.pace.streaming(stream):
                if fault is None or fault.kind != "dropped":
                    await stream.read()
                    return
                dropped = True
                await self._read_until_dropped(stream)
        except (aiohttp.ClientError, ConnectionError) as error:
            _log.info("call %s lost its media socket: %s", leg.sid, type(error).__name__)
        finally:
            if dropped:
                stream.abort()
            with self._exchange.pace.outstanding():
                await stream.finish()

    async def _read_until_dropped(self, stream: MediaStream) -> None:
        try:
            async with self._clock.timeout(_DROPPED_SEC):
                await stream.read()
        except TimeoutError:
            stream.abort()
            self._end("network")

    async def _connect(self, url: str) -> GatheringSocket | None:
        headers = {
            "X-Twilio-Signature": signature(url, {}, self._switch.auth_token),
            "User-Agent": "Twilio.TmeWs/1.0",
        }
        try:
            async with asyncio.timeout(_CONNECT_SEC):
                socket = await self._exchange.http.ws_connect(
                    URL(url, encoded=True),
                    headers=headers,
                    autoping=False,
                    max_msg_size=16 * 1024 * 1024,
                )
                return cast("GatheringSocket", socket)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            _log.info("call %s: no media socket: %s", self._leg.sid, type(error).__name__)
            return None

    def _end(self, ended_by: EndedBy) -> None:
        self._leg.end("completed", ended_by, self._clock.now())


def _failed(answer: WebhookAnswer) -> bool:
    return answer.status is None or not 200 <= answer.status < 300
