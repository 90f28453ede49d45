"""The carrier's answer to a dial is lost or useless: nobody is dialled twice, nobody left up."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from patter import Limits
from patter.simulator import Callee
from tests.calls.kit import CALLEE, Events, bounded, creates, said

LIMITS = Limits(look_up_sec=6.0, look_up_every_sec=0.5, drain_sec=3.0)
FAULTS = ["503", "500", "hang", "reset", "408", "redirect", "garbage"]


@pytest.fixture
def fault():
    """What the carrier does with the dial; tests override it."""
    return "503"


@pytest.fixture
def tool(new_tool, fault):
    # Little patience is for what is waited for in vain: a busy machine answers late, but it does.
    limits = replace(LIMITS, dial_request_sec=0.4) if fault == "hang" else LIMITS
    return new_tool(phone={"limits": limits})


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_call_that_was_made_all_the_same_is_adopted(network, tool, fault):
    network.faults.create(fault, after_creating=True)
    result = await bounded(tool.execute(to=CALLEE, first_message="Hi."))
    assert (result.status, result.ended_by) == ("completed", "callee")
    assert said(result)[-1] == ("user", "Bye.")
    assert len(creates(network)) == len(network.dials) == 1


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_call_is_found_in_the_list_when_no_callback_comes(network, tool, fault):
    network.add(CALLEE, Callee(says=["Hello?", "Bye."], rings_sec=20.0))
    network.faults.create(fault, after_creating=True)
    network.faults.callbacks("lost")
    events = Events()
    task = asyncio.create_task(tool.execute(to=CALLEE, on_event=events))
    result = await bounded(task)
    assert result.status == "completed"
    assert len(creates(network)) == 1
    assert any(r.method == "GET" for r in network.requests), "it was looked up"


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_call_that_was_never_made_is_unknown_and_not_repeated(network, tool, fault):
    network.faults.create(fault, after_creating=False)
    result = await bounded(tool.execute(to=CALLEE, idempotency_key="k"))
    assert (result.status, result.error_code) == ("failed", "dial_unknown")
    assert (result.may_have_dialed, result.retryable) == (True, False)
    assert result.error
    assert (len(creates(network)), network.dials) == (1, [])
    again = await bounded(tool.execute(to=CALLEE, idempotency_key="k"))
    assert (again.error_code, again.replayed) == ("dial_unknown", True)
    assert len(creates(network)) == 1, "the same key never dials again"


async def test_a_leg_that_shows_up_after_all_is_hung_up(network, tool):
    """Neither a callback nor the list shows it in time; then somebody picks up."""
    network.add(CALLEE, Callee(behave="silent", rings_sec=20.0))
    network.faults.create("503", after_creating=True)
    network.faults.callbacks("lost")
    network.faults.lists("503", times=None)
    result = await bounded(tool.execute(to=CALLEE, max_duration_sec=100))
    assert (result.status, result.error_code) == ("failed", "dial_unknown")
    assert len(network.dials) == 1
    await network.until(lambda: not network.live_legs)
    (leg,) = network.dials
    assert leg.ended_at - leg.created_at < 40, "it went when it was answered, not at a time limit"


async def test_a_leg_that_reports_late_is_hung_up_while_it_rings(network, tool):
    network.add(CALLEE, Callee(behave="no_answer"))
    network.faults.create("503", after_creating=True)
    network.faults.callbacks("lost", times=1)
    network.faults.lists("503", times=None)
    network.faults.callbacks("reordered", times=1)
    result = await bounded(tool.execute(to=CALLEE))
    assert result.status in ("failed", "no-answer")
    assert len(creates(network)) == 1
    await network.until(lambda: not network.live_legs)


async def test_two_that_may_be_it_are_both_left_alone_by_the_look_up(network, new_tool):
    """Two unclear dials to one number: nobody can tell their legs apart, so none is adopted."""
    network.add(CALLEE, Callee(behave="silent", rings_sec=20.0))
    network.faults.create("503", after_creating=True, times=2)
    network.faults.callbacks("lost")
    tool = new_tool(phone={"limits": LIMITS, "max_concurrent_calls": 2})
    results = await bounded(
        asyncio.gather(*(tool.execute(to=CALLEE, max_duration_sec=60) for _ in range(2)))
    )
    assert len(creates(network)) == len(network.dials) == 2
    for result in results:
        assert result.may_have_dialed
    await network.until(lambda: not network.live_legs)


async def test_an_unclear_dial_never_adopts_another_phones_call(network, new_tool, tmp_path):
    """Made a moment earlier, between the same numbers; but the ledger knows whose it is."""
    network.add(CALLEE, Callee(behave="silent", rings_sec=0.2))
    ledger = tmp_path / "calls.sqlite"
    other = new_tool(phone={"ledger": ledger})
    tool = new_tool(phone={"ledger": ledger, "limits": LIMITS})
    with network.clock.hold():
        theirs = await bounded(other.submit(to=CALLEE, max_duration_sec=1800))
        await network.until(lambda: any(leg.answered for leg in network.dials))
        network.faults.create("503")
        ours = asyncio.create_task(tool.execute(to=CALLEE))
        await network.until(lambda: len(creates(network)) == 2)
    result = await bounded(ours)
    assert (result.error_code, result.transcript) == ("dial_unknown", ())
    assert len(network.live_legs) == 1
    assert not theirs.done
    await theirs.hang_up()
    await bounded(theirs.result())
    assert len(network.dials) == 1


async def test_the_line_stays_taken_while_a_dial_is_unclear(network, tool):
    network.faults.create("503")
    first = asyncio.create_task(tool.execute(to=CALLEE))
    await network.until(lambda: creates(network))
    second = asyncio.create_task(tool.execute(to=CALLEE))
    results = await bounded(asyncio.gather(first, second))
    assert results[0].error_code == "dial_unknown"
    assert results[1].status == "completed"
    (leg,) = network.dials
    assert leg.created_at >= LIMITS.look_up_sec - 1


async def test_a_carrier_that_is_busy_is_asked_once_more_when_it_says_when(network, tool):
    network.faults.create("429", retry_after_sec=3)
    result = await bounded(tool.execute(to=CALLEE))
    assert result.status == "completed"
    assert len(creates(network)) == 2
    assert len(network.dials) == 1
    assert network.dials[0].created_at >= 3


@pytest.mark.parametrize("retry_after", [None, 11, 3600])
async def test_a_carrier_that_stays_busy_leaves_the_key_free(network, tool, retry_after):
    network.faults.create("429", retry_after_sec=retry_after)
    result = await bounded(tool.execute(to=CALLEE, idempotency_key="k"))
    assert (result.status, result.error_code) == ("failed", "carrier_busy")
    assert (result.retryable, result.may_have_dialed) == (True, False)
    assert len(creates(network)) == 1
    again = await bounded(tool.execute(to=CALLEE, idempotency_key="k"))
    assert (again.status, again.replayed) == ("completed", False)


async def test_a_busy_carrier_is_not_asked_a_third_time(network, tool):
    network.faults.create("429", retry_after_sec=1, times=2)
    result = await bounded(tool.execute(to=CALLEE))
    assert result.error_code == "carrier_busy"
    assert len(creates(network)) == 2
    assert network.dials == []


async def test_a_second_answer_that_is_unclear_is_looked_up(network, tool):
    network.faults.create("429", retry_after_sec=1)
    network.faults.create("503", after_creating=True)
    result = await bounded(tool.execute(to=CALLEE))
    assert result.status == "completed"
    assert len(network.dials) == 1
    assert len(creates(network)) == 2


@pytest.mark.parametrize("fault", ["503", "reset", "hang", "500"])
async def test_a_hang_up_that_fails_once_is_tried_again(network, new_tool, fault):
    network.add(CALLEE, Callee(behave="silent"))
    network.faults.hang_ups(fault)
    limits = Limits(carrier_request_sec=0.3 if fault == "hang" else 10.0)
    tool = new_tool(phone={"limits": limits})
    result = await bounded(tool.execute(to=CALLEE, max_duration_sec=10))
    assert result.status == "timeout"
    assert not network.live_legs


async def test_a_hang_up_that_is_never_taken_still_gives_a_result(network, new_tool):
    """And the carrier's own time limit ends the leg, a little after ours would have."""
    network.add(CALLEE, Callee(behave="silent"))
    network.faults.hang_ups("503", times=None)
    limits = Limits(ending_sec=2.0)
    tool = new_tool(phone={"limits": limits})
    result = await bounded(tool.execute(to=CALLEE, max_duration_sec=10))
    assert (result.status, result.error_code) == ("timeout", "deadline")
    await network.until(lambda: not network.live_legs)
    (leg,) = network.dials
    assert leg.time_limit_sec == 10 + 15
