"""The three tools that a client sees."""

from __future__ import annotations

import asyncio
from typing import Any

from mcp.server.mcpserver import Context  # noqa: TC002 - the SDK reads it in signatures
from mcp_types import CallToolResult, TextContent

from patter.mcp.approval import Answer, is_yes
from patter.mcp.request import Request
from patter_core.calls.result import CallResult, rejected

LONGEST_ENDING_SEC = 15.0


async def make_phone_call(ctx: Context[Any, Any], answer: Answer) -> CallToolResult:
    """Ring, and wait for a while."""
    request = Request.of(ctx)
    if not is_yes(answer):
        to = str(request.arguments.get("to", ""))
        return _output(rejected(to, "approval_denied", "It was not approved"))
    call = await request.calls.begin(request.arguments, request.key)
    if isinstance(call, CallResult):
        return _output(call)
    try:
        return _output(await request.calls.waited(call, request.wait_sec, ctx))
    except asyncio.CancelledError:
        call.live.leave()  # Whoever gave up does not know the call's id, and cannot end it.
        raise


async def get_phone_call(ctx: Context[Any, Any]) -> CallToolResult:
    """Wait on, or look an earlier call up."""
    request = Request.of(ctx)
    calls, call = request.calls, request.calls.find(request.call_id)
    if call is None:
        return _output(await calls.earlier(request.call_id))
    return _output(await calls.waited(call, request.wait_sec, ctx))


async def end_phone_call(ctx: Context[Any, Any]) -> CallToolResult:
    """Hang up."""
    request = Request.of(ctx)
    calls, call = request.calls, request.calls.find(request.call_id)
    if call is None:
        return _output(await calls.earlier(request.call_id))
    await call.live.hang_up()
    return _output(await calls.waited(call, LONGEST_ENDING_SEC, ctx))


def _output(result: CallResult) -> CallToolResult:
    return CallToolResult(
        content=[TextContent(type="text", text=result.to_json())],
        structured_content=result.to_dict(),
        is_error=result.is_error,
    )
