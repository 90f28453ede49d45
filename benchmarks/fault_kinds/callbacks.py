"""What the carrier tells of a call: lost, repeated, reordered, forged or replayed."""

from __future__ import annotations

import asyncio
import itertools

from benchmarks.fault_bench import (
    SILENT,
    CarrierVoice,
    Fault,
    Tally,
    live_call,
    one_call,
    trial,
)
from patter.simulator import Callee
from tests.calls.kit import CALLEE


def callbacks() -> list[Fault]:
    """What the carrier tells is lost, repeated, reordered, forged or replayed."""
    return [
        *(
            Fault(
                f"callbacks: {kind}",
                "by the network",
                one_call(lambda n, kind=kind: n.faults.callbacks(kind), "completed"),
                quick=True,
            )
            for kind in ("lost", "doubled", "reordered")
        ),
        Fault("callbacks: all orders", "each of the 24 orders of four callbacks", _all_orders, 24),
        Fault("callbacks: each 100 times", "signed, posted again and again", _hundredfold, 1),
        Fault("callbacks: of an unknown call", "signed, with no reference of ours", _unknown, 1),
        Fault("callbacks: forged", "no signature, or a wrong one", _forged, 1),
        Fault("callbacks: replayed", "an ended call's, during the next one", _replayed, 1),
    ]


_orders = itertools.cycle(
    itertools.permutations(("ringing", "in-progress", "machine", "completed"))
)


async def _all_orders() -> Tally:
    made_callee = Callee(behave="silent", rings_sec=0.0, hangs_up_after_sec=0.3)
    async with trial(callee=made_callee) as made:
        await made.tool.start()
        made.network.faults.callbacks("lost")
        with made.network.clock.hold():
            live = await made.tool.submit({"to": CALLEE, "max_duration_sec": 60})
            await made.network.until(
                lambda: made.network.dials and not made.network.live_legs, what="the leg's end"
            )
            exchange = made.phone._opening._open.desk.exchange
            sid = made.network.dials[0].sid
            voice = CarrierVoice(made, sid, exchange.callref(live.call_id))
            for what in next(_orders):
                await voice.tell(what)
        async with asyncio.timeout(20):
            result = await live.result()
        made.expect((result.status, result.error_code) == ("completed", None), result.status)
    return made.tally


async def _hundredfold() -> Tally:
    async with live_call() as (made, live, voice):
        for what in ("ringing", "in-progress", "machine"):
            await asyncio.gather(*(voice.tell(what) for _ in range(100)))
        made.expect(not live.done, "ended by repetition")
    return made.tally


async def _unknown() -> Tally:
    async with live_call() as (made, live, voice):
        stranger = CarrierVoice(made, voice.sid, voice.callref[::-1])
        made.expect(await stranger.tell("completed") == 403, "a stranger was believed")
        made.expect(not live.done, "ended by a stranger")
    return made.tally


async def _forged() -> Tally:
    async with live_call() as (made, live, voice):
        made.expect(await voice.tell("completed", token="wrong") == 403, "a forgery was believed")
        made.expect(not live.done, "ended by a forgery")
    return made.tally


async def _replayed() -> Tally:
    async with trial(most_dials=2) as made:
        first = await made.call("completed")
        sid = made.network.dials[0].sid
        made.network.add(CALLEE, SILENT)
        with made.network.clock.hold():
            live = await made.tool.submit({"to": CALLEE, "max_duration_sec": 60})
            await made.network.until(lambda: made.network.live_legs)
            exchange = made.phone._opening._open.desk.exchange
            voice = CarrierVoice(made, sid, exchange.callref(first.call_id if first else ""))
            for what in ("ringing", "in-progress", "completed"):
                await voice.tell(what)
            made.expect(not live.done, "ended by an old callback")
        await live.hang_up()
        made.expect((await live.result()).status == "canceled", "another status")
    return made.tally
