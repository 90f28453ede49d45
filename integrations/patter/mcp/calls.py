"""The calls of one MCP server, while it runs."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from patter_core.calls.result import CallResult, rejected
from patter_core.contract.progress import event_data
from patter_core.errors import PatterError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mcp.server.mcpserver import Context

    from patter_core.calls.events import ProgressEvent
    from patter_core.contract.phone_tool import PatterTool
    from patter_core.switchboard.live_call import LiveCall

_KEPT_CALLS = 200  # How many finished calls are remembered; older ones are in the ledger.


@dataclass(slots=True)
class Call:
    """A call that was begun, and what was told of it so far."""

    live: LiveCall
    following: asyncio.Task[CallResult]
    told: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    news: asyncio.Event = field(default_factory=asyncio.Event)


class Calls:
    """The calls of one server, while it runs."""

    def __init__(
        self, tool: PatterTool, group: asyncio.TaskGroup, *, wait_sec: float, ask_first: bool
    ) -> None:
        self.tool = tool
        self.ask_first = ask_first
        self.wait_sec = wait_sec
        self._group = group
        self._by_id: dict[str, Call] = {}

    async def begin(self, arguments: dict[str, Any], key: str | None) -> Call | CallResult:
        """Ask for a call; a result when it cannot be made."""
        live = await self.tool.begin(arguments, idempotency_key=key)
        if isinstance(live, CallResult):
            return live
        call: Call

        def tell(event: ProgressEvent) -> None:
            self._by_id[event.call_id] = call
            call.told.append(event_data(event))
            call.news.set()

        call = Call(live, self._group.create_task(self.tool.follow(live, on_event=tell)))
        return call

    def find(self, call_id: str) -> Call | None:
        """The call, as long as it is remembered."""
        while len(self._by_id) > _KEPT_CALLS:
            oldest = next(iter(self._by_id))
            if not self._by_id[oldest].following.done():
                break
            del self._by_id[oldest]
        return self._by_id.get(call_id)

    async def earlier(self, call_id: str) -> CallResult:
        """What the ledger knows of a call that is not remembered here."""
        try:
            known = await self.tool.result(call_id) if call_id else None
        except PatterError:
            known = None
        if known is None:
            return rejected(
                "", "invalid_arguments", f"There is no call with the id {call_id[:40]!r}"
            )
        return known

    async def waited(self, call: Call, wait_sec: float, ctx: Context[Any, Any]) -> CallResult:
        """The result, or how it stands after `wait_sec`; each event is reported as progress."""
        reported = 0
        call.following.add_done_callback(lambda _: call.news.set())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_sec):
                while True:
                    call.news.clear()
                    for data in call.told[reported:]:
                        reported += 1
                        await ctx.report_progress(reported, message=_as_message(data))
                    if call.following.done():
                        return call.following.result()
                    await call.news.wait()
        if not call.live.call_id:  # Not even begun: a moment, so that there is an id to ask with.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(call.live.settled()), 1.0)
        return call.live.snapshot()


def _as_message(data: Mapping[str, Any]) -> str:
    """One line for a person who watches."""
    if data["type"] == "turn":
        return f"{data['turn']['role']}: {data['turn']['text']}"
    return str(data["type"])
