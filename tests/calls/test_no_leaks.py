"""A phone that has made a hundred calls is as it was before them."""

from __future__ import annotations

import asyncio
import gc
import threading

import psutil

from patter.simulator import Callee
from tests.calls.kit import CALLEE, bounded, scripted


def engines_tasks(tool):
    return len(asyncio.all_tasks(tool._phone._opening._open.home._loop))


def footprint(tool):
    gc.collect()
    process = psutil.Process()
    return {
        "tasks of the engine": engines_tasks(tool),
        "tasks of ours": len(asyncio.all_tasks()),
        "threads": threading.active_count(),
        "file descriptors": process.num_fds(),
        "children": len(process.children()),
        "live calls": tool._phone._opening._open.desk.live,
    }


async def settled(tool, network, wanted):
    """Connections close a moment after their call."""

    def same():
        now = footprint(tool)
        return all(now[name] <= wanted[name] for name in wanted)

    try:
        await network.until(same)
    except TimeoutError:
        assert footprint(tool) == wanted


async def test_a_hundred_calls_leave_nothing_behind(network, new_tool, tmp_path):
    network.add(CALLEE, Callee(says=["Hello?", "Bye."]))
    tool = new_tool(phone={"ledger": tmp_path / "calls.sqlite"})
    for _ in range(3):
        await bounded(tool.execute(to=CALLEE))
    await network.until(lambda: tool._phone._opening._open.desk.live == 0)
    before = footprint(tool)
    for n in range(100):
        result = await bounded(
            tool.execute(to=CALLEE, idempotency_key=str(n), on_event=lambda event: None)
        )
        assert result.status == "completed"
    await settled(tool, network, before)


async def test_calls_that_end_badly_leave_nothing_behind(network, new_tool):
    network.add(CALLEE, Callee(behave="silent"))
    tool = new_tool(phone={"max_concurrent_calls": 3})
    await bounded(tool.execute(to=CALLEE, max_duration_sec=3))
    await network.until(lambda: tool._phone._opening._open.desk.live == 0)
    before = footprint(tool)
    for _ in range(10):
        network.faults.create("400")
        await bounded(tool.execute(to=CALLEE))
        network.faults.media("never_connects")
        await bounded(tool.execute(to=CALLEE))
        task = asyncio.create_task(tool.execute(to=CALLEE, max_duration_sec=1800))
        await network.until(lambda: network.live_legs)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await network.until(lambda: not network.live_legs)
    await settled(tool, network, before)


async def test_opening_and_closing_leaves_nothing_behind(network, new_phone, tmp_path):
    from patter import PatterTool

    process = psutil.Process()

    async def once(n):
        tool = PatterTool(new_phone(ledger=tmp_path / f"{n % 2}.sqlite"), scripted())
        await bounded(tool.execute(to=CALLEE, idempotency_key=str(n)))
        await bounded(tool.stop())

    for n in range(2):
        await once(n)
    gc.collect()
    threads, files = threading.active_count(), process.num_fds()
    for n in range(2, 12):
        await once(n)
    gc.collect()
    await network.until(
        lambda: threading.active_count() <= threads and process.num_fds() <= files,
        what="threads and files to be as they were",
    )
