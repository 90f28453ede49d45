"""The deadline: it comes, whatever the call is doing, and it is one ending like every other."""

from __future__ import annotations

import asyncio

import pytest

from patter import Limits
from patter.simulator import Callee
from tests.calls.kit import CALLEE, Events, bounded, creates, hang_ups, said


async def test_the_deadline_hangs_up_at_the_carrier_and_keeps_what_was_said(network, new_tool):
    network.add(CALLEE, Callee(says=lambda heard: "Tell me more."))
    tool = new_tool()
    result = await bounded(tool.execute(to=CALLEE, first_message="Hi.", max_duration_sec=30))
    assert (result.status, result.error_code, result.error) == ("timeout", "deadline", None)
    assert (result.ended_by, result.retryable, result.may_have_dialed) == ("deadline", False, True)
    assert said(result)[:2] == [("agent", "Hi."), ("user", "Tell me more.")]
    assert len(result.transcript) > 4
    (leg,) = network.dials
    assert (leg.status, leg.ended_by) == ("completed", "caller")
    assert 29.5 <= leg.ended_at - leg.created_at <= 31
    assert len(hang_ups(network)) == 1


async def test_ringing_counts(network, new_tool):
    network.add(CALLEE, Callee(behave="no_answer"))
    result = await bounded(new_tool().execute(to=CALLEE, max_duration_sec=5))
    assert (result.status, result.error_code, result.answered_at) == ("timeout", "deadline", None)
    (leg,) = network.dials
    assert leg.ended_at - leg.created_at < 6
    assert leg.status == "canceled"


async def test_one_second_is_long_enough_to_be_refused_an_answer(network, new_tool):
    result = await bounded(new_tool().execute(to=CALLEE, max_duration_sec=1))
    assert result.status == "timeout"
    assert len(creates(network)) == 1


async def test_waiting_for_a_line_and_for_approval_does_not_count(network, new_tool):
    release = asyncio.Event()

    async def approve(request):
        await release.wait()
        return True

    tool = new_tool(approve=approve)
    events = Events()
    task = asyncio.create_task(tool.execute(to=CALLEE, max_duration_sec=30, on_event=events))
    await network.until(events.heard_of("queued"))
    await network.until(lambda: network.clock.holds)
    network.clock.advance(network.clock.now() + 60)
    release.set()
    assert (await bounded(task)).status == "completed"


@pytest.mark.parametrize(("asked", "limit"), [(None, 195), (1, 16), (1800, 1815)])
async def test_the_carrier_gets_a_limit_of_its_own_a_little_later(network, new_tool, asked, limit):
    result = await bounded(new_tool().execute(to=CALLEE, max_duration_sec=asked))
    assert result.may_have_dialed
    assert network.dials[0].time_limit_sec == limit


async def test_the_deadline_while_the_agent_speaks_keeps_what_was_heard(network, new_tool):
    network.add(CALLEE, Callee(behave="silent"))
    words = " ".join(f"word{n}" for n in range(120)) + "."
    result = await bounded(new_tool().execute(to=CALLEE, first_message=words, max_duration_sec=8))
    assert result.status == "timeout"
    (turn,) = result.transcript
    assert turn.cut
    assert words.startswith(turn.text)
    assert 0 < len(turn.text) < len(words)


async def test_the_tools_own_default_is_used_when_the_model_says_nothing(network, new_tool):
    network.add(CALLEE, Callee(behave="silent"))
    result = await bounded(new_tool(max_duration_sec=7).execute(to=CALLEE))
    assert result.status == "timeout"
    assert network.dials[0].time_limit_sec == 22


async def test_the_deadline_strikes_while_the_carrier_has_not_answered_yet(network, new_tool):
    network.faults.create("hang", after_creating=True)
    network.faults.callbacks("lost")
    network.faults.media("never_connects")
    limits = Limits(dial_request_sec=1.5, look_up_sec=5.0)
    result = await bounded(
        new_tool(phone={"limits": limits}).execute(to=CALLEE, max_duration_sec=1)
    )
    assert result.status in ("timeout", "completed")
    assert result.may_have_dialed
    await network.until(lambda: not network.live_legs)
    assert len(creates(network)) == 1
