"""The course of one call: dialled, ringing, answered, carried out, ended and told about."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, cast

import aiohttp
from yarl import URL

from patter_core.simulator.callee import Handset
from patter_core.simulator.twilio import twiml
from patter_core.simulator.twilio.media import MediaStream
from patter_core.simulator.twilio.signature import signature
from patter_core.simulator.twilio.telling import Telling
from patter_core.simulator.twilio.webhooks import Webhook, WebhookAnswer

if TYPE_CHECKING:
    from patter_core.simulator.exchange import Exchange
    from patter_core.simulator.leg import LegRecord
    from patter_core.simulator.twilio.gathering import GatheringSocket

_log = logging.getLogger(__name__)

_DIAL_SEC = 0.2
_SETUP_SEC = 0.3
_CONNECT_SEC = 10.0
_DROPPED_SEC = 2.0
_TRANSFERRED_SEC = 10.0
_XML = {"text/xml", "application/xml", "text/html"}


class Course:
    """Carries one call from its creation to its last callback."""

    def __init__(self, exchange: Exchange, leg: LegRecord) -> None:
        """Take `leg` on; `run` carries it."""
        self._exchange = exchange
        self._switch = exchange.switch
        self._clock = exchange.switch.clock
        self._leg = leg
        self._telling = Telling(exchange, leg)

    async def run(self) -> None:
        """Carry the call until it has ended and everybody was told."""
        leg = self._leg
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                progress = tasks.create_task(self._progress())
                limit = tasks.create_task(self._keep_time_limit())
                await leg.over.wait()
                progress.cancel()
                limit.cancel()
        except ExceptionGroup:
            # A mistake of the simulator must show as a failed call, not as a stopped clock.
            _log.exception("call %s broke the simulator", leg.sid)
            self._switch.violation(f"the simulator itself failed in call {leg.sid}; see its log")
            self._end("failed", "network")
        finally:
            leg.over.set()
        webhook = self._telling.progress("completed")
        if webhook is not None:
            await self._telling.send(webhook)
        await self._telling.send_held_back()

    # --- before the answer -------------------------------------------------------------------

    async def _progress(self) -> None:
        leg, callee = self._leg, self._leg.callee
        await self._clock.sleep(_DIAL_SEC)
        leg.started_at = self._clock.now()
        self._tell_soon("initiated", status="initiated")
        await self._clock.sleep(_SETUP_SEC)
        if callee.behave == "unreachable":
            self._end("failed", "network")
            return
        leg.move("ringing", self._clock.now())
        self._tell_soon("ringing")
        if callee.behave == "no_answer" or callee.rings_sec >= leg.ring_timeout_sec:
            await self._clock.sleep(leg.ring_timeout_sec)
            self._end("no-answer", "network")
            return
        await self._clock.sleep(callee.rings_sec)
        if callee.behave == "busy":
            self._end("busy", "callee")
            return
        await self._answered()
        self._end("completed", "instructions")

    async def _answered(self) -> None:
        leg = self._leg
        leg.answered_at = self._clock.now()
        leg.handset = Handset(leg.callee)
        leg.move("in-progress", leg.answered_at)
        leg.limit_changed.set()
        extra = await self._detect_machine()
        if "Twiml" in leg.parameters:
            answer = leg.parameter("Twiml")
        else:
            answer = await self._ask(leg.parameter("Url"), leg.parameter("Method", "POST"), extra)
        self._tell_soon("answered")
        await self._carry_out(answer)

    async def _detect_machine(self) -> dict[str, str]:
        """Start machine detection; what a blocking one adds to the answer request."""
        leg = self._leg
        mode = leg.parameter("MachineDetection")
        if not mode or "SendDigits" in leg.parameters:
            return {}
        verdict, after_sec = leg.callee.verdict(mode)
        if leg.parameter("AsyncAmd") == "true":
            self._tasks.create_task(self._tell_verdict(verdict, after_sec))
            return {}
        await self._clock.sleep(after_sec)
        leg.answered_by = verdict
        return {"AnsweredBy": verdict, "MachineDetectionDuration": str(round(after_sec * 1_000))}

    async def _tell_verdict(self, verdict: str, after_sec: float) -> None:
        leg = self._leg
        try:
            async with self._clock.timeout(after_sec):
                await leg.over.wait()
        except TimeoutError:
            pass
        else:
            return
        leg.answered_by = verdict
        url = leg.parameter("AsyncAmdStatusCallback")
        if url:
            form = {
                "CallSid": leg.sid,
                "AccountSid": self._switch.account_sid,
                "AnsweredBy": verdict,
                "MachineDetectionDuration": str(round(after_sec * 1_000)),
            }
            method = leg.parameter("AsyncAmdStatusCallbackMethod", "POST")
            await self._telling.send(Webhook(kind="machine", url=url, form=form, method=method))

    # --- the answer's instructions -----------------------------------------------------------

    async def _ask(self, url: str, method: str, extra: dict[str, str]) -> str:
        """The TwiML at `url`, or at the fallback; "" when there is none to be had."""
        form = self._telling.basics() | extra
        answer = await self._exchange.sender.send(
            Webhook(kind="answer", url=url, form=form, method=method)
        )
        if _failed(answer) and (fallback := self._leg.parameter("FallbackUrl")):
            method = self._leg.parameter("FallbackMethod", "POST")
            answer = await self._exchange.sender.send(
                Webhook(kind="answer", url=fallback, form=form, method=method)
            )
        if _failed(answer):
            return ""
        if answer.content_type not in _XML:
            self._switch.violation(f"TwiML was answered as {answer.content_type}")
            return ""
        return answer.body

    async def _carry_out(self, document: str) -> None:
        """Do what `document` says, and what redirects say instead while it is done."""
        pending: str | None = document
        while pending is not None:
            verbs = self._verbs(pending)
            async with asyncio.TaskGroup() as tasks:
                doing = tasks.create_task(self._do(verbs))
                watch = tasks.create_task(self._leg.redirected.wait())
                await asyncio.wait([doing, watch], return_when=asyncio.FIRST_COMPLETED)
                doing.cancel()
                watch.cancel()
            self._leg.redirected.clear()
            pending, self._leg.redirect = self._leg.redirect, None
            if pending is not None and not pending.lstrip().startswith("<"):
                pending = await self._ask(pending, "POST", {})

    def _verbs(self, document: str) -> list[twiml.Verb]:
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
            hang_up=lambda: self._end("completed", "callee"),
            violation=self._switch.violation,
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
            self._end("completed", "network")

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

    # --- the end -----------------------------------------------------------------------------

    def _end(self, status: str, ended_by: str) -> None:
        self._leg.end(status, ended_by, self._clock.now())  # type: ignore[arg-type]

    def _tell_soon(self, event: str, status: str | None = None) -> None:
        webhook = self._telling.progress(event, status)
        if webhook is not None:
            self._tasks.create_task(self._telling.send(webhook))

    async def _keep_time_limit(self) -> None:
        """End the call when it has been up for as long as it may."""
        leg = self._leg
        while True:
            leg.limit_changed.clear()
            remaining: float | None = None
            if leg.answered_at is not None and leg.time_limit_sec is not None:
                remaining = leg.answered_at + leg.time_limit_sec - self._clock.now()
                if remaining <= 0:
                    self._end("completed", "time_limit")
                    return
            try:
                async with self._clock.timeout(remaining):
                    await leg.limit_changed.wait()
            except TimeoutError:
                pass


def _failed(answer: WebhookAnswer) -> bool:
    return answer.status is None or not 200 <= answer.status < 300
