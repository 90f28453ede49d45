"""Everything that is open while a phone is: its thread, its server, its ledger, its calls."""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import weakref
from concurrent.futures import Future
from contextlib import AsyncExitStack, aclosing
from typing import TYPE_CHECKING

from patter_core.calls.number_facts import facts_of
from patter_core.home_loop import HomeLoop
from patter_core.http_session import WorkerResolver, open_http_session
from patter_core.library_logs import private
from patter_core.pipeline.resources import Resources
from patter_core.server.app import bind, serving
from patter_core.switchboard.call_tools import Toolbox
from patter_core.switchboard.desk import Desk
from patter_core.switchboard.exchange import Exchange
from patter_core.switchboard.pace import pace_of
from patter_core.switchboard.recordings import Recordings
from patter_core.switchboard.recover import recover
from patter_core.switchboard.slots import Slots
from patter_core.tools.breaker import BreakerBoard
from patter_core.tools.webhook import Webhooks
from patter_core.watchdog import Watchdog
from patter_core.workers import Workers

if TYPE_CHECKING:
    import socket

    from patter_core.phone_settings import PhoneSettings

_log = logging.getLogger(__name__)

_RESOLVER_THREADS = 4
_CLOSING_MARGIN_SEC = 5.0


class OpenPhone:
    """One opening of a phone: made, opened once, closed once.

    Attributes:
        home: The engine's thread and loop.
        opened: Done when it listens; failed with the reason when it cannot be opened.
    """

    def __init__(self, settings: PhoneSettings) -> None:
        """Store what to open."""
        self._settings = settings
        self.home = HomeLoop()
        self.opened: Future[None] = Future()
        self.opened.set_running_or_notify_cancel()
        self._closing: asyncio.Event | None = None
        self._process = os.getpid()
        self._desk: Desk | None = None
        self._address = ""

    def open(self) -> None:
        """Begin to open; `opened` tells how that went."""
        self._over = self.home.run(self._live)
        _open_phones.add(self)

    @property
    def desk(self) -> Desk:
        """Who takes orders. Only once opened."""
        if self._desk is None:
            raise AssertionError("A desk is there once the phone is open")
        return self._desk

    @property
    def address(self) -> str:
        """Where it listens, as a URL of this machine."""
        return self._address

    @property
    def usable(self) -> bool:
        """Whether it is open, or opening, in this process (a forked child has no such thread)."""
        return (
            not self._over.done()
            and self._process == os.getpid()
            and not (self.opened.done() and self.opened.exception() is not None)
        )

    def begin_closing(self) -> Future[None]:
        """Take no more calls, end the live ones, then close; the future is done when closed."""
        self.home.post(self._close)
        return self._over

    async def close(self) -> None:
        """End live calls and close; bounded, whatever a provider does with its cancellation."""
        over = asyncio.wrap_future(self.begin_closing())
        if not (await asyncio.wait([over], timeout=self._closing_sec))[0]:
            _log.error("The phone did not close in time")

    def close_at_exit(self) -> None:
        """Close while the interpreter ends; bounded, and never in a forked child."""
        if self._process == os.getpid() and not self._over.done():
            self.begin_closing()
            if not self.home.wait_over(self._closing_sec):
                _log.error("The phone did not close in time")

    @property
    def _closing_sec(self) -> float:
        return self._settings.limits.drain_sec + _CLOSING_MARGIN_SEC

    def _close(self) -> None:
        if self._closing is not None:
            self._closing.set()

    # --- on the engine's loop ----------------------------------------------------------------

    async def _live(self) -> None:
        """The parent of everything: opens, waits to be closed, drains, closes."""
        self._closing = asyncio.Event()
        self._settings.clock.join(asyncio.get_running_loop())
        try:
            async with AsyncExitStack() as stack:
                desk = await self._open_rooms(stack)
                self._desk = desk
                self.opened.set_result(None)
                _log.info("The phone listens at %s", self._address)
                await self._closing.wait()
                await desk.drain(self._settings.limits.drain_sec)
        except BaseException as error:
            if self.opened.done():
                _log.exception("The phone failed while it was open")
                raise
            self.opened.set_exception(error)
        finally:
            _open_phones.discard(self)

    async def _open_rooms(self, stack: AsyncExitStack) -> Desk:
        settings = self._settings
        if not settings.carrier.simulated:
            # libphonenumber is loaded now, while there is no audio that would wait for it.
            facts_of(settings.phone_number)
        stack.enter_context(private(settings.redaction))
        listener = bind(settings.host, settings.port)
        stack.callback(listener.close)
        self._address = _address_of(listener)
        watchdog = Watchdog(self.home, stall_sec=settings.limits.stall_sec)
        watchdog.start()
        stack.callback(watchdog.stop)
        workers = Workers("patter-resolver", threads=_RESOLVER_THREADS)
        workers.start()
        stack.callback(workers.release)
        http = await stack.enter_async_context(open_http_session(workers))
        await settings.ledger.open()
        stack.push_async_callback(settings.ledger.aclose)
        webhooks = Webhooks(
            settings.url_guard(),
            max_bytes=settings.limits.tool_result_bytes,
            resolver=WorkerResolver(workers),
        )
        await stack.enter_async_context(webhooks)
        resources = Resources(http=http, clock=settings.clock)
        await stack.enter_async_context(aclosing(resources))
        behind_sec = settings.limits.recording_behind_sec
        recordings = stack.enter_context(Recordings(settings.recordings, behind_sec=behind_sec))
        exchange = Exchange(
            carrier=settings.carrier,
            line=settings.carrier.line(http, settings.clock, settings.limits),
            phone_number=settings.phone_number,
            public_url=settings.public_url or self._address,
            policy=settings.policy,
            ledger=settings.ledger,
            clock=settings.clock,
            limits=settings.limits,
            slots=Slots(
                settings.max_concurrent_calls,
                queue_length=settings.limits.queue_length,
                clock=settings.clock,
            ),
            pace=pace_of(settings.carrier, settings.clock),
            guests=settings.guests,
            redaction=settings.redaction,
            resources=resources,
            recordings=recordings,
            toolbox=Toolbox(
                dependencies=settings.dependencies,
                board=BreakerBoard(
                    threshold=settings.breaker_threshold,
                    cooldown_sec=settings.breaker_cooldown_sec,
                ),
                webhooks=webhooks,
            ),
        )
        stack.callback(settings.guests.stop)
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        desk = Desk(exchange, tasks)
        await stack.enter_async_context(serving(listener, desk))
        await recover(exchange)
        return desk


def _address_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104 - compared, not bound
    return f"http://{shown}:{port}"


_open_phones: weakref.WeakSet[OpenPhone] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    """The interpreter ends: whoever is still on a line is hung up first."""
    phones = list(_open_phones)
    for phone in phones:
        phone.begin_closing()
    for phone in phones:
        phone.close_at_exit()
