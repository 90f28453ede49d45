"""The phone as an MCP server: `patter mcp`, or `mcp_server(phone, agent={...}).run()`.

Clients of MCP give up on a tool after 5, 60 or 300 seconds, whatever it reports meanwhile. So
`make_phone_call` returns soon, with the call `in_progress` when it still is; `get_phone_call` waits
on, and `end_phone_call` hangs up.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, cast

from pydantic import BaseModel, ConfigDict, Field

from patter.extras import needs_extra
from patter_core.calls.result import CallResult, rejected
from patter_core.contract.keys import derived_key
from patter_core.contract.phone_tool import PatterTool, as_phone_tool
from patter_core.contract.progress import event_data
from patter_core.errors import PatterError

with needs_extra("mcp", "mcp"):
    from mcp.server.elicitation import AcceptedElicitation, ElicitationResult
    from mcp.server.mcpserver import Context, MCPServer
    from mcp.server.mcpserver.resolve import Elicit, Resolve
    from mcp.server.mcpserver.tools import Tool
    from mcp_types import CallToolResult, TextContent, ToolAnnotations

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping

    from patter_core.agent import Agent
    from patter_core.calls.events import ProgressEvent
    from patter_core.phone import Patter
    from patter_core.switchboard.live_call import LiveCall

DEFAULT_WAIT_SEC = 4.0
"""Less than the five seconds after which the most impatient client gives up."""
LONGEST_WAIT_SEC = 280.0
LONGEST_ENDING_SEC = 15.0
_KEPT_CALLS = 200  # How many finished calls are remembered; older ones are in the ledger.

_CALL_ID = {"call_id": {"type": "string", "description": "The id that make_phone_call returned."}}
_WAIT = {
    "wait_sec": {
        "type": "number",
        "description": "Seconds to wait for the call's end before answering in_progress.",
        "minimum": 0,
        "maximum": LONGEST_WAIT_SEC,
    }
}
_ENVELOPE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "call_id": {"type": "string"},
        "status": {"type": "string"},
        "transcript": {"type": "array", "items": {"type": "object"}},
        "error": {"type": ["string", "null"]},
        "error_code": {"type": ["string", "null"]},
        "may_have_dialed": {"type": "boolean"},
    },
    "required": ["call_id", "status", "transcript", "error", "error_code", "may_have_dialed"],
}
_LATER = (
    "When the status is in_progress the call goes on: wait for its end with get_phone_call, or "
    "hang up with end_phone_call. Never call again for the same purpose meanwhile."
)


class Approval(BaseModel):
    """What a person is asked."""

    model_config = ConfigDict(title="Phone call")

    approve: Annotated[bool, Field(title="Make the call", description="Ring this number now?")]


@dataclass(slots=True)
class _Call:
    """A call that was begun, and what was told of it so far."""

    live: LiveCall
    following: asyncio.Task[CallResult]
    told: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    news: asyncio.Event = field(default_factory=asyncio.Event)


class _Calls:
    """The calls of one server, while it runs."""

    def __init__(
        self, tool: PatterTool, group: asyncio.TaskGroup, *, wait_sec: float, ask_first: bool
    ) -> None:
        self.tool = tool
        self.ask_first = ask_first
        self._wait_sec = wait_sec
        self._group = group
        self._by_id: dict[str, _Call] = {}

    def read(self, ctx: Context[Any, Any]) -> tuple[dict[str, Any], float]:
        """What the model asked for, untouched, and how long to wait."""
        params = ctx.request_context.params or {}
        asked = dict(cast("Mapping[str, Any]", params.get("arguments") or {}))
        given = asked.pop("wait_sec", None)
        usable = isinstance(given, int | float) and not isinstance(given, bool)
        wait_sec = float(given) if usable and given == given else self._wait_sec
        return asked, min(max(wait_sec, 0.0), LONGEST_WAIT_SEC)

    async def begin(self, arguments: dict[str, Any], key: str | None) -> _Call | CallResult:
        """Ask for a call; a result when it cannot be made."""
        live = await self.tool.begin(arguments, idempotency_key=key)
        if isinstance(live, CallResult):
            return live
        call: _Call

        def tell(event: ProgressEvent) -> None:
            self._by_id[event.call_id] = call
            call.told.append(event_data(event))
            call.news.set()

        call = _Call(live, self._group.create_task(self.tool.follow(live, on_event=tell)))
        return call

    def find(self, call_id: str) -> _Call | None:
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

    async def waited(self, call: _Call, wait_sec: float, ctx: Context[Any, Any]) -> CallResult:
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


async def _ask(ctx: Context[Any, Any]) -> Approval | Elicit[Approval]:
    """A person's approval, where the client can ask for one and the call could be made."""
    calls = _calls(ctx)
    asked, _wait_sec = calls.read(ctx)
    capabilities = ctx.client_capabilities
    can_ask = capabilities is not None and capabilities.elicitation is not None
    if not (calls.ask_first and can_ask) or calls.tool.check(asked) is not None:
        return Approval(approve=True)
    goal = f" Goal: {asked['goal']}" if asked.get("goal") else ""
    return Elicit(f"Ring {asked['to']} now?{goal}", Approval)


async def _make(
    ctx: Context[Any, Any], approval: Annotated[ElicitationResult[Approval], Resolve(_ask)]
) -> CallToolResult:
    calls = _calls(ctx)
    asked, wait_sec = calls.read(ctx)
    if not (isinstance(approval, AcceptedElicitation) and approval.data.approve):
        return _output(rejected(str(asked.get("to", "")), "approval_denied", "It was not approved"))
    key = derived_key("mcp", _session_id(ctx), ctx.request_id)
    call = await calls.begin(asked, key)
    if isinstance(call, CallResult):
        return _output(call)
    try:
        return _output(await calls.waited(call, wait_sec, ctx))
    except asyncio.CancelledError:
        call.live.leave()  # Whoever gave up does not know the call's id, and cannot end it.
        raise


async def _get(ctx: Context[Any, Any]) -> CallToolResult:
    calls = _calls(ctx)
    asked, wait_sec = calls.read(ctx)
    call_id = str(asked.get("call_id", ""))
    call = calls.find(call_id)
    if call is not None:
        return _output(await calls.waited(call, wait_sec, ctx))
    return _output(await calls.earlier(call_id))


async def _end(ctx: Context[Any, Any]) -> CallToolResult:
    calls = _calls(ctx)
    asked, _wait_sec = calls.read(ctx)
    call_id = str(asked.get("call_id", ""))
    call = calls.find(call_id)
    if call is None:
        return _output(await calls.earlier(call_id))
    await call.live.hang_up()
    return _output(await calls.waited(call, LONGEST_ENDING_SEC, ctx))


def mcp_server(
    phone: Patter | PatterTool,
    *,
    agent: Agent | dict[str, Any] | None = None,
    wait_sec: float = DEFAULT_WAIT_SEC,
    ask_first: bool = False,
    **options: Any,
) -> MCPServer[Any]:
    """An MCP server with `make_phone_call`, `get_phone_call` and `end_phone_call`.

    `server.run()` speaks over standard input and output, `server.run("streamable-http", port=...)`
    over HTTP. The phone is open while it runs.

    Args:
        phone: A phone, or a tool made of one.
        agent: Who speaks on the phone: an agent, or a dict of `phone.agent` keywords.
        wait_sec: How long a tool waits for the call's end when the model does not say. The default
            suits clients that give up after five seconds.
        ask_first: Ask the person at the client before each call, where the client can ask.
        **options: What `PatterTool` takes: `name`, `description`, `max_duration_sec`, `approve`,
            `on_event`.

    Raises:
        ConfigError: The agent or an option is not usable; it says what to do.
    """
    tool = as_phone_tool(phone, agent=agent, **options)

    @contextlib.asynccontextmanager
    async def lifespan(_server: MCPServer[Any]) -> AsyncGenerator[_Calls]:
        await tool.start()
        try:
            async with asyncio.TaskGroup() as group:
                try:
                    yield _Calls(tool, group, wait_sec=wait_sec, ask_first=ask_first)
                finally:
                    await tool.stop()  # Ends every call, and so whoever follows one.
        finally:
            await tool.stop()

    schema = tool.schema()
    schema["properties"] |= _WAIT
    tools = [
        _described(_make, tool.name, f"{tool.description} {_LATER}", schema, rings=True),
        _described(
            _get,
            "get_phone_call",
            "What became of a phone call, or how it stands; waits up to wait_sec for its end.",
            _object(_CALL_ID | _WAIT),
            read_only=True,
        ),
        _described(
            _end,
            "end_phone_call",
            "Hang up a phone call that is in progress, and return its result.",
            _object(_CALL_ID),
        ),
    ]
    return MCPServer("patter", tools=tools, lifespan=lifespan, log_level="WARNING")


def _described(
    function: Callable[..., Awaitable[CallToolResult]],
    name: str,
    description: str,
    schema: dict[str, Any],
    *,
    rings: bool = False,
    read_only: bool = False,
) -> Tool:
    tool = Tool.from_function(
        function,
        name=name,
        description=description,
        annotations=ToolAnnotations(
            read_only_hint=read_only,
            destructive_hint=not read_only,
            idempotent_hint=not rings,
            open_world_hint=True,
        ),
        structured_output=False,
    )
    # Derived from a signature it would be another schema, checked by another checker.
    tool.parameters = schema
    tool.fn_metadata.output_schema = _ENVELOPE
    return tool


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": ["call_id"],
        "additionalProperties": False,
    }


def _calls(ctx: Context[Any, Any]) -> _Calls:
    return cast("_Calls", ctx.request_context.lifespan_context)


def _session_id(ctx: Context[Any, Any]) -> str | None:
    """The HTTP session's id; None on stdio, and where the protocol has no sessions."""
    headers = ctx.headers
    return None if headers is None else headers.get("mcp-session-id")


def _output(result: CallResult) -> CallToolResult:
    return CallToolResult(
        content=[TextContent(type="text", text=result.to_json())],
        structured_content=result.to_dict(),
        is_error=result.is_error,
    )


def _as_message(data: Mapping[str, Any]) -> str:
    """One line for a person who watches."""
    if data["type"] == "turn":
        return f"{data['turn']['role']}: {data['turn']['text']}"
    return str(data["type"])
