"""Frameworks bring any loop, or none: calls work from everywhere, and hooks run where promised."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from patter import Limits
from patter.simulator import Callee
from tests.calls.kit import CALLEE, Events, bounded, creates, said


@pytest.fixture
def threads():
    with ThreadPoolExecutor(8) as pool:
        yield lambda function, *args: asyncio.get_running_loop().run_in_executor(
            pool, function, *args
        )


class Where:
    """A hook, async or plain, that notes the loop and the thread it runs on."""

    def __init__(self):
        self.loops, self.threads = set(), set()

    def plain(self, _event):
        self.threads.add(threading.current_thread())
        return True

    async def on_a_loop(self, _event):
        self.threads.add(threading.current_thread())
        self.loops.add(asyncio.get_running_loop())
        return True

    @property
    def names(self):
        return {thread.name for thread in self.threads}


def never_the_engines(where):
    assert where.threads
    assert not any(name.startswith("patter-home") for name in where.names)


async def test_three_loops_in_three_threads_share_one_phone(network, new_tool, threads):
    for n in range(3):
        network.add(f"+1415555000{n}", Callee(says=["Hello?", f"This is {n}.", "Bye."]))
    tool = new_tool(phone={"max_concurrent_calls": 3})

    def calls(n):
        async def main():
            return [await tool.execute(to=f"+1415555000{n}", goal=f"goal {n}") for _ in range(3)]

        return asyncio.run(main())

    rounds = await bounded(asyncio.gather(*(threads(calls, n) for n in range(3))))
    for n, results in enumerate(rounds):
        for result in results:
            assert result.status == "completed"
            assert ("user", f"This is {n}.") in said(result)
    assert len(creates(network)) == 9


async def test_a_new_loop_for_every_call(network, new_tool, threads):
    tool = new_tool()
    for _ in range(3):
        result = await bounded(threads(lambda: asyncio.run(tool.execute(to=CALLEE))))
        assert result.status == "completed"


async def test_blocking_from_plain_threads(network, new_tool, threads):
    tool = new_tool(phone={"max_concurrent_calls": 4})
    results = await bounded(
        asyncio.gather(*(threads(lambda: tool.execute_blocking(to=CALLEE)) for _ in range(4)))
    )
    assert {result.status for result in results} == {"completed"}


async def test_blocking_inside_a_running_loop(network, new_tool):
    """As some frameworks do: the loop stands still meanwhile, the call does not."""
    result = new_tool().execute_blocking(to=CALLEE)
    assert result.status == "completed"


async def test_blocking_on_the_guest_loops_own_thread_with_async_hooks(network, new_tool):
    where = Where()
    tool = new_tool(approve=where.on_a_loop, on_event=where.on_a_loop)
    await tool.start()
    result = tool.execute_blocking(to=CALLEE)
    assert result.status == "completed"
    never_the_engines(where)
    assert asyncio.get_running_loop() not in where.loops
    assert where.names == {"patter-spare"}


async def test_blocking_from_a_thread_runs_async_hooks_on_the_guest_loop(
    network, new_tool, threads
):
    where = Where()
    tool = new_tool(approve=where.on_a_loop, on_event=where.on_a_loop)
    await tool.start()
    result = await bounded(threads(lambda: tool.execute_blocking(to=CALLEE)))
    assert result.status == "completed"
    assert where.loops == {asyncio.get_running_loop()}


async def test_blocking_without_any_loop_runs_async_hooks_on_a_spare_one(
    network, new_tool, threads
):
    where = Where()
    tool = new_tool(approve=where.on_a_loop, on_event=where.on_a_loop)
    result = await bounded(threads(lambda: tool.execute_blocking(to=CALLEE)))
    assert result.status == "completed"
    assert where.names == {"patter-spare"}


async def test_async_hooks_run_on_the_loop_that_started_the_phone(network, new_tool, threads):
    where = Where()
    tool = new_tool(approve=where.on_a_loop, on_event=where.on_a_loop)
    await tool.start()
    result = await bounded(threads(lambda: asyncio.run(tool.execute(to=CALLEE))))
    assert result.status == "completed"
    assert where.loops == {asyncio.get_running_loop()}
    assert where.threads == {threading.current_thread()}


async def test_without_a_start_async_hooks_run_on_the_loop_that_awaits(network, new_tool, threads):
    where = Where()
    tool = new_tool(approve=where.on_a_loop, on_event=where.on_a_loop)

    def main():
        loop = asyncio.new_event_loop()
        try:
            return loop, loop.run_until_complete(tool.execute(to=CALLEE))
        finally:
            loop.close()

    loop, result = await bounded(threads(main))
    assert result.status == "completed"
    assert where.loops == {loop}


async def test_a_guest_loop_that_is_gone_is_not_used(network, new_tool, threads):
    where = Where()
    tool = new_tool(approve=where.on_a_loop)
    await bounded(threads(lambda: asyncio.run(tool.start())))
    result = await bounded(tool.execute(to=CALLEE))
    assert result.status == "completed"
    assert where.loops == {asyncio.get_running_loop()}


async def test_plain_hooks_of_the_tool_run_on_threads_of_their_own(network, new_tool):
    where = Where()
    tool = new_tool(approve=where.plain, on_event=where.plain)
    result = await bounded(tool.execute(to=CALLEE))
    assert result.status == "completed"
    never_the_engines(where)
    assert threading.current_thread() not in where.threads
    assert all(name.startswith("patter-guest") for name in where.names)


async def test_the_on_event_of_one_call_runs_in_the_task_that_awaits_it(network, new_tool):
    where = Where()
    result = await bounded(new_tool().execute(to=CALLEE, on_event=where.on_a_loop))
    assert result.status == "completed"
    assert where.loops == {asyncio.get_running_loop()}
    plain = Where()
    await bounded(new_tool().execute(to=CALLEE, on_event=plain.plain))
    assert plain.threads == {threading.current_thread()}


async def test_the_on_event_of_a_blocking_call_runs_in_the_calling_thread(
    network, new_tool, threads
):
    tool = new_tool()
    events = Events()

    def main():
        return threading.current_thread(), tool.execute_blocking(to=CALLEE, on_event=events)

    thread, result = await bounded(threads(main))
    assert result.status == "completed"
    assert events.types[-1] == "ended"
    assert set(events.threads) == {thread}


# --- hooks that misbehave ------------------------------------------------------------------------

ERRORS = [RuntimeError("boom"), asyncio.CancelledError(), StopIteration(), SystemExit(1)]


@pytest.mark.parametrize("error", ERRORS[:3], ids=lambda error: type(error).__name__)
async def test_an_on_event_that_raises_changes_nothing(network, new_tool, error):
    def hook(event):
        raise error

    async def async_hook(event):
        raise error

    for one_call in (hook, async_hook):
        for every_call in (hook, async_hook):
            tool = new_tool(on_event=every_call)
            result = await bounded(tool.execute(to=CALLEE, on_event=one_call))
            assert result.status == "completed"


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
async def test_a_plain_on_event_that_raises_changes_nothing_for_a_blocking_call(
    network, new_tool, threads, error
):
    def hook(event):
        raise error

    tool = new_tool(on_event=hook)
    result = await bounded(threads(lambda: tool.execute_blocking(to=CALLEE)))
    assert result.status == "completed"
    again = await bounded(tool.execute(to=CALLEE))
    assert again.status == "completed"


async def test_an_on_event_that_raises_once_hears_the_rest(network, new_tool):
    events = Events()

    def hook(event):
        events(event)
        if event.type in ("queued", "answered"):
            raise RuntimeError("boom")

    await bounded(new_tool().execute(to=CALLEE, on_event=hook))
    assert events.types[0] == "queued"
    assert events.types[-1] == "ended"


async def test_an_on_event_that_never_returns_holds_the_result_up_only_so_long(network, new_tool):
    async def hook(event):
        await asyncio.Event().wait()

    tool = new_tool(phone={"limits": Limits(hooks_sec=0.2)})
    result = await bounded(tool.execute(to=CALLEE, on_event=hook))
    assert result.status == "completed"


async def test_a_plain_on_event_that_blocks_holds_the_result_up_only_so_long(network, new_tool):
    release = threading.Event()
    tool = new_tool(
        on_event=lambda event: release.wait(90), phone={"limits": Limits(hooks_sec=0.2)}
    )
    try:
        result = await bounded(tool.execute(to=CALLEE))
        assert result.status == "completed"
    finally:
        release.set()


@pytest.mark.parametrize("kind", ["async", "plain"])
async def test_an_on_event_that_never_returns_does_not_keep_a_blocking_call(
    network, new_tool, threads, kind
):
    release = threading.Event()

    async def hook(event):
        await asyncio.get_running_loop().run_in_executor(None, release.wait, 90)

    tool = new_tool(
        on_event=hook if kind == "async" else lambda event: release.wait(90),
        phone={"limits": Limits(hooks_sec=0.2)},
    )
    try:
        result = await bounded(threads(lambda: tool.execute_blocking(to=CALLEE)))
        assert result.status == "completed"
    finally:
        release.set()


async def test_a_guest_loop_that_blocks_does_not_stop_the_conversation(network, new_tool, threads):
    """The author's own loop stands still for a second; the callee hears every word meanwhile."""
    network.add(CALLEE, Callee(says=["Hello?", "Go on.", "Bye."]))
    tool = new_tool("One.", "Two.")
    blocked = threading.Event()

    async def stall(event):
        if event.type == "answered":
            blocked.wait(1.0)

    result = await bounded(tool.execute(to=CALLEE, first_message="Hi.", on_event=stall))
    assert result.status == "completed"
    assert said(result)[-1] == ("user", "Bye.")


async def test_a_hook_may_make_a_call_of_its_own(network, new_tool):
    inner = []
    tool = new_tool(phone={"max_concurrent_calls": 2})

    async def hook(event):
        if event.type == "ended" and not inner:
            inner.append(None)
            inner[0] = await tool.execute(to=CALLEE)

    result = await bounded(tool.execute(to=CALLEE, on_event=hook))
    assert result.status == "completed"
    assert inner[0].status == "completed"


async def test_a_live_call_can_be_used_from_another_loop(network, new_tool, threads):
    network.add(CALLEE, Callee(behave="silent"))
    tool = new_tool()
    with network.clock.hold():
        live = await bounded(tool.submit(to=CALLEE, max_duration_sec=1800))
        await network.until(lambda: any(leg.stream_parameters for leg in network.dials))

        async def elsewhere():
            kinds = []
            async for event in live.events():
                kinds.append(event.type)
                if event.type == "answered":
                    await live.hang_up()
            return kinds, await live.result()

        kinds, result = await bounded(threads(lambda: asyncio.run(elsewhere())))
    assert kinds == ["queued", "dialing", "ringing", "answered", "ended"]
    assert result.status == "canceled"
    assert (await bounded(live.result())) == result


async def test_words_put_into_the_agents_mouth_are_said(network, new_tool):
    network.add(CALLEE, Callee(behave="silent", hangs_up_after_sec=30.0))
    tool = new_tool()
    with network.clock.hold():
        live = await bounded(tool.submit(to=CALLEE, first_message="Hi."))
        assert not await live.say("Too early.")
    async for event in live.events():
        if event.type == "turn":
            break
    assert await live.say("One more thing.")
    result = await bounded(live.result())
    assert said(result) == [("agent", "Hi."), ("agent", "One more thing.")]
    assert not await live.say("Too late.")


async def test_a_cancelled_wait_for_a_result_leaves_a_submitted_call_alone(network, new_tool):
    tool = new_tool()
    live = await bounded(tool.submit(to=CALLEE))
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(live.result(), 0.001)
    assert (await bounded(live.result())).status == "completed"
