"""`patter`: reads the command line and runs one command.

Exit codes: 0 when it did what it was asked, 1 when it could not, 2 when it was asked wrongly.
"""

from __future__ import annotations

import argparse
import math
import sys
from typing import TYPE_CHECKING

from patter_core.errors import PatterError

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `patter` with `arguments`, those of the process by default, and return its exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.print_help()
        return 0
    try:
        # Only now: help and mistakes must not wait for what a command needs.
        from patter.cli.demo import DemoOptions, run_demo

        demo = DemoOptions(
            as_json=options.json, speed=options.speed, audible=not options.text, play=options.play
        )
        return run_demo(demo)
    except PatterError as error:
        print(f"patter: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("patter: stopped", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="patter",
        description="Gives any text agent a phone.",
        epilog="`patter COMMAND --help` says more about a command.",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    demo = commands.add_parser(
        "demo",
        help="watch an agent book a table by phone; no key and no phone needed",
        description="A LangChain agent is asked to book a table, and rings a restaurant to do so. "
        "Both sides really speak and are really understood. The phone network and the restaurant "
        "are simulated on this machine, and so is the agent's model unless OPENAI_API_KEY is set. "
        "A recording and a picture of the call are left in ./patter-demo.",
    )
    demo.add_argument(
        "--json",
        action="store_true",
        help="print the call's result as JSON and nothing else, as fast as possible",
    )
    demo.add_argument(
        "--speed",
        type=_speed,
        metavar="N",
        help="how many times real time the call runs (default: 1, or as text: 2)",
    )
    demo.add_argument(
        "--play", action="store_true", help="play the recording aloud when the call is over"
    )
    demo.add_argument(
        "--text", action="store_true", help="let words travel as text, without speech"
    )
    return parser


def _speed(text: str) -> float:
    try:
        speed = float(text)
    except ValueError:
        speed = math.nan
    if not (math.isfinite(speed) and speed > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return speed


if __name__ == "__main__":
    sys.exit(main())
