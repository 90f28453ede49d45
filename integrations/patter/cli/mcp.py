"""`patter mcp`: the phone of the environment as an MCP server, on stdio or HTTP."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from patter.cli.phones import FROM_ENVIRONMENT, add_simulate, phone_and_agent

if TYPE_CHECKING:
    import argparse


def add_mcp(commands: Any) -> None:  # noqa: ANN401 - argparse keeps the type to itself
    """Describe the command."""
    mcp = commands.add_parser(
        "mcp",
        help="offer the phone to MCP clients",
        description="An MCP server with make_phone_call, get_phone_call and end_phone_call, over "
        f"standard input and output, or over HTTP. {FROM_ENVIRONMENT}",
    )
    mcp.add_argument(
        "--http",
        type=int,
        metavar="PORT",
        help="listen on this port of 127.0.0.1, at /mcp, instead of stdio",
    )
    mcp.add_argument(
        "--wait-sec",
        type=float,
        metavar="N",
        help="seconds that make_phone_call waits for the end of a call before it answers "
        "in_progress (default: 4, for clients that give up after 5)",
    )
    mcp.add_argument(
        "--ask", action="store_true", help="ask at the client before each call, where it can ask"
    )
    add_simulate(mcp)


def run_mcp(options: argparse.Namespace) -> int:
    """Serve until the client leaves, or the process is stopped."""
    from patter.mcp import DEFAULT_WAIT_SEC, mcp_server

    with ExitStack() as stack:
        phone, agent = phone_and_agent(stack, simulate=options.simulate)
        wait_sec = DEFAULT_WAIT_SEC if options.wait_sec is None else options.wait_sec
        server = mcp_server(phone, agent=agent, wait_sec=wait_sec, ask_first=options.ask)
        if options.http is None:
            server.run()
        else:
            server.run("streamable-http", port=options.http)
    return 0
