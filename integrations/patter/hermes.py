"""`make_phone_call` for Hermes Agent, as a plugin or by hand.

The plugin is found by itself: the package has the entry point `hermes_agent.plugins`. Enable it in
Hermes' configuration (`plugins: {enabled: [patter]}`); the phone and its voice come from the
environment. For an agent of your own, register in code:

    from patter.hermes import register_hermes

    register_hermes(ctx, phone, agent={...})     # in a plugin's register(ctx)
    register_hermes(registry, phone, agent={...})     # tools.registry.registry

Hermes is not imported, and is no dependency: it pins its own, and lives in its own environment.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from patter_core.contract.phone_tool import PatterTool, as_phone_tool
from patter_core.errors import ConfigError
from patter_core.phone import Patter

if TYPE_CHECKING:
    from collections.abc import Callable

    from patter_core.agent import Agent

_log = logging.getLogger(__name__)

_TOOLSET = "patter"


def phone_call_tool(
    phone: Patter | PatterTool, *, agent: Agent | dict[str, Any] | None = None, **options: Any
) -> Callable[..., str]:
    """`phone` as a handler of Hermes: `handler(args, **kwargs)` returns the envelope as JSON text.

    It blocks its worker thread, ends the call when Hermes is interrupted, and shows that it lives.

    Args:
        phone: A phone, or a tool made of one.
        agent: Who speaks on the phone: an agent, or a dict of `phone.agent` keywords.
        **options: What `PatterTool` takes: `name`, `description`, `max_duration_sec`, `approve`,
            `on_event`.

    Raises:
        ConfigError: The agent or an option is not usable; it says what to do.
    """
    return as_phone_tool(phone, agent=agent, **options).hermes_handler()


def register_hermes(
    registry: Any,  # noqa: ANN401 - Hermes' registry, or a plugin's context
    phone: Patter | PatterTool,
    *,
    agent: Agent | dict[str, Any] | None = None,
    toolset: str = _TOOLSET,
    **options: Any,
) -> PatterTool:
    """Register `phone` as a tool; see `phone_call_tool` for the arguments.

    Returns:
        The tool that was registered; `await tool.stop()` closes its phone.
    """
    tool = as_phone_tool(phone, agent=agent, **options)
    tool.register_hermes(registry, toolset)
    return tool


def register(ctx: Any) -> None:  # noqa: ANN401 - Hermes' plugin context
    """Hermes calls this when the plugin is enabled.

    Without a phone in the environment there is no tool, and the log says what is missing: a plugin
    that raised would look broken.
    """
    try:
        register_hermes(ctx, Patter())
    except ConfigError as error:
        _log.warning("Patter has no phone for Hermes yet: %s", error)
