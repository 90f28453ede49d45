"""How the tools are described to a client, and by it to a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mcp.server.mcpserver.tools import Tool
from mcp_types import ToolAnnotations

from patter.mcp.request import LONGEST_WAIT_SEC
from patter.mcp.tools import end_phone_call, get_phone_call, make_phone_call

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mcp_types import CallToolResult

    from patter_core.contract.phone_tool import PatterTool

_LATER = (
    "While in_progress, get_phone_call waits for the end, end_phone_call hangs up; do not call "
    "again."
)
_CALL_ID = {"call_id": {"type": "string", "description": "The id that make_phone_call returned."}}
_WAIT = {
    "wait_sec": {
        "type": "number",
        "description": f"Seconds to wait for the end, up to {LONGEST_WAIT_SEC:.0f}.",
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


def described(tool: PatterTool) -> list[Tool]:
    """The three tools of a server whose calls `tool` makes."""
    schema = tool.schema()
    schema["properties"] |= _WAIT
    return [
        _tool(make_phone_call, tool.name, f"{tool.description} {_LATER}", schema, rings=True),
        _tool(
            get_phone_call,
            "get_phone_call",
            "What became of a phone call, or how it stands; waits up to wait_sec for its end.",
            _object(_CALL_ID | _WAIT),
            read_only=True,
        ),
        _tool(
            end_phone_call,
            "end_phone_call",
            "Hang up a phone call that is in progress, and return its result.",
            _object(_CALL_ID),
        ),
    ]


def _tool(
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
