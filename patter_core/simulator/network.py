"""The phone network on loopback: a carrier on a thread of its own, for tests, demos and CI."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import web

from patter_core.clock import SimulatedClock
from patter_core.simulator.audible import need_wheels
from patter_core.simulator.exchange import Exchange, Switch
from patter_core.simulator.faults import Faults
from patter_core.simulator.leg import Leg, LegRecord
from patter_core.simulator.loopback import on_loopback
from patter_core.simulator.own_loop import OnOwnLoop, OwnLoop
from patter_core.simulator.pace import Pace
from patter_core.simulator.twilio.course import carry_until
from patter_core.simulator.twilio.gathering import GatheringSocket
from patter_core.simulator.twilio.rest import Request, Rest
from patter_core.simulator.twilio.webhooks import Callback, WebhookSender

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from patter_core.simulator.callee import Callee

_NOT_UP = "the phone network is not up; open it with `with` or `async with`"
_RING_SEC = 60
_WAIT_SEC = 30.0
"""Only what never comes takes so long; what does come may, where many others use the machine."""
_FIRST_LOOK_SEC = 0.001
_LONGEST_LOOK_SEC = 0.01


class PhoneNetwork(OnOwnLoop):
    """A telephone company that rings simulated callees, speaks Twilio's wire, and can misbehave.

    Open it with `with` or `async with`; it lives on a thread of its own, and everything closes by
    itself. All attributes can be read from any thread, and what they return are snapshots.

    Attributes:
        clock: The time of this network. Only the network moves it; hand it to the phone as well.
        account_sid: The account that requests are made with, and `auth_token` its secret.
        faults: What goes wrong on command.
    """

    def __init__(
        self, *, speed: float | None = None, wall: datetime | None = None, port: int = 0
    ) -> None:
        """Plan a network; nothing is touched before it is entered.

        Args:
            speed: How many times real time it runs; None as fast as computing allows.
            wall: The date and time of day when it starts, aware; now when not given.
            port: Where it listens on 127.0.0.1; 0 finds a free port.
        """
        if speed is not None and speed <= 0:
            raise ValueError("speed is a positive multiple of real time")
        self.clock = SimulatedClock(wall=wall)
        self.account_sid = "AC" + secrets.token_hex(16)
        self.auth_token = secrets.token_hex(16)
        self.faults = Faults()
        self._speed = speed
        self._port = port
        self._switch = Switch(
            account_sid=self.account_sid,
            auth_token=self.auth_token,
            clock=self.clock,
            faults=self.faults,
        )
        self._requests: list[Request] = []
        self._callbacks: list[Callback] = []
        self._url: str | None = None
        self._exchange: Exchange | None = None
        self._loop = OwnLoop("phone-network", self._serve)

    # --- what happened -----------------------------------------------------------------------

    @property
    def api_base_url(self) -> str:
        """Where the REST interface listens, without a trailing slash."""
        if self._url is None:
            raise RuntimeError(_NOT_UP)
        return self._url

    @property
    def legs(self) -> list[Leg]:
        """Every call, whichever way it went, in order."""
        return [leg.snapshot() for leg in tuple(self._switch.legs)]

    @property
    def dials(self) -> list[Leg]:
        """Every call that was created by REST, in order."""
        return [leg for leg in self.legs if leg.direction != "inbound"]

    @property
    def live_legs(self) -> list[Leg]:
        """The calls that have not ended, whichever way they went."""
        return [leg for leg in self.legs if leg.live]

    @property
    def requests(self) -> list[Request]:
        """Every REST request that was received, in the order in which they were dealt with."""
        return list(self._requests)

    @property
    def callbacks(self) -> list[Callback]:
        """Every webhook that was sent, with what was answered, in the order of the answers."""
        return list(self._callbacks)

    @property
    def violations(self) -> list[str]:
        """What was sent that the real company would refuse, or that breaks its rules."""
        return list(self._switch.violations)

    # --- what to do --------------------------------------------------------------------------

    def add(self, number: str, callee: Callee) -> None:
        """Give `number` (E.164) to `callee`. A number that nobody has cannot be reached.

        Raises:
            MissingExtra: The callee is audible, and the extra `local` is not installed.
        """
        need_wheels(callee)
        self._switch.callees[_checked(number)] = callee

    async def ring(
        self,
        to: str,
        from_: str,
        voice_url: str,
        callee: Callee,
        *,
        status_callback: str | None = None,
        time_limit_sec: int = 600,
    ) -> Leg:
        """Let `callee` call the number `to`, and return the call once it is over.

        The network asks `voice_url` what to do, as Twilio does, and connects the audio. No usable
        answer ends the call as "failed", a `<Reject>` as "busy" or "no-answer". Cancelling hangs
        up for the caller.

        Args:
            to: The engine's number, E.164.
            from_: The caller's number, E.164.
            voice_url: Where that number's calls are answered.
            callee: Who calls, and what they say.
            status_callback: Where the end is told; nobody is told when not given.
            time_limit_sec: The carrier ends the call this long after it was answered.

        Raises:
            RuntimeError: The network is not up, or was closed during the call.
            MissingExtra: The callee is audible, and the extra `local` is not installed.
        """
        over = self._ring(to, from_, voice_url, callee, status_callback, time_limit_sec)
        return await asyncio.wrap_future(over)

    def ring_blocking(
        self,
        to: str,
        from_: str,
        voice_url: str,
        callee: Callee,
        *,
        status_callback: str | None = None,
        time_limit_sec: int = 600,
    ) -> Leg:
        """Like `ring`, for code without an event loop."""
        over = self._ring(to, from_, voice_url, callee, status_callback, time_limit_sec)
        try:
            return over.result()
        finally:
            over.cancel()  # Who stops waiting hangs up.

    def _ring(
        self,
        to: str,
        from_: str,
        voice_url: str,
        callee: Callee,
        status_callback: str | None,
        time_limit_sec: int,
    ) -> Future[Leg]:
        exchange, over = self._exchange, Future[Leg]()
        if exchange is None:
            raise RuntimeError(_NOT_UP)
        need_wheels(callee)
        parameters = {"VoiceUrl": [voice_url]}
        if status_callback is not None:
            parameters["StatusCallback"] = [status_callback]
        leg = LegRecord(
            to=_checked(to),
            from_=_checked(from_),
            callee=callee,
            direction="inbound",
            parameters=parameters,
            time_limit_sec=time_limit_sec,
            ring_timeout_sec=_RING_SEC,
            created_at=self.clock.now(),
            updated_at=self.clock.now(),
        )

        def begin() -> None:
            if self._exchange is None:
                over.set_exception(RuntimeError(_NOT_UP))
                return
            exchange.switch.legs.append(leg)
            exchange.tasks.create_task(carry_until(over, exchange, leg))

        def hang_up() -> None:
            leg.hang_up(self.clock.now())

        self._loop.call_soon(begin)
        over.add_done_callback(lambda _: self._loop.call_soon(hang_up))
        return over

    async def until(
        self, predicate: Callable[[], object], timeout_sec: float = _WAIT_SEC, *, what: str = ""
    ) -> None:
        """Wait, in real time, until `predicate()` is true.

        Raises:
            TimeoutError: It was not within `timeout_sec`; says `what` was waited for.
        """
        give_up_at, look_sec = time.monotonic() + timeout_sec, _FIRST_LOOK_SEC
        while not predicate():
            if time.monotonic() > give_up_at:
                raise self._waited_too_long(timeout_sec, what)
            await asyncio.sleep(look_sec)
            look_sec = min(look_sec * 1.5, _LONGEST_LOOK_SEC)

    def wait_until(
        self, predicate: Callable[[], object], timeout_sec: float = _WAIT_SEC, *, what: str = ""
    ) -> None:
        """Like `until`, for code without an event loop."""
        give_up_at, look_sec = time.monotonic() + timeout_sec, _FIRST_LOOK_SEC
        while not predicate():
            if time.monotonic() > give_up_at:
                raise self._waited_too_long(timeout_sec, what)
            time.sleep(look_sec)
            look_sec = min(look_sec * 1.5, _LONGEST_LOOK_SEC)

    def _waited_too_long(self, timeout_sec: float, what: str) -> TimeoutError:
        legs = ", ".join(leg.status for leg in self.legs) or "none"
        return TimeoutError(
            f"waited {timeout_sec:g} s for {what or 'a condition'}; calls: {legs}; "
            f"simulated time: {self.clock.now():.2f} s; violations: {self.violations or 'none'}"
        )

    # --- the thread --------------------------------------------------------------------------

    async def _serve(self, ready: Callable[[], None], stop: asyncio.Event) -> None:
        """Be up from `ready` until `stop`."""
        pace = Pace(self.clock, self._speed)
        rest = Rest(self._requests)
        server = web.Server(rest.answer, handler_cancellation=True, access_log=None)
        runner = web.ServerRunner(server, handle_signals=False, shutdown_timeout=0.1)
        try:
            async with (
                on_loopback(runner, self._port) as self._url,
                aiohttp.ClientSession(
                    connector=aiohttp.TCPConnector(limit=0), ws_response_class=GatheringSocket
                ) as http,
            ):
                sender = WebhookSender(http, self.auth_token, pace, self._callbacks)
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(pace.run())
                    tasks.create_task(self._end_all_after(stop))
                    self._exchange = Exchange(
                        switch=self._switch, pace=pace, http=http, sender=sender, tasks=tasks
                    )
                    rest.open(self._exchange)
                    ready()
        except* _Stopped:
            pass

    async def _end_all_after(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._exchange = None
        raise _Stopped


class _Stopped(Exception):
    """Ends everything that goes on, when the network is told to stop."""


def _checked(number: str) -> str:
    if not re.fullmatch(r"\+[1-9][0-9]{6,14}", number):
        raise ValueError("a number is E.164: + and digits")
    return number
