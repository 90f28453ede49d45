"""A tool handler as Hermes Agent wants it: synchronous, interruptible, with signs of life.

Hermes runs a handler on a worker thread, and does not cancel it: a handler asks whether it is
interrupted, and tells the gateway that it lives, or is taken for stuck after half an hour. Both are
asked of Hermes' modules as they are in the process, where they are whenever Hermes runs.
"""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any

from patter_core.contract import exports

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from patter_core.contract.phone_tool import PatterTool


def hermes_handler(tool: PatterTool) -> Callable[..., str]:
    """`handler(args, **kwargs) -> str` for `registry.register(..., is_async=False)`.

    It has no key: Hermes tells a handler the session and the task, but not which of their tool
    calls this is.
    """

    def make_phone_call(args: Mapping[str, Any] | str | None = None, **_hermes: Any) -> str:
        """Make a phone call; JSON text of the envelope, `error` set exactly when it failed."""
        try:
            return _call(tool, {} if args is None else args)
        except Exception as error:  # noqa: BLE001 - Hermes must never see one; it would retry
            sentence = f"The phone tool failed unexpectedly ({type(error).__name__})"
            return json.dumps({"error": sentence, "error_code": "internal"})

    return make_phone_call


def register_hermes(tool: PatterTool, registry: Any, toolset: str) -> None:  # noqa: ANN401 - Hermes'
    """Register `tool` in Hermes' registry, or with a plugin's context."""
    register = getattr(registry, "register_tool", None) or registry.register
    register(
        name=tool.name,
        toolset=toolset,
        schema=exports.hermes(tool.name, tool.description, tool.schema()),
        handler=hermes_handler(tool),
        description=tool.description,
        emoji="📞",
    )


def _call(tool: PatterTool, arguments: Mapping[str, Any] | str) -> str:
    began = time.monotonic()
    activity = {"start": began, "last_touch": began}

    def interrupted() -> bool:
        _touch_activity(activity)
        return _interrupted()

    return tool.execute_blocking(arguments, watch=interrupted).to_json()


def _interrupted() -> bool:
    module = sys.modules.get("tools.interrupt")
    return module is not None and bool(module.is_interrupted())


def _touch_activity(state: dict[str, float]) -> None:
    module = sys.modules.get("tools.environments.base")
    if module is not None:
        module.touch_activity_if_due(state, "phone call in progress")
