"""The server, and the phone that is open while it runs."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from mcp.server.mcpserver import MCPServer

from patter.mcp.calls import Calls
from patter.mcp.descriptions import described
from patter_core.contract.phone_tool import PatterTool, as_phone_tool

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from patter_core.agent import Agent
    from patter_core.phone import Patter

DEFAULT_WAIT_SEC = 4.0
"""Less than the five seconds after which the most impatient client gives up."""


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
    async def lifespan(_server: MCPServer[Any]) -> AsyncGenerator[Calls]:
        await tool.start()
        try:
            async with asyncio.TaskGroup() as group:
                try:
                    yield Calls(tool, group, wait_sec=wait_sec, ask_first=ask_first)
                finally:
                    await tool.stop()  # Ends every call, and so whoever follows one.
        finally:
            await tool.stop()

    return MCPServer("patter", tools=described(tool), lifespan=lifespan, log_level="WARNING")
