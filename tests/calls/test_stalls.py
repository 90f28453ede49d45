"""The engine's thread stands still: that is noticed from outside, and it says where."""

from __future__ import annotations

import logging
import threading

from patter import Limits
from patter.simulator import Callee
from tests.calls.kit import CALLEE, bounded


def hang_here(until):
    until.wait(60)


async def test_a_stalled_engine_is_logged_with_its_stack(network, new_tool, caplog):
    network.add(CALLEE, Callee(says=["Hello?", "Bye."]))
    tool = new_tool(phone={"limits": Limits(stall_sec=0.2)})
    go_on = threading.Event()

    def reports(words):
        return [r for r in caplog.records if words in r.getMessage()]

    with caplog.at_level(logging.WARNING, "patter_core.watchdog"):
        await tool.start()
        tool._phone._opening._open.home.post(hang_here, go_on)
        try:
            await network.until(lambda: any("hang_here" in r.getMessage() for r in reports("")))
        finally:
            go_on.set()
        await network.until(lambda: reports("runs again"))
    # A busy machine may have it stand still before as well.
    report = next(r for r in reports("stood still") if " in hang_here" in r.getMessage())
    assert "test_stalls.py" in report.getMessage()
    assert "until.wait" not in report.getMessage(), "where, and never what"
    assert (await bounded(tool.execute(to=CALLEE))).status == "completed"


async def test_the_watchdog_goes_with_the_phone(new_tool):
    tool = new_tool()
    await tool.start()
    await bounded(tool.stop())
    for thread in threading.enumerate():
        if thread.name == "patter-watchdog":
            thread.join(30)
            assert not thread.is_alive()
