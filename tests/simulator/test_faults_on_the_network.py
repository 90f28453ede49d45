"""What goes wrong on command."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from patter_core.simulator import Callee, PhoneNetwork
from tests.simulator.small_engine import SmallEngine

NUMBER = "+14155552671"
FORM = {"To": NUMBER, "From": "+14155550100", "Twiml": "<Response><Hangup/></Response>"}


@pytest.mark.parametrize("after_creating", [False, True])
@pytest.mark.parametrize(
    ("kind", "status"), [("503", 503), ("429", 429), ("400", 400), ("redirect", 307)]
)
async def test_a_create_is_answered_wrongly_once(kind, status, after_creating):
    async with PhoneNetwork() as network, SmallEngine(network) as engine:
        network.faults.create(kind, after_creating=after_creating, retry_after_sec=2)
        url = engine.calls_url()
        answered, headers = await engine.raw("POST", url, FORM)
        assert answered == status
        assert len(network.dials) == after_creating
        assert ("Location" in headers) == (kind == "redirect")
        assert headers.get("Retry-After") == (None if kind == "redirect" else "2")
        assert (await engine.raw("POST", url, FORM))[0] == 201
        assert [request.status for request in network.requests] == [status, 201]


async def test_a_garbled_answer_cannot_be_read():
    async with PhoneNetwork() as network, SmallEngine(network) as engine:
        network.faults.create("garbage", after_creating=True)
        with pytest.raises(ValueError, match="unexpected"):
            await engine.post(engine.calls_url(), FORM)
        assert len(network.dials) == 1


@pytest.mark.parametrize("kind", ["reset", "cut"])
async def test_a_reset_or_a_cut_body_is_no_answer(kind):
    async with PhoneNetwork() as network, SmallEngine(network) as engine:
        network.faults.create(kind, after_creating=True)
        with pytest.raises(aiohttp.ClientError):
            await engine.post(engine.calls_url(), FORM)
        assert len(network.dials) == 1
        assert network.requests[0].status is None


async def test_a_request_that_hangs_does_not_hold_the_clock():
    async with PhoneNetwork() as network, SmallEngine(network) as engine:
        network.faults.create("hang")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await engine.raw("POST", engine.calls_url(), FORM)
        async with asyncio.timeout(30):
            await network.clock.sleep(3_600)
        assert network.dials == []


async def test_hang_ups_and_lists_and_fetches_fail_as_often_as_told():
    async with PhoneNetwork() as network, SmallEngine(network) as engine:
        network.add(NUMBER, Callee(behave="silent"))
        created = await engine.dial(NUMBER)
        await network.until(lambda: engine.sockets)
        network.faults.hang_ups("503", times=2)
        network.faults.lists("503")
        network.faults.fetches("500")
        url, end = engine.calls_url(created["sid"]), {"Status": "completed"}
        assert (await engine.raw("GET", engine.calls_url()))[0] == 503
        assert (await engine.raw("GET", engine.calls_url()))[0] == 200
        assert (await engine.raw("GET", url))[0] == 500
        assert [(await engine.raw("POST", url, end))[0] for _ in range(2)] == [503, 503]
        assert len(network.live_legs) == 1
        assert (await engine.raw("POST", url, end))[0] == 200
        assert network.live_legs == []


async def test_faults_can_be_taken_back():
    async with PhoneNetwork() as network, SmallEngine(network) as engine:
        network.faults.lists("503", times=None)
        assert (await engine.raw("GET", engine.calls_url()))[0] == 503
        network.faults.clear()
        assert (await engine.raw("GET", engine.calls_url()))[0] == 200


@pytest.mark.parametrize(
    ("kind", "sequence"),
    [
        ("lost", []),
        ("doubled", ["0", "0", "1", "1", "2", "2", "3", "3"]),
        ("reordered", ["1", "0", "3", "2"]),
    ],
)
async def test_callbacks_are_lost_doubled_or_out_of_order(kind, sequence):
    async with PhoneNetwork() as network, SmallEngine(network) as engine:
        network.faults.callbacks(kind)
        network.add(NUMBER, Callee(says=["Bye."], pause_sec=0.1))
        await engine.dial(NUMBER)
        wanted = max(len(sequence), 4) + 1  # and the answer URL
        await network.until(lambda: len(network.callbacks) == wanted)
        told = [form["SequenceNumber"] for which, form in engine.forms if which == "status"]
        assert told == sequence
        assert next(c.error for c in network.callbacks if c.kind == "completed") == (
            "lost on purpose" if kind == "lost" else None
        )


@pytest.mark.parametrize(
    ("kind", "events", "ended_by"),
    [
        ("never_connects", [], "instructions"),
        ("no_start", [], "caller"),
        ("dropped", ["connected", "start"], "network"),
    ],
)
async def test_media_sockets_misbehave(kind, events, ended_by):
    async with PhoneNetwork() as network, SmallEngine(network) as engine:
        network.faults.media(kind)
        network.add(NUMBER, Callee(behave="silent", rings_sec=0.1))
        # Nobody speaks, so time would leap to the limit before we had said anything.
        with network.clock.hold():
            created = await engine.dial(NUMBER, TimeLimit=30)
            if kind == "no_start":
                await network.until(lambda: engine.sockets)
                await engine.post(engine.calls_url(created["sid"]), {"Status": "completed"})
        await network.until(lambda: not network.live_legs)
        assert network.dials[0].ended_by == ended_by
        assert [frame["event"] for frame in engine.frames][:2] == events


async def test_an_engine_that_answers_badly_or_not_at_all_ends_the_call():
    async with PhoneNetwork() as network, SmallEngine(network) as engine:
        network.add(NUMBER, Callee(behave="silent"))
        await engine.dial(NUMBER, Url="http://127.0.0.1:9/answer", StatusCallback=None)
        await network.until(lambda: not network.live_legs)
        [answer] = network.callbacks
        assert (answer.kind, answer.status) == ("answer", None)
        assert answer.error
        assert network.dials[0].ended_by == "instructions"
