"""A hand on one call, usable from any loop and any thread."""

from __future__ import annotations

import asyncio
import contextlib
from concurrent.futures import Future
from typing import TYPE_CHECKING

from patter_core.audio import dtmf
from patter_core.calls.events import CallEnded
from patter_core.calls.result import CallResult, phone_closed
from patter_core.errors import ArgumentError, PhoneClosed, TransferRefused

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from patter_core.calls.events import ProgressEvent
    from patter_core.home_loop import HomeLoop
    from patter_core.switchboard.desk import Desk
    from patter_core.switchboard.operator import Operator
    from patter_core.switchboard.order import Order

_LOOK_EVERY_SEC = 0.25
"""How often it is looked, in real time, whether the loop that awaits a call was closed."""


class LiveCall:
    """A call that was asked for: watch it, take part in it, end it, fetch its result.

    Whoever holds one counts as waiting for the call until `hang_up` or `leave`.
    """

    def __init__(self, to: str, home: HomeLoop) -> None:
        """A call to `to` that nobody was asked for yet. Made by the phone."""
        self._to = to
        self._home = home
        self._operator: Operator | None = None
        self._outcome: Future[CallResult] = Future()
        self._outcome.set_running_or_notify_cancel()
        self._settled: Future[None] = Future()
        self._settled.set_running_or_notify_cancel()
        self._left = False

    def place(self, order: Order, desk: Desk) -> None:
        """Ask for the call, once. Returns at once.

        Orders and everything after them reach the engine's loop in the order of posting, so a
        call that is left at once is still asked for first, and then cancelled.
        """
        if not self._home.post(self._ask, order, desk):
            self.finish(phone_closed(self._to))

    def leave_with(self, loop: asyncio.AbstractEventLoop) -> None:
        """Leave as soon as `loop` is closed: nothing on it is cancelled then, or told anything."""
        self._home.post(self._look_at, loop)

    def finish(self, result: CallResult) -> None:
        """Give the result: that of the call, or of one that there was nothing to place for."""
        self._settle()
        self._outcome.set_result(result)

    @property
    def call_id(self) -> str:
        """Patter's id; "" until the call has one."""
        return self._operator.call_id if self._operator is not None else ""

    @property
    def done(self) -> bool:
        """Whether the result is there."""
        return self._outcome.done()

    async def result(self) -> CallResult:
        """Wait for the result. Cancelling the wait leaves the call as it is."""
        return await asyncio.wrap_future(self._outcome)

    def result_blocking(self, timeout_sec: float | None = None) -> CallResult:
        """Like `result`, for a thread without a loop.

        Raises:
            TimeoutError: It was not there in time.
        """
        return self._outcome.result(timeout_sec)

    async def settled(self) -> None:
        """Wait until the intent is written, or the call is over without one."""
        await asyncio.wrap_future(self._settled)

    async def events(self) -> AsyncIterator[ProgressEvent]:
        """Everything that happens, from the beginning on; ends with `CallEnded`."""
        loop = asyncio.get_running_loop()
        arrived: asyncio.Queue[ProgressEvent] = asyncio.Queue()

        def forward(event: ProgressEvent) -> None:
            with contextlib.suppress(RuntimeError):  # The loop that listened is closed.
                loop.call_soon_threadsafe(arrived.put_nowait, event)

        self.listen(forward)
        try:
            while True:
                event = await arrived.get()
                yield event
                if isinstance(event, CallEnded):
                    return
        finally:
            self._home.post(self._unlisten, forward)

    def listen(self, listener: Callable[[ProgressEvent], None]) -> None:
        """Call `listener` on the engine's thread with every event; it must return at once."""
        if not self._home.post(self._listen, listener) and self.done:
            listener(CallEnded(call_id=self.call_id, result=self._outcome.result()))

    async def say(self, text: str) -> bool:
        """Have the agent say `text` next, in these words; whether the call was live to hear it."""
        said: Future[bool] = Future()
        said.set_running_or_notify_cancel()
        if not self._home.post(lambda: said.set_result(self._say(text))):
            return False
        return await asyncio.wrap_future(said)

    async def send_digits(self, digits: str) -> bool:
        """Press keys, after what is being said; whether the call was live to press them on.

        Raises:
            ArgumentError: Something is no key: 0-9, A-D, * and #; w waits half a second, W one.
        """
        if not (digits and all(digit.upper() in dtmf.KEYS or digit in "wW" for digit in digits)):
            raise ArgumentError("digits", "'digits' must be of 0-9, A-D, *, # and the pauses w, W")
        pressed: Future[bool] = Future()
        pressed.set_running_or_notify_cancel()
        if not self._home.post(lambda: pressed.set_result(self._send_digits(digits))):
            return False
        return await asyncio.wrap_future(pressed)

    async def transfer(self, number: str) -> None:
        """Hand the call over to `number`, E.164, with which our part of it ends.

        It must be one that the agent may transfer to, and one that the dial policy lets be rung.

        Raises:
            TransferRefused: It was not handed over; says why.
        """
        if self._operator is None:
            raise TransferRefused("There is no call to hand over")
        try:
            handed_over = self._home.submit(self._operator.transfer, number)
        except PhoneClosed as error:
            raise TransferRefused("The call is over") from error
        await asyncio.wrap_future(handed_over)

    async def hang_up(self) -> None:
        """End the call: `canceled`, whoever else waits for it. Safe to repeat."""
        self._home.post(self._cancel)

    def leave(self) -> None:
        """Wait no more; a call that nobody waits for is ended. From any thread; safe to repeat."""
        self._home.post(self._leave)

    def snapshot(self) -> CallResult:
        """The call as it is now, `in_progress` unless it is over."""
        if self._outcome.done():
            return self._outcome.result()
        if self._operator is None:
            return CallResult(call_id="", status="in_progress", to=self._to)
        return self._operator.snapshot()

    # --- on the engine's loop ----------------------------------------------------------------

    def _ask(self, order: Order, desk: Desk) -> None:
        placed = desk.place(order)
        if isinstance(placed, CallResult):
            self.finish(placed)
            return
        self._operator = placed
        joined = placed.order is not order
        placed.join()
        placed.settled.add_done_callback(lambda _: self._settle())
        placed.result.add_done_callback(
            lambda future: self.finish(future.result().as_replay() if joined else future.result())
        )

    def _settle(self) -> None:
        if not self._settled.done():
            self._settled.set_result(None)

    def _listen(self, listener: Callable[[ProgressEvent], None]) -> None:
        if self._operator is not None:
            self._operator.audience.join(listener)
        elif self.done:
            listener(CallEnded(call_id="", result=self._outcome.result()))

    def _unlisten(self, listener: Callable[[ProgressEvent], None]) -> None:
        if self._operator is not None:
            self._operator.audience.leave(listener)

    def _say(self, text: str) -> bool:
        return self._operator is not None and self._operator.say(text)

    def _send_digits(self, digits: str) -> bool:
        return self._operator is not None and self._operator.send_digits(digits)

    def _leave(self) -> None:
        if self._operator is not None and not self._left:
            self._left = True
            self._operator.leave()

    def _look_at(self, loop: asyncio.AbstractEventLoop) -> None:
        if self.done or self._left:
            return
        if loop.is_closed():
            self._leave()
            return
        asyncio.get_running_loop().call_later(_LOOK_EVERY_SEC, self._look_at, loop)

    def _cancel(self) -> None:
        if self._operator is not None:
            self._operator.cancel()
