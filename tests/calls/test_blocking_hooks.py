"""Hooks that block for ever: those of other calls are heard all the same."""

from __future__ import annotations

import asyncio
import threading

from patter import Limits
from tests.calls.kit import CALLEE, bounded


async def test_many_approvals_that_block_stop_no_later_one(network, new_tool):
    release = threading.Event()

    def approve(request):
        if request.goal != "quick":
            release.wait(90)
        return True

    tool = new_tool(approve=approve, phone={"limits": Limits(approve_timeout_sec=0.3)})
    try:
        slow = [tool.execute(to=CALLEE, goal="slow") for _ in range(12)]
        for result in await bounded(asyncio.gather(*slow)):
            assert result.error_code == "approval_denied"
        assert (await bounded(tool.execute(to=CALLEE, goal="quick"))).status == "completed"
    finally:
        release.set()
