"""What a client asked for in one request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, cast

from patter_core.contract.keys import derived_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mcp.server.mcpserver import Context

    from patter.mcp.calls import Calls

LONGEST_WAIT_SEC = 280.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A tool call.

    Attributes:
        calls: The calls of the server that was asked.
        arguments: What the model said, untouched, but for `wait_sec`.
        wait_sec: How long to wait for a call's end.
        key: What tells this request from all others; None where the transport cannot: on stdio,
            and in the generation of the protocol that has no sessions.
    """

    calls: Calls
    arguments: dict[str, Any]
    wait_sec: float
    key: str | None

    @classmethod
    def of(cls, ctx: Context[Any, Any]) -> Self:
        """The request that `ctx` belongs to."""
        calls = cast("Calls", ctx.request_context.lifespan_context)
        params = ctx.request_context.params or {}
        arguments = dict(cast("Mapping[str, Any]", params.get("arguments") or {}))
        given = arguments.pop("wait_sec", None)
        usable = isinstance(given, int | float) and not isinstance(given, bool)
        wait_sec = float(given) if usable and given == given else calls.wait_sec
        headers = ctx.headers
        session_id = None if headers is None else headers.get("mcp-session-id")
        return cls(
            calls=calls,
            arguments=arguments,
            wait_sec=min(max(wait_sec, 0.0), LONGEST_WAIT_SEC),
            key=derived_key("mcp", session_id, ctx.request_id),
        )

    @property
    def call_id(self) -> str:
        """Which call was asked about."""
        return str(self.arguments.get("call_id", ""))
