"""LangChain's tools, for the agent that speaks on the phone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from patter.brains.elsewhere import text_of
from patter.extras import needs_extra
from patter_core.errors import ConfigError
from patter_core.tools.definition import Tool

with needs_extra("langchain", "langchain_core"):
    from langchain_core.messages import ToolMessage
    from langchain_core.tools import BaseTool
    from langchain_core.utils.function_calling import convert_to_openai_tool

if TYPE_CHECKING:
    from collections.abc import Mapping


def in_call_tool(tool: BaseTool, **options: Any) -> Tool:
    """`tool` for `phone.agent(tools=[...])`.

    It is invoked as a tool call is, on the loop where users' code runs; what it raises is a
    failure, which the model hears of.

    Args:
        tool: Any LangChain tool.
        **options: The other fields of `Tool`: `reassurance`, `timeout_sec`, `max_retries`, ...

    Raises:
        ConfigError: It is no LangChain tool.
    """
    if not isinstance(tool, BaseTool):
        raise ConfigError(f"in_call_tool takes a LangChain tool, not {type(tool).__name__}")

    async def handler(arguments: Mapping[str, Any], context: Mapping[str, Any]) -> Any:  # noqa: ANN401 - the tool's
        call = {
            "name": tool.name,
            "args": dict(arguments),
            "id": context["idempotency_key"],
            "type": "tool_call",
        }
        answer = await tool.ainvoke(call)
        if not isinstance(answer, ToolMessage):
            return answer
        if answer.status == "error":
            raise RuntimeError(text_of(answer.content))
        return text_of(answer.content) or answer.content

    shown = convert_to_openai_tool(tool)["function"]
    return Tool(
        name=shown["name"],
        description=shown.get("description", ""),
        parameters=shown["parameters"],
        handler=handler,
        **options,
    )
