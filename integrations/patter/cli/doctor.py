"""`patter doctor`: what is missing before a real phone can ring, and what to do about it."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from patter_core.config import Limits, default_port, setting, state_directory
from patter_core.errors import CarrierError, PatterError
from patter_core.phone_settings import checked_phone_number, checked_public_url
from patter_core.telephony.twilio.account import Twilio

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator
    from pathlib import Path

_MODULES = {
    "langchain": "langchain_core",
    "llama_index": "llama_index",
    "openai_agents": "agents",
    "pydantic_ai": "pydantic_ai",
    "anthropic": "anthropic",
    "mcp": "mcp",
    "local": "pocketsphinx",
}
"""The extras, and a module that each of them brings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one look told.

    Attributes:
        verdict: "ok"; "no" for what keeps a phone from ringing; "-" for what some people need.
        sentence: What is so, or what to do. Never a secret.
    """

    subject: str
    verdict: Literal["ok", "no", "-"]
    sentence: str


def add_doctor(commands: Any) -> None:  # noqa: ANN401 - argparse keeps the type to itself
    """Add the subcommand."""
    doctor = commands.add_parser(
        "doctor",
        help="tell what is missing before a phone can ring",
        description="Looks at the environment, the packages, the port and the state directory, "
        "and rings nobody. Exit code 0: a phone can be opened; 1: something is missing.",
    )
    doctor.add_argument(
        "--online", action="store_true", help="ask the carrier too whether it knows the account"
    )


def run_doctor(options: argparse.Namespace) -> int:
    """Print what was found; 0 when nothing keeps a phone from ringing, 1 otherwise."""
    found = list(_findings())
    if options.online:
        found.append(asyncio.run(_carrier_finding()))
    for finding in found:
        print(f"{finding.verdict:<4}{finding.subject:<14}{finding.sentence}")
    missing = [finding.subject for finding in found if finding.verdict == "no"]
    print()
    print(f"Missing: {', '.join(missing)}" if missing else "A phone can ring from here")
    return 1 if missing else 0


def _findings() -> Iterator[Finding]:
    version = ".".join(str(part) for part in sys.version_info[:3])
    yield Finding(subject="Python", verdict="ok", sentence=version)
    yield _checked("Twilio", Twilio().check, "the account's credentials are set")
    number = setting("PATTER_PHONE_NUMBER")
    yield _checked("number", lambda: checked_phone_number(number), f"rings from {number}")
    address = setting("PATTER_WEBHOOK_URL")
    yield _checked("webhook", lambda: checked_public_url(address), f"the carrier asks {address}")
    yield _checked("port", default_port, "")
    if setting("OPENAI_API_KEY"):
        yield Finding(subject="voice", verdict="ok", sentence="OpenAI Realtime has a key")
    else:
        advice = "OPENAI_API_KEY is not set: pass stt=, llm= and tts=, or set it"
        yield Finding(subject="voice", verdict="-", sentence=advice)
    yield _state_finding(state_directory())
    for extra, module in _MODULES.items():
        there = importlib.util.find_spec(module) is not None
        advice = "installed" if there else f"not installed: pip install 'patter[{extra}]'"
        yield Finding(subject=extra, verdict="ok" if there else "-", sentence=advice)


def _checked(subject: str, check: Callable[[], object], fine: str) -> Finding:
    try:
        value = check()
    except PatterError as error:
        return Finding(subject=subject, verdict="no", sentence=str(error))
    return Finding(subject=subject, verdict="ok", sentence=fine or str(value))


def _state_finding(directory: Path) -> Finding:
    """Whether calls can be recorded there; nothing is made."""
    there = directory
    while not there.exists() and there != there.parent:
        there = there.parent
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        return Finding(subject="state", verdict="ok", sentence=f"calls are recorded in {directory}")
    advice = f"{directory} cannot be written: choose another with PATTER_STATE_DIR"
    return Finding(subject="state", verdict="no", sentence=advice)


async def _carrier_finding() -> Finding:
    from patter_core.clock import SystemClock
    from patter_core.http_session import open_http_session
    from patter_core.workers import Workers

    account, number = Twilio(), setting("PATTER_PHONE_NUMBER")
    workers = Workers("patter-resolver")
    workers.start()
    try:
        account.check()
        async with open_http_session(workers) as http:
            line = account.line(http, SystemClock(), Limits())
            await line.find(to=number, from_=number)
    except (PatterError, CarrierError) as error:
        return Finding(subject="carrier", verdict="no", sentence=str(error))
    finally:
        workers.release()
    return Finding(subject="carrier", verdict="ok", sentence="Twilio knows the account")
