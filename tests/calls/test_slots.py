"""More calls than lines: first come, first served, and everybody gets a result."""

from __future__ import annotations

import asyncio

from patter import Limits
from patter.simulator import Callee
from tests.calls.kit import CALLEE, Events, bounded, creates, most_at_once


async def test_thirty_calls_on_three_lines(network, new_tool):
    numbers = [f"+1415555{n:04}" for n in range(30)]
    for number in numbers:
        network.add(number, Callee(says=["Hello?", "Bye."]))
    tool = new_tool(phone={"max_concurrent_calls": 3})
    await tool.start()
    results = await bounded(asyncio.gather(*(tool.execute(to=number) for number in numbers)))
    assert [result.to for result in results] == numbers
    assert {result.status for result in results} == {"completed"}
    assert [leg.to for leg in network.dials] == numbers, "first come, first served"
    assert most_at_once(network.dials) == 3


async def test_one_line_is_the_default(network, new_tool):
    tool = new_tool()
    await bounded(asyncio.gather(*(tool.execute(to=CALLEE) for _ in range(4))))
    assert most_at_once(network.dials) == 1


async def test_a_queue_that_is_full_refuses_at_once(network, new_tool):
    network.add(CALLEE, Callee(says=["Bye."]))
    tool = new_tool(phone={"limits": Limits(queue_length=2)})
    await tool.start()
    results = await bounded(asyncio.gather(*(tool.execute(to=CALLEE) for _ in range(6))))
    assert [result.status for result in results] == ["completed"] * 3 + ["rejected"] * 3
    for result in results[3:]:
        assert (result.error_code, result.retryable) == ("queue_full", True)
        assert not result.may_have_dialed
    assert len(creates(network)) == 3
    assert (await bounded(tool.execute(to=CALLEE))).status == "completed"


async def test_nobody_waits_for_a_line_for_ever(network, new_tool):
    network.add(CALLEE, Callee(behave="silent"))
    tool = new_tool(phone={"limits": Limits(queue_timeout_sec=20)})
    await tool.start()
    long, short = await bounded(
        asyncio.gather(
            tool.execute(to=CALLEE, max_duration_sec=100),
            tool.execute(to=CALLEE, max_duration_sec=5),
        )
    )
    assert long.status == "timeout"
    assert (short.status, short.error_code) == ("rejected", "queue_timeout")
    assert (short.retryable, short.may_have_dialed) == (True, False)
    assert len(creates(network)) == 1
    network.add(CALLEE, Callee(says=["Bye."]))
    assert (await bounded(tool.execute(to=CALLEE))).status == "completed"


async def test_those_who_leave_the_queue_hold_up_nobody(network, new_tool):
    network.add(CALLEE, Callee(behave="silent", rings_sec=0.2))
    tool = new_tool()
    with network.clock.hold():
        first = await bounded(tool.submit(to=CALLEE))
        waiting = [asyncio.create_task(tool.execute(to=CALLEE)) for _ in range(9)]
        await network.until(lambda: tool._phone._opening._open.desk.live == 10)
        for task in waiting[:8]:
            task.cancel()
        await network.until(lambda: tool._phone._opening._open.desk.live == 2)
        network.add(CALLEE, Callee(says=["Bye."]))
        await first.hang_up()
    assert (await bounded(waiting[8])).status == "completed"
    assert len(creates(network)) == 2


async def test_every_kind_of_ending_gives_the_line_back(network, new_tool):
    tool = new_tool(phone={"limits": Limits(look_up_sec=1, dial_request_sec=0.3)})
    faults = network.faults
    for spoil in (
        lambda: faults.create("400"),
        lambda: faults.create("503"),
        lambda: faults.create("hang"),
        lambda: faults.create("429"),
        lambda: faults.media("dropped"),
        lambda: faults.media("never_connects"),
        lambda: faults.callbacks("lost"),
    ):
        spoil()
        await bounded(tool.execute(to=CALLEE))
        faults.clear()
    for behave in ("busy", "no_answer", "unreachable", "voicemail"):
        network.add(CALLEE, Callee(behave=behave))
        await bounded(tool.execute(to=CALLEE))
    network.add(CALLEE, Callee(says=["Bye."]))
    events = Events()
    assert (await bounded(tool.execute(to=CALLEE, on_event=events))).status == "completed"
