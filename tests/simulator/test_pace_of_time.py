"""How simulated time goes: with frames, with jumps, and never past somebody's answer."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from patter_core.simulator import Callee, PhoneNetwork
from tests.simulator.small_engine import SmallEngine

NUMBER = "+14155552671"


async def test_time_jumps_when_nobody_does_anything():
    with PhoneNetwork() as network:
        async with asyncio.timeout(30):
            for _ in range(10):
                await network.clock.sleep(1_000)
        assert network.clock.now() == 10_000


async def test_timers_on_several_loops_fire_in_order_and_none_is_passed():
    async with PhoneNetwork() as network:
        woken: list[float] = []

        async def naps(first: float) -> None:
            for nap in range(5):
                await network.clock.sleep(first if nap == 0 else 2.0)
                woken.append(network.clock.now())

        thread = threading.Thread(target=lambda: asyncio.run(naps(1.0)))
        with network.clock.hold():
            thread.start()
            ours = asyncio.ensure_future(naps(2.0))
            await network.until(lambda: len(network.clock.loops()) >= 2)
        await ours
        await asyncio.to_thread(thread.join, 5)
        assert sorted(woken) == woken
        assert len({round(moment) for moment in woken}) == 10


async def test_something_outstanding_keeps_time_to_real_time():
    async with PhoneNetwork() as network:
        timer = asyncio.ensure_future(network.clock.sleep(3_600))
        with network.clock.hold():
            await network.until(lambda: network.clock.now() > 0)
            began, real = network.clock.now(), time.monotonic()
            await network.until(lambda: network.clock.now() - began > 0.1)
            assert network.clock.now() - began <= time.monotonic() - real + 0.01
        await asyncio.wait_for(timer, 30)
        assert network.clock.now() >= 3_600


async def test_something_outstanding_keeps_media_to_real_time():
    async with PhoneNetwork() as network, SmallEngine(network) as engine:
        network.add(NUMBER, Callee(behave="silent"))
        await engine.dial(NUMBER, TimeLimit=60)
        await network.until(lambda: engine.sockets and len(engine.frames) > 10)
        with network.clock.hold():
            on_their_way = len(engine.frames) + 12  # As many as are sent at once in dead air.
            await network.until(lambda: len(engine.frames) > on_their_way)
            before, real = len(engine.frames), time.monotonic()
            await network.until(lambda: len(engine.frames) - before >= 10)
            frames = len(engine.frames) - before
            assert frames <= (time.monotonic() - real) / 0.02 + 2
        await network.until(lambda: not network.live_legs)


async def test_a_busy_loop_delays_the_jump():
    async with PhoneNetwork() as network:
        network.clock.join(asyncio.get_running_loop())
        timer = asyncio.ensure_future(network.clock.sleep(3_600))
        await asyncio.sleep(0)
        time.sleep(0.1)  # noqa: ASYNC251 - this loop is busy, as with a long computation
        assert network.clock.now() == 0
        await asyncio.wait_for(timer, 30)
        assert network.clock.now() == 3_600


async def test_a_loop_that_is_blocked_for_long_stops_nobody():
    async with PhoneNetwork() as network:
        network.clock.join(asyncio.get_running_loop())
        woken = threading.Event()
        woken_at = []

        async def nap() -> None:
            await network.clock.sleep(0.3)
            woken_at.append(network.clock.now())
            woken.set()

        thread = threading.Thread(target=lambda: asyncio.run(nap()))
        thread.start()
        # Blocking our own loop on purpose: somebody waits synchronously for a result.
        assert woken.wait(30)
        thread.join(30)
        assert woken_at[0] < 3


async def test_an_answer_of_ours_that_is_slow_holds_time_too():
    async with PhoneNetwork() as network, SmallEngine(network) as engine:
        engine.delay_sec = 0.3
        network.add(NUMBER, Callee(says=["Bye."]))
        await engine.dial(NUMBER, TimeLimit=60)
        await network.until(lambda: network.callbacks and not network.live_legs)
        [leg] = network.dials
        # Had time jumped to the next moment that somebody waits for, it had been the time limit.
        assert (leg.said, leg.ended_by) == (["Bye."], "callee")
        assert 0.3 <= leg.ended_at - leg.answered_at < 30


async def test_a_given_speed_is_never_exceeded():
    with PhoneNetwork(speed=20) as network:
        began = time.monotonic()
        await network.clock.sleep(4)
        assert time.monotonic() - began >= 0.2


async def test_a_given_speed_holds_for_media_too():
    async with PhoneNetwork(speed=10) as network, SmallEngine(network) as engine:
        network.add(NUMBER, Callee(behave="silent", rings_sec=0.1))
        began = time.monotonic()
        await engine.dial(NUMBER, TimeLimit=3)
        await network.until(lambda: network.dials[0].ended_at is not None)
        assert time.monotonic() - began >= 0.3
        assert sum(frame["event"] == "media" for frame in engine.frames) > 100


async def test_deadlines_of_others_expire_on_the_networks_clock():
    async with PhoneNetwork() as network:
        async with asyncio.timeout(30):
            with pytest.raises(TimeoutError):
                async with network.clock.timeout(180):
                    await asyncio.Event().wait()
        assert network.clock.now() == 180


async def test_waiting_in_vain_says_what_for():
    async with PhoneNetwork() as network:
        with pytest.raises(TimeoutError, match=r"0\.05 s for a call; calls: none"):
            await network.until(lambda: network.dials, 0.05, what="a call")


def test_a_network_at_rest_burns_next_to_nothing():
    with PhoneNetwork():
        time.sleep(0.1)
        before = time.process_time()
        time.sleep(0.5)
        assert time.process_time() - before < 0.05
