"""The phone network on loopback: a carrier on a thread of its own, for tests, demos and CI."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from typing import TYPE_CHECKING, Self

import aiohttp
from aiohttp import web

from patter_core.clock import SimulatedClock
from patter_core.simulator.exchange import Exchange, Switch
from patter_core.simulator.faults import Faults
from patter_core.simulator.own_loop import OwnLoop
from patter_core.simulator.pace import Pace
from patter_core.simulator.twilio.gathering import GatheringSocket
from patter_core.simulator.twilio.rest import Request, Rest
from patter_core.simulator.twilio.webhooks import Callback, WebhookSender

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from types import TracebackType

    from patter_core.simulator.callee import Callee
    from patter_core.simulator.leg import Leg

_FIRST_LOOK_SEC = 0.001
_LONGEST_LOOK_SEC = 0.01


class PhoneNetwork:
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
        self._loop = OwnLoop("phone-network", self._serve)

    def __enter__(self) -> Self:
        self._loop.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.stop()

    async def __aenter__(self) -> Self:
        await self._loop.start_async()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._loop.stop_async()

    # --- what happened -----------------------------------------------------------------------

    @property
    def api_base_url(self) -> str:
        """Where the REST interface listens, without a trailing slash."""
        if self._url is None:
            raise RuntimeError("the phone network is not up; open it with `with` or `async with`")
        return self._url

    @property
    def dials(self) -> list[Leg]:
        """Every call that was created, in order."""
        return [leg.snapshot() for leg in tuple(self._switch.legs)]

    @property
    def live_legs(self) -> list[Leg]:
        """The calls that have not ended."""
        return [leg for leg in self.dials if leg.live]

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
        """Give `number` (E.164) to `callee`. A number that nobody has cannot be reached."""
        if not re.fullmatch(r"\+[1-9][0-9]{6,14}", number):
            raise ValueError("a number is E.164: + and digits")
        self._switch.callees[number] = callee

    async def until(
        self, predicate: Callable[[], object], timeout_sec: float = 5.0, *, what: str = ""
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
        self, predicate: Callable[[], object], timeout_sec: float = 5.0, *, what: str = ""
    ) -> None:
        """Like `until`, for code without an event loop."""
        give_up_at, look_sec = time.monotonic() + timeout_sec, _FIRST_LOOK_SEC
        while not predicate():
            if time.monotonic() > give_up_at:
                raise self._waited_too_long(timeout_sec, what)
            time.sleep(look_sec)
            look_sec = min(look_sec * 1.5, _LONGEST_LOOK_SEC)

    def _waited_too_long(self, timeout_sec: float, what: str) -> TimeoutError:
        legs = ", ".join(leg.status for leg in self.dials) or "none"
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
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", self._port)
            await site.start()
            host, port = runner.addresses[0][:2]
            self._url = f"http://{host}:{port}"
            connector = aiohttp.TCPConnector(limit=0)
            async with aiohttp.ClientSession(
                connector=connector, ws_response_class=GatheringSocket
            ) as http:
                sender = WebhookSender(http, self.auth_token, pace, self._callbacks)
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(pace.run())
                    tasks.create_task(_end_all_after(stop))
                    rest.open(
                        Exchange(
                            switch=self._switch, pace=pace, http=http, sender=sender, tasks=tasks
                        )
                    )
                    ready()
        except* _Stopped:
            pass
        finally:
            await runner.cleanup()


class _Stopped(Exception):
    """Ends everything that goes on, when the network is told to stop."""


async def _end_all_after(stop: asyncio.Event) -> None:
    await stop.wait()
    raise _Stopped
