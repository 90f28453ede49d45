"""More than there is room for."""

from __future__ import annotations

import asyncio
import os
import random
import resource
from dataclasses import replace

from benchmarks.fault_bench import SCALED, Fault, Tally, trial
from patter.simulator import Callee
from tests.calls.kit import CALLEE, most_at_once

ANY = ("completed", "failed", "timeout", "no-answer", "busy", "interrupted", "canceled")
_random = random.Random(6)


_CROWD = 1_000


def load() -> list[Fault]:
    """More than there is room for."""
    return [
        Fault("load: 1,000 calls on 10 lines", "at once; in order, 10 legs at most", _crowd, 1),
        Fault("load: one key, 1,000 times", "at once", _one_key, 1),
        Fault("load: queue full", "30 calls, 1 line, 5 may wait", _queue_full, 1),
        Fault("load: no descriptors", "RLIMIT_NOFILE, then back", _descriptors, 1),
    ]


async def _crowd() -> Tally:
    numbers = [f"+1415555{n:04}" for n in range(_CROWD)]
    async with trial(most_dials=_CROWD, max_concurrent_calls=10) as made:
        for number in numbers:
            made.network.add(number, Callee(says=["Bye."], rings_sec=0.2))
        await made.tool.start()
        async with asyncio.timeout(140):
            results = await asyncio.gather(*(made.tool.execute(to=number) for number in numbers))
        ended = [result for result in results if result.status == "completed"]
        made.expect(len(ended) == _CROWD, f"{len(ended)} completed")
        rung = [leg.to for leg in made.network.dials]
        made.tally.doubled += len(rung) - len(set(rung))
        # Ten are served at once, and overtake each other on the way to the carrier.
        overtaken = max(abs(place - numbers.index(number)) for place, number in enumerate(rung))
        made.expect(overtaken < 10, f"somebody moved {overtaken} places")
        most = most_at_once(made.network.legs)
        made.expect(most == 10, f"{most} legs at once")
        await made.network.until(lambda: made.phone._opening._open.desk.live == 0, 5)
    return made.tally


async def _one_key() -> Tally:
    async with trial() as made:
        await made.tool.start()
        async with asyncio.timeout(60):
            results = await asyncio.gather(
                *(made.tool.execute(to=CALLEE, idempotency_key="k") for _ in range(1_000))
            )
        made.expect({result.status for result in results} == {"completed"}, "another status")
        made.expect(len({result.call_id for result in results}) == 1, "another call")
    return made.tally


async def _queue_full() -> Tally:
    async with trial(most_dials=6, limits=replace(SCALED, queue_length=5)) as made:
        await made.tool.start()
        results = await asyncio.gather(*(made.tool.execute(to=CALLEE) for _ in range(30)))
        codes = [result.error_code for result in results]
        made.expect(codes.count("queue_full") == 24, f"{codes.count('queue_full')} refused")
        made.expect(codes.count(None) == 6, f"{codes.count(None)} made")
    return made.tally


async def _descriptors() -> Tally:
    async with trial() as made:
        await made.tool.start()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        taken = []
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 400), hard))
            while True:
                taken.append(os.open("/dev/null", os.O_RDONLY))
        except OSError:
            pass
        try:
            async with asyncio.timeout(20):
                result = await made.tool.execute(to=CALLEE, idempotency_key="k")
        finally:
            for descriptor in taken:
                os.close(descriptor)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        made.expect(result.status in ANY, result.status)
        if not result.may_have_dialed:
            await made.call("completed")
    return made.tally
