"""`patter`: reads the command line and runs one command.

Exit codes: 0 when it did what it was asked, 1 when it could not, 2 when it was asked wrongly.
"""

from __future__ import annotations

import argparse
import math
import sys
from typing import TYPE_CHECKING

from patter.cli.call import add_call, run_call
from patter.cli.calls import add_calls, run_calls
from patter.cli.doctor import add_doctor, run_doctor
from patter.cli.mcp import add_mcp, run_mcp
from patter.cli.rehearse import add_test, run_test
from patter.cli.serve import add_serve, run_serve
from patter_core.calls.bounds import DEFAULT_DURATION_SEC
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
        return _run(options)
    except PatterError as error:
        print(f"patter: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("patter: stopped", file=sys.stderr)
    return 1


_COMMANDS = {
    "call": run_call,
    "calls": run_calls,
    "doctor": run_doctor,
    "mcp": run_mcp,
    "serve": run_serve,
    "test": run_test,
}


def _run(options: argparse.Namespace) -> int:
    if (run := _COMMANDS.get(options.command)) is not None:
        return run(options)
    # Only now: help and mistakes must not wait for what a command needs.
    if options.command == "policy":
        from patter.cli.policy import run_policy_check

        return run_policy_check(
            options.number,
            own_number=options.own_number,
            max_duration_sec=options.max_duration_sec,
            ledger=options.ledger,
        )
    from patter.cli.demo import DemoOptions, run_demo

    return run_demo(
        DemoOptions(
            as_json=options.json,
            speed=options.speed,
            audible=not (options.text or options.realtime),
            play=options.play,
            realtime=options.realtime,
        )
    )


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
    demo.add_argument(
        "--realtime",
        action="store_true",
        help="let the agent on the phone be one speech model, over OpenAI Realtime's protocol; the "
        "model is scripted, on this machine, whatever key there is, and words travel as text",
    )
    _add_policy_check(
        commands.add_parser(
            "policy",
            help="tell whether a number may be rung, and what each rule says",
            description="What the dial policy says that phones have unless their developer chose "
            "another.",
        )
    )
    for add in (add_call, add_serve, add_calls, add_mcp, add_doctor, add_test):
        add(commands)
    return parser


def _add_policy_check(policy: argparse.ArgumentParser) -> None:
    verbs = policy.add_subparsers(dest="verb", metavar="VERB", title="verbs", required=True)
    check = verbs.add_parser(
        "check",
        help="ask every rule about one number",
        description="Asks every rule of the default policy about one number, at this moment, and "
        "rings nobody. Exit code 0: it may be rung; 1: a rule refuses it.",
    )
    check.add_argument("number", help="the number to ring, E.164, as in +14155552671")
    check.add_argument(
        "--from",
        dest="own_number",
        metavar="NUMBER",
        default="",
        help="the number that rings (default: $PATTER_PHONE_NUMBER)",
    )
    check.add_argument(
        "--max-duration-sec",
        type=int,
        metavar="N",
        default=DEFAULT_DURATION_SEC,
        help=f"how long the call may last (default: {DEFAULT_DURATION_SEC})",
    )
    check.add_argument(
        "--ledger",
        metavar="FILE",
        help="whose calls and do-not-call list count (default: the one in the state directory)",
    )


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
