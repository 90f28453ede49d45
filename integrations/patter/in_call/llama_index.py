"""LlamaIndex's tools, for the agent that speaks on the phone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from patter.extras import needs_extra
from patter_core.errors import ConfigError
from patter_core.tools.definition import Tool

with needs_extra("llama_index", "llama_index"):
    from llama_index.core.tools import BaseTool
    from llama_index.core.tools.types import adapt_to_async_tool

if TYPE_CHECKING:
    from collections.abc import Mapping


def in_call_tool(tool: BaseTool, **options: Any) -> Tool:
    """`tool` for `phone.agent(tools=[...])`.

    It runs where users' code does. A tool that needs a workflow's context cannot be used.

    Args:
        tool: Any LlamaIndex tool.
        **options: The other fields of `Tool`: `reassurance`, `timeout_sec`, `max_retries`, ...

    Raises:
        ConfigError: It is no LlamaIndex tool, or needs a workflow.
    """
    if not isinstance(tool, BaseTool):
        raise ConfigError(f"in_call_tool takes a LlamaIndex tool, not {type(tool).__name__}")
    if getattr(tool, "requires_context", False):
        raise ConfigError(f"in_call_tool: {tool.metadata.name!r} needs a workflow's context")
    asynchronous = adapt_to_async_tool(tool)

    async def handler(arguments: Mapping[str, Any], _context: object) -> str:
        output = await asynchronous.acall(**arguments)
        if output.is_error:
            raise RuntimeError(output.content)
        return output.content

    return Tool(
        name=tool.metadata.get_name(),
        description=tool.metadata.description,
        parameters=cast("dict[str, Any]", tool.metadata.get_parameters_dict()),  # pyright: ignore[reportUnknownMemberType]
        handler=handler,
        **options,
    )
