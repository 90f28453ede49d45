"""The course of one call: dialled, ringing, answered, carried out, ended and told about."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from concurrent.futures import InvalidStateError
from typing import TYPE_CHECKING

from patter_core.errors import ConfigError
from patter_core.simulator.audible import pick_up
from patter_core.simulator.twilio import twiml
from patter_core.simulator.twilio.instructions import Instructions
from patter_core.simulator.twilio.telling import Telling
from patter_core.simulator.twilio.webhooks import Webhook

if TYPE_CHECKING:
    from concurrent.futures import Future

    from patter_core.simulator.exchange import Exchange
    from patter_core.simulator.leg import EndedBy, Leg, LegRecord, Status

_log = logging.getLogger(__name__)

_DIAL_SEC = 0.2
_SETUP_SEC = 0.3


class Course:
    """Carries one call from its creation to its last callback."""

    def __init__(self, exchange: Exchange, leg: LegRecord) -> None:
        """Take `leg` on; `run` carries it."""
        self._exchange = exchange
        self._switch = exchange.switch
        self._clock = exchange.switch.clock
        self._leg = leg
        self._telling = Telling(exchange, leg)
        self._instructions = Instructions(exchange, leg, self._telling)

    async def run(self) -> None:
        """Carry the call until it has ended and everybody was told."""
        leg = self._leg
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                begin = self._ask_and_answer if leg.direction == "inbound" else self._progress
                progress = tasks.create_task(begin())
                limit = tasks.create_task(self._keep_time_limit())
                await leg.over.wait()
                progress.cancel()
                limit.cancel()
        except* ConfigError as problems:
            # What they should say or hear cannot be said or heard; only now a dictionary was asked.
            for problem in problems.exceptions:
                self._switch.violation(f"the callee of call {leg.sid} cannot talk: {problem}")
            self._end("failed", "callee")
        except* Exception:  # noqa: BLE001 - see below
            # A mistake of the simulator must show as a failed call, not as a stopped clock.
            _log.exception("call %s broke the simulator", leg.sid)
            self._switch.violation(f"the simulator itself failed in call {leg.sid}; see its log")
            self._end("failed", "network")
        finally:
            leg.over.set()
            if leg.handset is not None:
                leg.handset.put_down()
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
        await self._pick_up()
        extra = await self._detect_machine()
        if "Twiml" in leg.parameters:
            answer = leg.parameter("Twiml")
        else:
            url, method = leg.parameter("Url"), leg.parameter("Method", "POST")
            answer = await self._instructions.ask(url, method, extra) or ""
        self._tell_soon("answered")
        await self._instructions.carry_out(answer)

    async def _pick_up(self) -> None:
        leg = self._leg
        if leg.callee.voice is None:
            leg.handset = await pick_up(leg.callee)
        else:
            with self._exchange.pace.standing_still():
                leg.handset = await pick_up(leg.callee)
        leg.answered_at = self._clock.now()
        leg.move("in-progress", leg.answered_at)
        leg.limit_changed.set()

    async def _ask_and_answer(self) -> None:
        """Somebody calls the engine's number: ask it what to do, and answer unless it says no."""
        leg = self._leg
        leg.started_at = self._clock.now()
        leg.move("ringing", leg.started_at)
        document = await self._instructions.ask(leg.parameter("VoiceUrl"))
        if document is None:
            self._end("failed", "network")
            return
        match self._instructions.verbs(document):
            case [twiml.Reject(reason), *_]:
                self._end("busy" if reason == "busy" else "no-answer", "instructions")
            case _:
                await self._pick_up()
                await self._instructions.carry_out(document)
                self._end("completed", "instructions")

    async def _detect_machine(self) -> dict[str, str]:
        """Start machine detection; what a blocking one adds to the answer request."""
        leg = self._leg
        mode = leg.parameter("MachineDetection")
        if not mode or "SendDigits" in leg.parameters or leg.handset is None:
            return {}
        verdict, after_sec = leg.handset.verdict(mode)
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

    # --- the end -----------------------------------------------------------------------------

    def _end(self, status: Status, ended_by: EndedBy) -> None:
        self._leg.end(status, ended_by, self._clock.now())

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


async def carry_until(over: Future[Leg], exchange: Exchange, leg: LegRecord) -> None:
    """Carry `leg`, and give it to `over` once it has ended and everybody was told."""
    closed = RuntimeError("the phone network was closed during the call")
    try:
        await Course(exchange, leg).run()
    finally:
        # Whoever waits may stop waiting at any moment.
        with contextlib.suppress(InvalidStateError):
            if leg.live:
                over.set_exception(closed)
            else:
                over.set_result(leg.snapshot())
