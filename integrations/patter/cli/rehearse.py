"""`patter test`: talk to an agent of a Python file in the terminal, in writing."""

from __future__ import annotations

import asyncio
import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from patter_core.errors import ConfigError

if TYPE_CHECKING:
    import argparse
    from types import ModuleType

    from patter_core.agent import Agent
    from patter_core.phone import Patter

_NUMBER = "+14155550100"
_NOWHERE = "http://127.0.0.1:9"


def add_test(commands: Any) -> None:  # noqa: ANN401 - argparse keeps the type to itself
    """Describe the command."""
    test = commands.add_parser(
        "test",
        help="talk to your agent in the terminal, in writing; nobody is rung",
        description="Talk to an agent in writing: its model, its prompt and its tools are those of "
        "its calls, and tools are really used. /quit, or the end of the input, ends it.",
    )
    test.add_argument(
        "agent",
        metavar="MODULE:AGENT",
        help="where it is, as in app:agent or app.py:agent: an Agent, or a dict of the keywords of "
        "phone.agent(). The module's own Patter, if it has one, lends its tools what they need",
    )
    test.add_argument("--goal", metavar="TEXT", help="what the call should achieve")
    test.add_argument("--first-message", metavar="TEXT", help="the first thing that the agent says")


def run_test(options: argparse.Namespace) -> int:
    """Talk until one side has had enough.

    Raises:
        ConfigError: There is no such agent.
    """
    module, agent = _found(options.agent)
    phone = _phone_of(module)
    asyncio.run(phone.test(agent, goal=options.goal, first_message=options.first_message))
    return 0


def _found(where: str) -> tuple[ModuleType, Agent | dict[str, Any]]:
    from patter_core.agent import Agent

    name, _, attribute = where.partition(":")
    name = name.removesuffix(".py").replace("/", ".")
    if not (name and attribute):
        raise ConfigError(f"test: {where!r} is not of the form module:agent, as in app:agent")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        raise ConfigError(f"test: there is no module {name!r} here") from error
    found = getattr(module, attribute, None)
    if isinstance(found, Agent):
        return module, found
    if isinstance(found, dict):
        return module, cast("dict[str, Any]", found)
    raise ConfigError(f"test: {name} has no agent {attribute!r}: an Agent, or a dict of its parts")


def _phone_of(module: ModuleType) -> Patter:
    """The module's phone; one that can ring nobody when it has none."""
    from patter_core.phone import Patter
    from patter_core.telephony.twilio.account import simulated_account

    for value in vars(module).values():
        if isinstance(value, Patter):
            return value
    account = simulated_account(
        account_sid=f"AC{0:032}", auth_token=f"{0:032}", api_base_url=_NOWHERE
    )
    return Patter(carrier=account, phone_number=_NUMBER)
