"""`patter serve`: answers whoever rings the phone's number, until it is stopped."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from patter.cli.phones import FROM_ENVIRONMENT

if TYPE_CHECKING:
    import argparse


def add_serve(commands: Any) -> None:  # noqa: ANN401 - argparse keeps the type to itself
    """Add the subcommand."""
    serve = commands.add_parser(
        "serve",
        help="answer whoever rings the phone's number",
        description="Answers calls until it is stopped (SIGINT or SIGTERM); calls that are up "
        "then are ended first. What happens is logged to standard error. The number's voice "
        "webhook at the carrier is to be https://PATTER_WEBHOOK_URL/twilio/voice. "
        f"{FROM_ENVIRONMENT}",
    )
    serve.add_argument("--system-prompt", metavar="TEXT", default="", help="who the agent is")
    serve.add_argument(
        "--first-message", metavar="TEXT", default="", help="the first thing said on answer"
    )
    serve.add_argument("--host", help="where to listen (default: everywhere)")
    serve.add_argument("--port", type=int, help="where to listen (default: $PORT, or 8000)")


def run_serve(options: argparse.Namespace) -> int:
    """Serve until stopped.

    Raises:
        ConfigError: The environment does not describe a phone, or it cannot listen.
    """
    from patter_core.phone import Patter

    phone = Patter()
    agent = phone.agent(system_prompt=options.system_prompt, first_message=options.first_message)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("patter_core").setLevel(logging.INFO)
    print(f"The number's voice webhook is {phone.url}/twilio/voice", flush=True)
    asyncio.run(phone.serve(agent, options.port, options.host, handle_signals=True))
    return 0
