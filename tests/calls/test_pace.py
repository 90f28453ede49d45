"""New calls leave a carrier account no faster than it allows, in the order in which they came."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace

import pytest

from patter import Patter, PatterTool, Twilio
from patter.simulator import Callee
from patter_core.clock import SimulatedClock, SystemClock
from patter_core.errors import ConfigError
from patter_core.switchboard.pace import Pace, pace_of
from tests.calls.kit import CALLEE, PHONE, bounded, creates, scripted


async def driven(clock, *tasks):
    """Move the clock from timer to timer until the tasks are done."""
    async with asyncio.timeout(30):
        while not all(task.done() for task in tasks):
            for _ in range(20):
                await asyncio.sleep(0)
            if (then := clock.next_timer()) is not None:
                clock.advance(then)
            await asyncio.sleep(0)


def leaving(pace, clock, left, rate=2.0):
    async def one(name):
        await pace.wait(rate)
        left.append((name, round(clock.now(), 6)))

    return [asyncio.ensure_future(one(name)) for name in range(5)]


async def test_calls_leave_one_interval_apart_and_in_their_order():
    clock, left = SimulatedClock(), []
    await driven(clock, *leaving(Pace(clock), clock, left))
    assert left == [(0, 0.0), (1, 0.5), (2, 1.0), (3, 1.5), (4, 2.0)]


async def test_who_gives_up_leaves_the_place_to_the_next():
    clock, left = SimulatedClock(), []
    tasks = leaving(Pace(clock), clock, left)
    for _ in range(5):
        await asyncio.sleep(0)
    tasks[1].cancel()
    tasks[2].cancel()
    await driven(clock, *tasks)
    assert [name for name, _ in left] == [0, 3, 4]
    moments = [moment for _, moment in left]
    assert all(later - earlier >= 0.5 for earlier, later in itertools.pairwise(moments))
    assert moments[-1] <= 1.5


async def test_a_pause_is_not_saved_up():
    clock, left = SimulatedClock(), []
    pace = Pace(clock)
    await driven(clock, *leaving(pace, clock, []))
    clock.advance(100.0)
    await driven(clock, *leaving(pace, clock, left))
    assert [moment for _, moment in left] == [100.0, 100.5, 101.0, 101.5, 102.0]


async def test_no_rate_never_waits():
    clock = SimulatedClock()
    pace = Pace(clock)
    await bounded(asyncio.gather(*(pace.wait(None) for _ in range(1_000))))
    assert clock.now() == 0.0


def test_phones_of_one_account_share_its_pace():
    account, other = Twilio("AC" + "1" * 32, "t"), Twilio("AC" + "2" * 32, "t")
    pace = pace_of(account, SystemClock())
    assert pace_of(replace(account), SystemClock()) is pace
    assert pace_of(other, SystemClock()) is not pace
    assert pace_of(account, SimulatedClock()) is not pace


def test_a_real_account_makes_one_call_a_second_unless_told_otherwise(network_account):
    assert Twilio("AC" + "1" * 32, "t").calls_per_second == 1.0
    assert network_account.calls_per_second is None


@pytest.fixture
async def network_account(network):
    return network.twilio()


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf")])
def test_a_rate_that_is_none_is_refused(rate):
    with pytest.raises(ConfigError, match="calls_per_second"):
        Twilio("AC" + "1" * 32, "t", calls_per_second=rate).check()


async def test_a_phone_dials_no_faster_than_its_account_allows(network):
    network.add(CALLEE, Callee(says=["Hello?", "Bye."]))
    account = network.twilio()
    object.__setattr__(account, "calls_per_second", 0.5)
    async with Patter(
        carrier=account,
        phone_number=PHONE,
        ledger=":memory:",
        clock=network.clock,
        max_concurrent_calls=5,
    ) as phone:
        tool = PatterTool(phone, agent=scripted())
        since = network.clock.now()
        results = await bounded(asyncio.gather(*(tool.execute(to=CALLEE) for _ in range(5))))
    assert [result.status for result in results] == ["completed"] * 5
    assert len(creates(network)) == 5
    # From its turn to the carrier each takes a moment, not the same to the millisecond for all:
    # what the pace promises is that at no time more have left than may have.
    for earlier, leg in enumerate(network.dials):
        assert leg.created_at - since >= 2 * earlier
