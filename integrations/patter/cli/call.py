"""`patter call`: one call from the command line, shown while it goes on."""

from __future__ import annotations

import asyncio
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from patter.cli.phones import FROM_ENVIRONMENT, add_simulate, phone_and_agent
from patter_core.calls.bounds import DEFAULT_DURATION_SEC
from patter_core.errors import ConfigError

if TYPE_CHECKING:
    import argparse

    from patter_core.calls.events import ProgressEvent
    from patter_core.calls.result import CallResult
    from patter_core.phone import Patter

_SHOWN = ("status", "error", "duration_seconds", "cost_usd", "answered_by", "recording", "call_id")


def add_call(commands: Any) -> None:  # noqa: ANN401 - argparse keeps the type to itself
    """Add the subcommand."""
    call = commands.add_parser(
        "call",
        help="ring somebody and show what is said",
        description="Rings a number, talks towards a goal, hangs up and shows the result. "
        f"{FROM_ENVIRONMENT} Exit code 0: the call was completed, or stopped as asked; 1: not.",
    )
    call.add_argument("number", help="the number to ring, E.164, as in +14155552671")
    call.add_argument("--goal", metavar="TEXT", help="what the call should achieve")
    call.add_argument("--first-message", metavar="TEXT", help="the first thing said on answer")
    call.add_argument(
        "--system-prompt", metavar="TEXT", default="", help="who the voice agent is, on any call"
    )
    call.add_argument(
        "--max-duration-sec",
        type=int,
        metavar="N",
        default=DEFAULT_DURATION_SEC,
        help=f"the whole call, ringing included (default: {DEFAULT_DURATION_SEC})",
    )
    call.add_argument("--key", metavar="TEXT", help="the same key joins or replays the same call")
    call.add_argument("--record", action="store_true", help="record the call")
    call.add_argument("--yes", action="store_true", help="ring without asking first")
    call.add_argument("--json", action="store_true", help="print the result as JSON, nothing else")
    add_simulate(call)


def run_call(options: argparse.Namespace) -> int:
    """Ring and show; 0 when the call was completed, or stopped by a signal, 1 when not.

    Raises:
        ConfigError: The environment does not describe a phone, or nobody can be asked.
    """
    with ExitStack() as stack:
        speed = None if options.json else 1.0
        phone, agent = phone_and_agent(stack, simulate=options.simulate, speed=speed)
        # Made before anybody is asked: what is wrong with it is said first.
        made = phone.agent(**agent, system_prompt=options.system_prompt)
        if not (options.yes or options.simulate) and not _agreed(options.number):
            print("patter: nobody was rung", file=sys.stderr)
            return 1
        result, stopped = asyncio.run(_ring(phone, made, options))
    if options.json:
        print(result.to_json())
    else:
        _show(result)
    return 0 if stopped or result.status == "completed" else 1


def _agreed(number: str) -> bool:
    if not sys.stdin.isatty():
        raise ConfigError("call: nobody can be asked here; --yes rings without asking")
    return input(f"Ring {number} now? It costs money. [y/N] ").strip().lower() in ("y", "yes")


async def _ring(
    phone: Patter,
    agent: Any,  # noqa: ANN401 - an Agent
    options: argparse.Namespace,
) -> tuple[CallResult, bool]:
    """The result, and whether a signal stopped it: the phone is closed in good order then."""
    from patter_core.stop_signals import stop_signals

    stopped = asyncio.Event()
    async with phone, asyncio.TaskGroup() as tasks:
        closing = tasks.create_task(_close_when(stopped, phone))
        with stop_signals(stopped.set):
            live = await phone.place_call(
                options.number,
                agent,
                goal=options.goal,
                first_message=options.first_message,
                max_duration_sec=options.max_duration_sec,
                recording=options.record,
                idempotency_key=options.key,
            )
            if not options.json:
                async for event in live.events():
                    _tell(event)
            result = await live.result()
        closing.cancel()
    return result, stopped.is_set()


async def _close_when(stopped: asyncio.Event, phone: Patter) -> None:
    await stopped.wait()
    await phone.aclose()


def _tell(event: ProgressEvent) -> None:
    match event.type:
        case "turn":
            turn = event.turn
            cut = " --" if turn.cut else ""
            print(f"{turn.started_ms / 1_000:>7.1f}  {turn.role:<7}{turn.text}{cut}", flush=True)
        case "tool_started":
            print(f"{'':9}uses   {event.name}", flush=True)
        case "queued" | "tool_finished" | "ended":
            pass
        case _:
            print(f"{'':9}{event.type}", flush=True)


def _show(result: CallResult) -> None:
    envelope = result.to_dict()
    print()
    for name in _SHOWN:
        if envelope[name] is not None:
            print(f"{name:<18}{envelope[name]}")
