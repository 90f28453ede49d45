"""A call's control for users' tools, which run on loops of their own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from patter_core.audio.dtmf import tones

if TYPE_CHECKING:
    from patter_core.calls.control import CallControl


class HomeControl:
    """A `CallControl` for any loop: what it is asked for is done on the engine's."""

    def __init__(self, control: CallControl) -> None:
        """Pass everything on to `control`, on the loop that this is made on."""
        self._control = control
        self._home = asyncio.get_running_loop()

    async def end(self, reason: str) -> None:
        """See `CallControl.end`."""
        await asyncio.wrap_future(
            asyncio.run_coroutine_threadsafe(self._control.end(reason), self._home)
        )

    async def transfer(self, target: str) -> None:
        """See `CallControl.transfer`."""
        await asyncio.wrap_future(
            asyncio.run_coroutine_threadsafe(self._control.transfer(target), self._home)
        )

    async def record_opt_out(self) -> None:
        """See `CallControl.record_opt_out`."""
        await asyncio.wrap_future(
            asyncio.run_coroutine_threadsafe(self._control.record_opt_out(), self._home)
        )

    def send_digits(self, digits: str) -> None:
        """See `CallControl.send_digits`."""
        tones(digits)  # Over there nobody could be told that something is no key.
        self._home.call_soon_threadsafe(self._control.send_digits, digits)
