"""Whoever asked for a call wants it no more."""

from __future__ import annotations

import asyncio
import itertools
import random

from benchmarks.fault_bench import Fault, Tally, Trial, trial
from benchmarks.fault_moments import Moments, count_awaits, writes_counted
from patter.simulator import Callee
from tests.calls.kit import CALLEE

_random = random.Random(6)


def cancelled() -> list[Fault]:
    """The run that awaits the call is cancelled."""
    return [
        Fault("cancelled: at random", "20 calls, each at some moment", _at_random, 3),
        Fault(
            "cancelled: at every moment",
            "each await of a call, each write to the ledger",
            _at_every_moment,
            1,
            quick=True,
        ),
    ]


async def _at_random() -> Tally:
    async with trial(most_dials=20, max_concurrent_calls=5) as made:
        await made.tool.start()

        async def one(number: int) -> None:
            task = asyncio.create_task(made.tool.execute(to=CALLEE, idempotency_key=str(number)))
            await asyncio.wait([task], timeout=_random.random())
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        await asyncio.gather(*(one(number) for number in range(20)))
        await made.network.until(lambda: made.phone._opening._open.desk.live == 0, 20)
        for leg_key in map(str, range(20)):
            stored = await made.phone.result(leg_key)
            made.expect(stored is None or stored.status != "in_progress", "still under way")
    return made.tally


async def _at_every_moment() -> Tally:
    """One call after another is cancelled a moment later than the one before, until one is over."""
    short = Callee(says=["Hello?", "Bye."], rings_sec=0.1)
    moments = Moments()
    async with trial(callee=short, most_dials=1_000) as made:
        await made.tool.start()
        await count_awaits(made.phone, moments)
        with writes_counted(moments):
            for moment in itertools.count(1):
                if not await _cancelled_at(moment, moments, made):
                    break
        made.tally.trials = moment
        made.tally.doubled += max(0, len(made.network.dials) - moment)
    return made.tally


async def _cancelled_at(moment: int, moments: Moments, made: Trial) -> bool:
    """Whether the call came to that moment, and so was cancelled."""
    loop, key = asyncio.get_running_loop(), str(moment)
    dials = len(made.network.dials)
    task = asyncio.create_task(made.tool.execute(to=CALLEE, idempotency_key=key))
    moments.arm(moment, lambda: loop.call_soon_threadsafe(task.cancel))
    await asyncio.wait([task], timeout=20)
    made.expect(task.done(), f"moment {moment}: no answer")
    await made.network.until(lambda: made.phone._opening._open.desk.live == 0, 20)
    await made.settled(made.network.clock.now())
    stored = await made.phone.result(key)
    rang = len(made.network.dials) > dials
    over = stored is not None and stored.status in ("canceled", "completed")
    made.expect(over or (stored is None and not rang), f"moment {moment}: {stored}")
    return moments.count >= moment
