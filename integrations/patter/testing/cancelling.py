"""However a run is cancelled, the line is hung up within a second."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from patter.testing.adapter import SPEED, Adapter, bounded
from patter.testing.scene import FOREVER
from patter.testing.threads import loop_elsewhere

if TYPE_CHECKING:
    from collections.abc import Callable

    from patter.simulator import PhoneNetwork

_HANG_UP_SEC = 1.0
"""Within this the line is free again, whatever became of the run."""


class Cancelling(Adapter):
    """By the task, by a timeout, by the end of the loop, from another thread."""

    def test_cancelling_the_run_hangs_up(self, paced_network: PhoneNetwork) -> None:
        network = paced_network

        async def cancel() -> None:
            run = asyncio.create_task(self.run(tool, FOREVER))
            await network.until(_answered(network), what="an answer")
            since = network.clock.now()
            run.cancel()
            await asyncio.wait([run])
            _check_hung_up(network, since)

        with self.phone_tool(network) as everybodys:
            tool = self.make_tool(everybodys)
            asyncio.run(bounded(cancel()))

    def test_a_timeout_around_the_run_hangs_up(self, paced_network: PhoneNetwork) -> None:
        network = paced_network

        async def expire() -> float:
            run = asyncio.create_task(self.run(tool, FOREVER))
            await network.until(_answered(network), what="an answer")
            since = network.clock.now()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(run, 0.01)
            return since

        with self.phone_tool(network) as everybodys:
            tool = self.make_tool(everybodys)
            _check_hung_up(network, asyncio.run(bounded(expire())))

    def test_a_loop_that_ends_right_after_the_cancellation_leaves_no_call_up(
        self, paced_network: PhoneNetwork
    ) -> None:
        network = paced_network

        async def cancel_and_leave() -> float:
            run = asyncio.create_task(self.run(tool, FOREVER))
            await network.until(_answered(network), what="an answer")
            run.cancel()
            return network.clock.now()

        with self.phone_tool(network) as everybodys:
            tool = self.make_tool(everybodys)
            _check_hung_up(network, asyncio.run(bounded(cancel_and_leave())))

    def test_cancelling_from_another_thread_hangs_up(self, paced_network: PhoneNetwork) -> None:
        network = paced_network
        with loop_elsewhere() as loop, self.phone_tool(network) as everybodys:
            run = self.run(self.make_tool(everybodys), FOREVER)
            future = asyncio.run_coroutine_threadsafe(run, loop)
            network.wait_until(_answered(network), what="an answer")
            since = network.clock.now()
            future.cancel()
            _check_hung_up(network, since)


def _answered(network: PhoneNetwork) -> Callable[[], bool]:
    return lambda: bool(network.dials) and network.dials[0].answered


def _check_hung_up(network: PhoneNetwork, since: float) -> None:
    network.wait_until(lambda: not network.live_legs, what="the hang-up")
    (leg,) = network.dials
    assert leg.ended_at is not None
    assert leg.ended_at - since <= _HANG_UP_SEC * SPEED
