"""Who hears of one call while it goes on, and the wait for its result meanwhile."""

from __future__ import annotations

import asyncio
import inspect
import logging
import queue
import time
from concurrent.futures import wait
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from patter_core.calls.events import CallEnded, ProgressEvent
from patter_core.guest_loop import is_async

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from patter_core.calls.result import CallResult
    from patter_core.guest_loop import Guest
    from patter_core.home_loop import HomeLoop
    from patter_core.switchboard.live_call import LiveCall

    OnEvent = Callable[[ProgressEvent], Awaitable[None] | None]
    Teller = Callable[[ProgressEvent], Awaitable[None]]

_log = logging.getLogger(__name__)
_LOOK_EVERY_SEC = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """The hooks of one call. What they raise is logged and changes nothing.

    Attributes:
        caller: Hears in the task or thread that waits for the call.
        owner: Hears where `guest` runs users' code.
        patience_sec: How long a finished call waits for a hook that has not heard everything yet.
    """

    caller: OnEvent | None
    owner: OnEvent | None
    guest: Guest
    patience_sec: float

    @property
    def none(self) -> bool:
        """Whether nobody wants to hear."""
        return self.caller is None and self.owner is None

    async def result(self, live: LiveCall) -> CallResult:
        """The result, once the hooks have heard of it, or have had their time to."""
        if self.none:
            return await live.result()
        async with asyncio.TaskGroup() as group:
            here = None if self.caller is None else partial(_call_here, self.caller)
            telling = group.create_task(_tell(live, [here, self._to_guests(self.owner)]))
            try:
                result = await live.result()
            except BaseException:
                live.leave()  # Now: the group waits for the hook, which may take its time.
                raise
            await asyncio.wait([telling], timeout=self.patience_sec)
            telling.cancel()
        return result

    def _to_guests(self, hook: OnEvent | None) -> Teller | None:
        return None if hook is None else partial(self.guest.call, hook)

    def result_blocking(
        self, live: LiveCall, home: HomeLoop, *, watch: Callable[[], bool] | None, ending_sec: float
    ) -> CallResult:
        """Like `result`, for a thread that waits.

        Args:
            live: The call.
            home: The engine's loop.
            watch: Asked every 0.2 s; a yes leaves the call.
            ending_sec: How long a call that was left may take to end; then it is told as it is.
        """
        if self.none and watch is None:
            return live.result_blocking()
        plain = None if self.caller is None or is_async(self.caller) else self.caller
        caller = None if plain is not None else self.caller
        tellers = [self._to_guests(caller), self._to_guests(self.owner)]
        telling = home.submit(_tell, live, tellers) if any(tellers) else None
        if not self._watched(live, plain, watch, ending_sec):
            return live.snapshot()
        if telling is not None and wait([telling], self.patience_sec)[1]:
            telling.cancel()
        return live.result_blocking()

    def _watched(
        self,
        live: LiveCall,
        plain: OnEvent | None,
        watch: Callable[[], bool] | None,
        ending_sec: float,
    ) -> bool:
        """Wait in the calling thread, where `plain` hears; whether the call came to its end."""
        events: queue.SimpleQueue[ProgressEvent] = queue.SimpleQueue()
        live.listen(events.put)
        give_up_at: float | None = None
        while True:
            if give_up_at is not None:
                if time.monotonic() > give_up_at:
                    return False
            elif watch is not None and watch():
                live.leave()
                give_up_at = time.monotonic() + ending_sec
            try:
                event = events.get(timeout=None if watch is None else _LOOK_EVERY_SEC)
            except queue.Empty:
                continue
            if plain is not None:
                try:
                    plain(event)
                except (Exception, asyncio.CancelledError):  # noqa: BLE001 - a user's, as below
                    _log.exception("An on_event hook raised; the call goes on")
            if isinstance(event, CallEnded):
                return True


async def _tell(live: LiveCall, tellers: Sequence[Teller | None]) -> None:
    """Tell each of everything, in order, one after the other."""
    async for event in live.events():
        for teller in tellers:
            if teller is not None:
                await _heard(teller(event))


async def _call_here(hook: OnEvent, event: ProgressEvent) -> None:
    answer = hook(event)
    if inspect.isawaitable(answer):
        await answer


async def _heard(telling: Awaitable[None]) -> None:
    try:
        await telling
    except Exception:  # noqa: BLE001 - a user's hook: what it raises changes nothing
        _log.exception("An on_event hook raised; the call goes on")
