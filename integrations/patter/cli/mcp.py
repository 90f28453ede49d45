"""`patter mcp`: the phone of the environment as an MCP server, on stdio or HTTP."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from patter.cli.phones import FROM_ENVIRONMENT, add_simulate, phone_and_agent

if TYPE_CHECKING:
    import argparse
    from collections.abc import Generator
    from types import FrameType

    from patter_core.phone import Patter


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
    with ExitStack() as stack:
        phone, agent = phone_and_agent(stack, simulate=options.simulate)
        serve_mcp(phone, agent, port=options.http, wait_sec=options.wait_sec, ask_first=options.ask)
    return 0


def serve_mcp(
    phone: Patter,
    agent: dict[str, Any],
    *,
    port: int | None = None,
    wait_sec: float | None = None,
    ask_first: bool = False,
) -> None:
    """Offer `phone` on standard input and output, or on a port, until that is over."""
    from patter.mcp import DEFAULT_WAIT_SEC, mcp_server

    wait_sec = DEFAULT_WAIT_SEC if wait_sec is None else wait_sec
    server = mcp_server(phone, agent=agent, wait_sec=wait_sec, ask_first=ask_first)
    with _closed_at_signals(phone):
        if port is None:
            server.run()
        else:  # It ends its connections at a signal, and then passes that on.
            server.run("streamable-http", port=port)


@contextmanager
def _closed_at_signals(phone: Patter) -> Generator[None]:
    """Close `phone` at SIGINT and SIGTERM, and end the process then.

    What reads standard input waits on a thread that nothing can wake, so that the server could not
    be left while its client keeps that open.
    """

    def end(_number: int, _frame: FrameType | None) -> None:
        closing = threading.Thread(target=lambda: asyncio.run(phone.aclose()))
        closing.start()
        closing.join()
        os._exit(0)

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
