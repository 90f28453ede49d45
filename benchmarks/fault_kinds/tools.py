"""The developer's tools, during a call."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from benchmarks.fault_bench import Fault, Tally
from benchmarks.fault_kinds.providers import realtime_call
from patter import Patter
from patter_core.simulator import ToolCall


def tools() -> list[Fault]:
    """A tool of the developer's misbehaves during a call."""

    async def hang() -> str:
        """Hang."""
        await asyncio.Event().wait()
        return ""

    async def raises() -> str:
        """Raise."""
        raise RuntimeError("a mistake in a tool")

    def block() -> str:
        """Block."""

        time.sleep(1.5)
        return "done"

    async def huge() -> str:
        """Say far too much."""
        return "x" * 5_000_000

    faults = []
    for name, function in (("hang", hang), ("raise", raises), ("block", block), ("huge", huge)):
        function.__name__ = f"tool_{name}"

        async def run(function: Any = function, name: str = name) -> Tally:
            script = (ToolCall(f"tool_{name}", {}), "Thank you.", "Bye.")
            return await realtime_call(None, 0, script=script, tools=[Patter.tool(function)])

        faults.append(Fault(f"tool: {name}", "by its handler", run, 2))
    return faults
