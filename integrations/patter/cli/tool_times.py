"""When the agent on the phone used which tool: from a call's events, for its picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from patter.cli.timeline import Happening

if TYPE_CHECKING:
    from patter_core.clock import Clock


class ToolTimes:
    """Notes when events come, by `clock`, from the moment on when the call was answered."""

    def __init__(self, clock: Clock) -> None:
        """Begin with no calls."""
        self._clock = clock
        self._answered: dict[str, float] = {}
        self._begun: dict[str, float] = {}
        self._used: dict[str, list[Happening]] = {}

    def told(self, event: dict[str, Any]) -> None:
        """Take the data of an event."""
        now = self._clock.now()
        match event:
            case {"type": "answered", "call_id": call_id}:
                self._answered[call_id] = now
            case {"type": "tool_started", "function_call_id": use}:
                self._begun[use] = now
            case {"type": "tool_finished", "call_id": call_id, "function_call_id": use}:
                began = self._begun.pop(use, now)
                happening = Happening(
                    at_ms=(began - self._answered.get(call_id, began)) * 1_000,
                    text=event["name"] if event["ok"] else f"{event['name']} failed",
                    took_ms=(now - began) * 1_000,
                )
                self._used.setdefault(call_id, []).append(happening)
            case _:
                pass

    def of(self, call_id: str) -> list[Happening]:
        """What was used in one call."""
        return self._used.get(call_id, [])
