"""Calls that people make to the engine: rung by webhook, as Twilio does it."""

from __future__ import annotations

import asyncio

import pytest

from patter_core.simulator import Callee, PhoneNetwork
from patter_core.simulator.twilio import webhooks
from tests.simulator.small_engine import SmallEngine

OURS, THEIRS = "+14155550100", "+14155552671"


async def ring(network: PhoneNetwork, engine: SmallEngine, callee: Callee, **more):
    """One call to the engine, until it is over; bounded."""
    async with asyncio.timeout(30):
        return await network.ring(OURS, THEIRS, f"{engine.url}/answer", callee, **more)


async def test_a_person_calls_and_talks_until_they_hang_up():
    async with (
        PhoneNetwork() as network,
        SmallEngine(network, ["At eight?", "Done."], greeting="Chez Anna.") as engine,
    ):
        leg = await ring(network, engine, Callee(says=["A table.", "Yes.", "Bye."]))
        assert leg.heard == ["Chez Anna.", "At eight?", "Done."]
        assert leg.said == engine.heard == ["A table.", "Yes.", "Bye."]
        assert (leg.status, leg.ended_by, leg.direction) == ("completed", "callee", "inbound")
        assert leg.stream_parameters == {"ref": "a&b"}
        assert (network.legs, network.dials, network.live_legs) == ([leg], [], [])
        assert network.violations == []


async def test_the_question_is_signed_and_has_what_twilio_sends_and_nothing_else_is_told():
    async with PhoneNetwork() as network, SmallEngine(network) as engine:
        leg = await ring(network, engine, Callee(says=["Hello?"]))
        # The question and the upgrade: both judged by Twilio's own validator.
        assert engine.signatures == [True, True]
        [(kind, form)] = engine.forms
        assert kind == "answer"
        assert form["CallSid"] == leg.sid
        assert form["AccountSid"] == network.account_sid
        assert (form["From"], form["Caller"]) == (THEIRS, THEIRS)
        assert (form["To"], form["Called"]) == (OURS, OURS)
        assert (form["CallStatus"], form["Direction"]) == ("ringing", "inbound")
        assert form["ApiVersion"] == "2010-04-01"


async def test_the_end_is_told_where_it_was_asked_for():
    async with PhoneNetwork() as network, SmallEngine(network) as engine:
        status = f"{engine.url}/status"
        leg = await ring(network, engine, Callee(says=["Hello?"]), status_callback=status)
        kind, form = engine.forms[-1]
        assert (kind, form["CallStatus"], form["Direction"]) == ("status", "completed", "inbound")
        assert form["CallDuration"] == str(leg.duration_sec)
        assert engine.signatures == [True] * 3


@pytest.mark.parametrize(
    ("twiml", "status", "answered"),
    [
        ("<Response><Reject/></Response>", "no-answer", False),
        ("<Response><Reject reason='busy'/></Response>", "busy", False),
        ("<Response><Hangup/></Response>", "completed", True),
        ("<Response/>", "completed", True),
    ],
)
async def test_an_engine_can_refuse_a_caller(twiml, status, answered):
    async with PhoneNetwork() as network, SmallEngine(network) as engine:
        engine.twiml = twiml
        leg = await ring(network, engine, Callee(says=["Hello?"]))
        assert (leg.status, leg.answered, leg.said) == (status, answered, [])
        assert leg.ended_by == "instructions"
        assert engine.sockets == 0
        assert network.violations == []


async def test_a_door_that_says_no_or_nothing_at_all_fails_the_call(monkeypatch):
    monkeypatch.setattr(webhooks, "_ANSWER_SEC", 0.2)
    async with PhoneNetwork() as network, SmallEngine(network) as engine:
        engine.delay_sec = 1
        for url in (f"{engine.url}/nowhere", f"{engine.url}/answer", "http://127.0.0.1:9/"):
            async with asyncio.timeout(30):
                leg = await network.ring(OURS, THEIRS, url, Callee(says=["Hello?"]))
            assert (leg.status, leg.answered, leg.ended_by) == ("failed", False, "network")
        assert [told.status for told in network.callbacks] == [404, None, None]


async def test_the_carriers_own_limit_holds_for_callers_too():
    async with PhoneNetwork() as network, SmallEngine(network) as engine:
        leg = await ring(network, engine, Callee(behave="silent"), time_limit_sec=90)
        assert (leg.ended_by, leg.duration_sec) == ("time_limit", 90)


async def test_who_stops_waiting_hangs_up():
    async with PhoneNetwork(speed=50) as network, SmallEngine(network) as engine:
        url = f"{engine.url}/answer"
        waiting = asyncio.ensure_future(network.ring(OURS, THEIRS, url, Callee(behave="silent")))
        await network.until(lambda: any(leg.answered for leg in network.legs))
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await network.until(lambda: not network.live_legs)
        [leg] = network.legs
        assert (leg.status, leg.ended_by) == ("completed", "callee")


async def test_a_program_without_a_loop_can_ring_and_a_closed_network_says_so():
    async with PhoneNetwork() as network, SmallEngine(network, ["b"], greeting="a") as engine:
        url = f"{engine.url}/answer"
        leg = await asyncio.to_thread(
            network.ring_blocking, OURS, THEIRS, url, Callee(says=["Hello?", "Bye."])
        )
        assert leg.heard == ["a", "b"]
        waiting = asyncio.ensure_future(
            network.ring(OURS, THEIRS, url, Callee(behave="silent"), time_limit_sec=10_000_000)
        )
        await network.until(lambda: len(network.live_legs) == 1)
        await network.__aexit__(None, None, None)
        with pytest.raises(RuntimeError, match="closed during the call"):
            await asyncio.wait_for(waiting, 30)
    with pytest.raises(RuntimeError, match="not up"):
        network.ring_blocking(OURS, THEIRS, url, Callee())


@pytest.mark.parametrize("number", ["4155550100", "me", "+1 415"])
async def test_numbers_are_e164(number):
    async with PhoneNetwork() as network:
        with pytest.raises(ValueError, match=r"E\.164"):
            await network.ring(number, THEIRS, "http://127.0.0.1:9/", Callee())
