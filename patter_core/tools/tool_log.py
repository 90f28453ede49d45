"""What is written down about each use of a tool: ids, names, keys and times, never a value."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Collection

    from patter_core.calls.redaction import Redaction
    from patter_core.tools.invocation import ToolInvocation, ToolResult

_KEYS = 20
_CHARS = 40
_STEPS = 8

_log = logging.getLogger(__name__)


def log_started(
    invocation: ToolInvocation, arguments: dict[str, Any], redaction: Redaction
) -> None:
    """A tool was found for what the model asks, and begins."""
    if _log.isEnabledFor(logging.INFO):
        # Keys that no schema knows are the model's own words.
        keys = [redaction.redact(key)[:_CHARS] for key in sorted(arguments)[:_KEYS]]
        _log.info(
            "Tool started: call %s, request %s, tool %s, tenant %s, arguments %s",
            invocation.call_id,
            invocation.function_call_id,
            invocation.name,
            _tenant(invocation, redaction),
            keys,
        )


def log_ended(
    invocation: ToolInvocation,
    result: ToolResult,
    took_sec: float,
    redaction: Redaction,
    *,
    names: Collection[str],
) -> None:
    """The model was answered; `names` are those of all tools."""
    if _log.isEnabledFor(logging.INFO):
        # A name that is no tool's is the model's invention, and may say anything.
        known = invocation.name in tuple(names)
        _log.info(
            "Tool %s: call %s, request %s, tool %s, tenant %s, %d ms%s",
            "succeeded" if result.ok else "failed",
            invocation.call_id,
            invocation.function_call_id,
            invocation.name if known else "unknown",
            _tenant(invocation, redaction),
            round(took_sec * 1000),
            "" if result.ok else f", {result.error}",
        )


def log_raised(invocation: ToolInvocation, error: BaseException) -> None:
    """A tool raised `error`, whose text may quote what the caller said: only the way to it."""
    steps = traceback.StackSummary.extract(
        traceback.walk_tb(error.__traceback__), lookup_lines=False
    )
    _log.warning(
        "Call %s: tool %s raised %s at %s",
        invocation.call_id,
        invocation.name,
        type(error).__name__,
        ", ".join(f"{step.filename}:{step.lineno}" for step in steps[-_STEPS:]),
    )


def _tenant(invocation: ToolInvocation, redaction: Redaction) -> str | None:
    config = invocation.tenant_config
    try:
        if isinstance(config, Mapping):
            tenant_id = cast("Mapping[str, object]", config).get("tenant_id")
        else:
            tenant_id = getattr(config, "tenant_id", None)
        return None if tenant_id is None else redaction.redact(str(tenant_id))[:_CHARS]
    except Exception:  # noqa: BLE001 - a stranger's object: what is logged must not cost an answer
        return "unknown"
