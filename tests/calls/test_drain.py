"""`phone.drain()`: for a shutdown handler of one's own."""

from __future__ import annotations

from patter.simulator import Callee
from tests.calls.kit import CALLEE, bounded, scripted


async def test_draining_ends_live_calls_and_takes_no_more(network, new_phone):
    network.add(CALLEE, Callee(behave="silent"))
    phone = new_phone()
    async with phone:
        live = await bounded(phone.place_call(CALLEE, scripted()))
        await network.until(lambda: any(leg.answered for leg in network.live_legs))
        assert await bounded(phone.drain(5.0))
        result = await bounded(live.result())
        assert (result.status, result.error_code) == ("interrupted", "engine_stopped")
        assert network.live_legs == []
        late = await bounded(phone.call(CALLEE, scripted()))
        assert (late.status, late.error_code) == ("rejected", "phone_closed")
        assert len(network.dials) == 1


async def test_draining_a_phone_that_is_not_open_is_done_at_once(new_phone):
    assert await bounded(new_phone().drain(5.0))
