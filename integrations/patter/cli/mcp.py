"""`patter mcp`: the phone of the environment as an MCP server, on stdio or HTTP."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse

    from patter_core.phone import Patter


def add_mcp(commands: Any) -> None:  # noqa: ANN401 - argparse keeps the type to itself
    """Describe the command."""
    mcp = commands.add_parser(
        "mcp",
        help="offer the phone to MCP clients",
        description="An MCP server with make_phone_call, get_phone_call and end_phone_call, over "
        "standard input and output, or over HTTP. The phone comes from the environment: "
        "TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN, PATTER_PHONE_NUMBER, PATTER_WEBHOOK_URL.",
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
    mcp.add_argument(
        "--simulate",
        action="store_true",
        help="ring a simulated restaurant, +14155552671, on a phone network on this machine",
    )


def run_mcp(options: argparse.Namespace) -> int:
    """Serve until the client leaves, or the process is stopped."""
    from patter.mcp import DEFAULT_WAIT_SEC, mcp_server
    from patter_core.phone import Patter

    with ExitStack() as stack:
        if options.simulate:
            phone, agent = _simulated(stack)
        else:
            phone, agent = Patter(), None
        wait_sec = DEFAULT_WAIT_SEC if options.wait_sec is None else options.wait_sec
        server = mcp_server(phone, agent=agent, wait_sec=wait_sec, ask_first=options.ask)
        if options.http is None:
            server.run()
        else:
            server.run("streamable-http", port=options.http)
    return 0


def _simulated(stack: ExitStack) -> tuple[Patter, dict[str, Any]]:
    """A phone on the phone network, and a voice that needs no service."""
    from patter.simulator import Callee, PhoneNetwork
    from patter_core.phone import Patter
    from patter_core.pipeline.providers.scripted import ScriptedLLM, ScriptedSTT, ScriptedTTS

    network = stack.enter_context(PhoneNetwork(speed=1.0))
    says = ["Good evening, Trattoria Roma.", "With pleasure. See you then!"]
    network.add("+14155552671", Callee(says=says))
    phone = Patter(
        carrier=network.twilio(),
        phone_number="+14155550100",
        ledger=":memory:",
        clock=network.clock,
    )
    agent: dict[str, Any] = {
        "stt": ScriptedSTT(),
        "llm": ScriptedLLM(["Good evening! A table for four at eight, please."]),
        "tts": ScriptedTTS(),
    }
    return phone, agent
