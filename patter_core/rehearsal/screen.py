"""What a developer sees of a rehearsal, and what is kept of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import orjson

from patter_core.calls.transcript import Turn

if TYPE_CHECKING:
    from collections.abc import Callable

    from patter_core.calls.redaction import Redaction
    from patter_core.calls.transcript import Role
    from patter_core.pipeline.tool_use import ToolRequest, ToolUse

_SHOWN_CHARS = 2_000


class Screen:
    """Shows one rehearsal, line by line."""

    def __init__(self, write: Callable[[str], None], redaction: Redaction) -> None:
        """Write with `write`, once what must not be said was hidden by `redaction`."""
        self._write = write
        self._redaction = redaction
        self._began = time.monotonic()
        self._turns: list[Turn] = []

    @property
    def turns(self) -> tuple[Turn, ...]:
        """Who said what so far."""
        return tuple(self._turns)

    def user_said(self, text: str) -> None:
        """Keep what was typed, which is on the screen already."""
        self._keep("user", text)

    def agent_said(self, text: str) -> None:
        """Show the agent's words."""
        if text := self._redaction.redact(text).strip():
            self._keep("agent", text)
            self._write(f"Agent: {text}")

    def note(self, sentence: str) -> None:
        """Show what happened to the call."""
        self._keep("system", sentence)
        self._write(f"({sentence})")

    def tool_asked(self, request: ToolRequest) -> None:
        """Show what a tool was asked for."""
        self._write(f"  -> {request.name} {_shortened(_compact(request.arguments))}")

    def tool_answered(self, request: ToolRequest, output: str) -> None:
        """Show what it answered."""
        self._write(f"  <- {request.name} {_shortened(output)}")

    def _keep(self, role: Role, text: str) -> None:
        started_ms = round((time.monotonic() - self._began) * 1_000)
        self._turns.append(Turn(role=role, text=text, started_ms=started_ms))


class ShownTools:
    """Runs tools, and shows what they are asked and answer."""

    def __init__(self, tools: ToolUse, screen: Screen) -> None:
        """Run `tools`, and show that on `screen`."""
        self._tools = tools
        self._screen = screen

    async def run(self, request: ToolRequest, say: Callable[[str], None]) -> str:
        """See `ToolUse.run`."""
        self._screen.tool_asked(request)
        output = await self._tools.run(request, say)
        self._screen.tool_answered(request, output)
        return output


def _compact(arguments: str) -> str:
    """JSON without the blanks that a model likes; what is none as it is, on one line."""
    try:
        return orjson.dumps(orjson.loads(arguments or "{}")).decode()
    except ValueError:
        return " ".join(arguments.split())


def _shortened(text: str) -> str:
    if len(text) <= _SHOWN_CHARS:
        return text
    return f"{text[:_SHOWN_CHARS]} ... ({len(text) - _SHOWN_CHARS} characters more)"
