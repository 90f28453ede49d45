"""Whoever asked for a call stops wanting it, in whatever way: nobody stays on the line."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading

import pytest

from patter import Limits
from patter.simulator import Callee
from tests.calls.kit import CALLEE, OTHER_CALLEE, Events, bounded, creates, hang_ups, said

SPEED = 4.0
SOON_SEC = 1.0
"""Within this the leg is gone, whatever happened to whoever asked for it."""


@pytest.fixture
def speed():
    """Slow enough that a call can be caught ringing, or live."""
    return SPEED


@pytest.fixture
def silent(network):
    network.add(CALLEE, Callee(behave="silent", rings_sec=0.2))
    return network


async def gone(network, since):
    """Wait for the leg that was up at `since`, in the network's time, to be gone, and that soon.

    The network's time is a multiple of real time which stands still when the whole machine does.
    """
    await network.until(lambda: not network.live_legs, what="the leg to be gone")
    for leg in network.dials:
        assert leg.ended_at - since <= SOON_SEC * SPEED


async def ended_as(events, tool, network):
    """The terminal result, heard by events and fetched later alike."""
    call_id = events.heard[0].call_id

    async def closed():
        while True:
            result = await tool._phone.result(call_id)
            if result is not None and result.status != "in_progress":
                return result
            await network.until(lambda: True)

    return await bounded(closed())


async def cancelled(task, network):
    """Cancel a run of the tool; it must give way at once: it waits for nothing but its loop.

    Returns:
        When that was, in the network's time.
    """
    since = network.clock.now()
    task.cancel()
    for _ in range(10):
        await asyncio.sleep(0)
    assert task.cancelled()
    return since


async def test_a_cancelled_run_is_hung_up(silent, new_tool):
    events = Events()
    tool = new_tool()
    task = asyncio.create_task(tool.execute(to=CALLEE, first_message="Hi.", on_event=events))
    await silent.until(events.heard_of("turn"))
    await gone(silent, await cancelled(task, silent))
    result = await ended_as(events, tool, silent)
    assert (result.status, result.error_code, result.error) == ("canceled", "canceled", None)
    assert (result.ended_by, result.may_have_dialed) == ("caller", True)
    assert said(result) == [("agent", "Hi.")]
    assert len(creates(silent)) == len(hang_ups(silent)) == 1


async def test_a_run_cancelled_twice_is_hung_up_once(silent, new_tool):
    events = Events()
    tool = new_tool()
    task = asyncio.create_task(tool.execute(to=CALLEE, on_event=events))
    await silent.until(events.heard_of("answered"))
    task.cancel()
    await gone(silent, await cancelled(task, silent))
    assert (await ended_as(events, tool, silent)).status == "canceled"
    assert len(hang_ups(silent)) == 1


async def test_a_run_that_times_out_is_hung_up(silent, new_tool):
    tool = new_tool()
    await tool.start()
    task = asyncio.create_task(tool.execute(to=CALLEE))
    await silent.until(lambda: any(leg.answered for leg in silent.dials))
    since = silent.clock.now()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(task, 0.01)
    await gone(silent, since)
    assert len(silent.dials) == 1


async def test_a_run_cancelled_before_it_began_rings_nobody(silent, new_tool):
    tool = new_tool()
    await tool.start()
    task = asyncio.create_task(tool.execute(to=CALLEE))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    task = asyncio.create_task(tool.execute(to=CALLEE))
    await asyncio.sleep(0)
    await gone(silent, await cancelled(task, silent))
    assert silent.dials == [] or not silent.dials[0].answered


async def test_cancelled_while_it_waits_for_a_line(silent, new_tool):
    tool = new_tool()
    events = Events()
    first = asyncio.create_task(tool.execute(to=CALLEE))
    await silent.until(lambda: silent.live_legs)
    second = asyncio.create_task(tool.execute(to=CALLEE, on_event=events))
    await silent.until(events.heard_of("queued"))
    await cancelled(second, silent)
    assert len(silent.live_legs) == 1, "the other call goes on"
    await gone(silent, await cancelled(first, silent))
    network = silent
    network.add(CALLEE, Callee(says=["Bye."], rings_sec=0.2))
    result = await bounded(tool.execute(to=CALLEE))
    assert result.status == "completed", "the line was given back"
    assert len(creates(network)) == 2


async def test_cancelled_while_it_awaits_approval(silent, new_tool):
    asked = threading.Event()
    stopped = threading.Event()

    async def approve(request):
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    tool = new_tool(approve=approve)
    task = asyncio.create_task(tool.execute(to=CALLEE))
    await silent.until(asked.is_set)
    await cancelled(task, silent)
    await silent.until(stopped.is_set, what="the hook to be cancelled as well")
    assert creates(silent) == []


@pytest.mark.parametrize("created", [True, False])
async def test_cancelled_while_the_carrier_is_silent(silent, new_tool, created):
    silent.faults.create("hang", after_creating=created)
    events = Events()
    limits = Limits(dial_request_sec=0.5, look_up_sec=2.0)
    tool = new_tool(phone={"limits": limits})
    task = asyncio.create_task(tool.execute(to=CALLEE, on_event=events))
    await silent.until(lambda: creates(silent))
    await gone(silent, await cancelled(task, silent))
    result = await ended_as(events, tool, silent)
    assert result.status == "canceled" if created else result.may_have_dialed
    assert len(creates(silent)) == 1
    assert not silent.live_legs


async def test_cancelled_while_it_rings(network, new_tool):
    network.add(CALLEE, Callee(rings_sec=20.0))
    events = Events()
    tool = new_tool()
    task = asyncio.create_task(tool.execute(to=CALLEE, on_event=events))
    await network.until(events.heard_of("ringing"))
    await gone(network, await cancelled(task, network))
    result = await ended_as(events, tool, network)
    assert (result.status, result.may_have_dialed, result.answered_at) == ("canceled", True, None)
    assert network.dials[0].status == "canceled"


async def test_cancelled_while_it_is_being_ended(silent, new_tool):
    """A cancellation neither stops the hang-up under way nor starts another."""
    silent.faults.hang_ups("503")
    tool = new_tool()
    task = asyncio.create_task(tool.execute(to=CALLEE, max_duration_sec=4))
    await silent.until(lambda: hang_ups(silent))
    await cancelled(task, silent)
    await silent.until(lambda: not silent.live_legs, what="the leg to be gone")
    assert [request.status for request in hang_ups(silent)] == [503, 200]
    assert len(creates(silent)) == 1


async def test_a_hook_that_will_not_stop_does_not_delay_the_hang_up(silent, new_tool):
    let_go = asyncio.Event()
    entered = asyncio.Event()

    async def hook(event):
        if event.type == "answered":
            entered.set()
            try:
                await let_go.wait()
            finally:
                await let_go.wait()

    task = asyncio.create_task(new_tool().execute(to=CALLEE, on_event=hook))
    await bounded(entered.wait())
    since = silent.clock.now()
    task.cancel()
    try:
        await gone(silent, since)
    finally:
        let_go.set()
        with pytest.raises(asyncio.CancelledError):
            await bounded(task)


async def test_a_joined_call_goes_on_until_its_last_waiter_leaves(silent, new_tool):
    tool = new_tool()
    events = Events()
    waiters = [
        asyncio.create_task(tool.execute(to=CALLEE, idempotency_key="one", on_event=events))
        for _ in range(3)
    ]
    await silent.until(events.heard_of("answered"))
    await cancelled(waiters[0], silent)
    await cancelled(waiters[2], silent)
    at = silent.clock.now()
    await silent.until(lambda: silent.clock.now() > at + 4)
    assert len(silent.live_legs) == 1, "one still waits for it"
    await gone(silent, await cancelled(waiters[1], silent))
    assert (await ended_as(events, tool, silent)).status == "canceled"
    assert len(creates(silent)) == 1


async def test_a_joiner_gets_the_result_though_the_first_was_cancelled(network, new_tool):
    network.add(CALLEE, Callee(says=["Hello?", "Bye."], rings_sec=1.0))
    tool = new_tool("Yes.")
    events = Events()
    first = asyncio.create_task(tool.execute(to=CALLEE, idempotency_key="k", on_event=events))
    await network.until(events.heard_of("ringing"))
    second = asyncio.create_task(tool.execute(to=CALLEE, idempotency_key="k"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await cancelled(first, network)
    result = await bounded(second)
    assert result.status == "completed"
    assert said(result)


async def test_hanging_up_by_hand_ends_it_for_everybody(silent, new_tool):
    tool = new_tool()
    live = await bounded(tool.submit(to=CALLEE, idempotency_key="k"))
    other = asyncio.create_task(tool.execute(to=CALLEE, idempotency_key="k"))
    await silent.until(lambda: any(leg.answered for leg in silent.dials))
    since = silent.clock.now()
    await live.hang_up()
    await live.hang_up()
    assert (await bounded(live.result())).status == "canceled"
    assert (await bounded(other)).status == "canceled"
    await gone(silent, since)


# --- loops that die ------------------------------------------------------------------------------


def on_a_thread(function):
    """Run `function` on a thread; a future of asyncio that is done when it is."""
    return asyncio.get_running_loop().run_in_executor(None, function)


async def test_asyncio_run_that_ends_right_after_cancelling(silent, new_tool):
    tool = new_tool()
    events = Events()

    async def main():
        task = asyncio.create_task(tool.execute(to=CALLEE, on_event=events))
        await silent.until(events.heard_of("answered"))
        task.cancel()  # And nobody waits for it.
        return silent.clock.now()

    await gone(silent, await bounded(on_a_thread(lambda: asyncio.run(main()))))
    assert (await ended_as(events, tool, silent)).status == "canceled"


async def test_asyncio_run_that_ends_with_the_call_still_up(silent, new_tool):
    tool = new_tool()

    async def main():
        main.task = asyncio.create_task(tool.execute(to=CALLEE))
        await silent.until(lambda: any(leg.answered for leg in silent.dials))
        return silent.clock.now()

    await gone(silent, await bounded(on_a_thread(lambda: asyncio.run(main()))))


async def test_a_run_cancelled_from_another_thread(silent, new_tool):
    tool = new_tool()
    running = {}

    async def main():
        running["loop"] = asyncio.get_running_loop()
        running["task"] = asyncio.create_task(tool.execute(to=CALLEE))
        with contextlib.suppress(asyncio.CancelledError):
            await running["task"]

    thread = on_a_thread(lambda: asyncio.run(main()))
    await silent.until(lambda: any(leg.answered for leg in silent.dials))
    since = silent.clock.now()
    running["loop"].call_soon_threadsafe(running["task"].cancel)
    await gone(silent, since)
    await bounded(thread)


@pytest.mark.parametrize("kept", [True, False], ids=["task kept", "task dropped"])
async def test_a_loop_closed_without_cancelling_anything(silent, new_tool, kept):
    tool = new_tool()
    keeping = []

    def main():
        loop = asyncio.new_event_loop()
        loop.set_exception_handler(lambda *_: None)  # It complains of the task that we drop.
        task = loop.create_task(tool.execute(to=CALLEE))
        loop.run_until_complete(silent.until(lambda: any(leg.answered for leg in silent.dials)))
        if kept:
            keeping.append(task)
        loop.close()
        return silent.clock.now()

    since = await bounded(on_a_thread(main))
    gc.collect()
    try:
        await gone(silent, since)
    finally:
        live = tool._phone._opening._open.desk.live
        if live:
            await bounded(tool.stop())
        for task in keeping:
            task._log_destroy_pending = False


async def test_another_call_is_untouched_by_a_cancelled_one(network, new_tool):
    network.add(CALLEE, Callee(behave="silent", rings_sec=0.2))
    network.add(OTHER_CALLEE, Callee(says=["Hello?", "Fine.", "Bye."], rings_sec=0.2))
    tool = new_tool("How are you?", "Good.", phone={"max_concurrent_calls": 2})
    doomed = asyncio.create_task(tool.execute(to=CALLEE))
    other = asyncio.create_task(tool.execute(to=OTHER_CALLEE))
    await network.until(lambda: len([leg for leg in network.dials if leg.answered]) == 2)
    await cancelled(doomed, network)
    result = await bounded(other)
    assert (result.status, result.ended_by) == ("completed", "callee")
    assert said(result)[-1] == ("user", "Bye.")
