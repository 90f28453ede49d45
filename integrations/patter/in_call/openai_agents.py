"""Function tools of the OpenAI Agents SDK, for the agent that speaks on the phone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from patter.extras import needs_extra
from patter_core.errors import ConfigError
from patter_core.tools.definition import Tool

with needs_extra("openai_agents", "agents"):
    from agents import FunctionTool
    from agents.tool_context import ToolContext

if TYPE_CHECKING:
    from collections.abc import Mapping


def in_call_tool(tool: FunctionTool, *, context: object = None, **options: Any) -> Tool:
    """`tool` for `phone.agent(tools=[...])`.

    It runs where users' code does, with a run context of its own. Nobody can approve a tool during
    a call.

    Args:
        tool: A function tool.
        context: What the tool finds as its run's context.
        **options: The other fields of `Tool`: `reassurance`, `timeout_sec`, `max_retries`, ...

    Raises:
        ConfigError: It is no function tool, or needs approval.
    """
    if not isinstance(tool, FunctionTool):
        raise ConfigError(f"in_call_tool takes a FunctionTool, not {type(tool).__name__}")
    if tool.needs_approval is not False:
        raise ConfigError(
            f"in_call_tool: {tool.name!r} needs approval, which a call cannot wait for"
        )

    async def handler(arguments: Mapping[str, Any], told: Mapping[str, Any]) -> Any:  # noqa: ANN401 - the tool's
        text = json.dumps(dict(arguments))
        run: ToolContext[Any] = ToolContext(
            context,
            tool_name=tool.name,
            tool_call_id=told["idempotency_key"],
            tool_arguments=text,
        )
        return await tool.on_invoke_tool(run, text)

    return Tool(
        name=tool.name,
        description=tool.description,
        parameters=tool.params_json_schema,
        handler=handler,
        strict=tool.strict_json_schema,
        **options,
    )
