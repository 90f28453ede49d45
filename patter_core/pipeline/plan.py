"""Everything that a conversation needs to know about its call: a frozen value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from patter_core.calls.redaction import Redaction
from patter_core.pipeline.turn_settings import TurnSettings

if TYPE_CHECKING:
    from patter_core.pipeline.tool_use import ToolUse


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPlan:
    """One call's conversation, as planned before anybody is rung.

    Attributes:
        call_id: Patter's id, for logs.
        instructions: The whole system prompt: the agent's own, the goal, and that it is a call.
        greeting: What is said at once on answer; "" lets the callee speak first.
        lead_ms: How far audio is written ahead of what has been played.
        turns: How turns are taken.
        tools: What the agent may use during the call; None for nothing.
        redaction: What must not be said.
    """

    call_id: str
    instructions: str
    greeting: str = ""
    lead_ms: int = 160
    turns: TurnSettings = field(default_factory=TurnSettings)
    tools: ToolUse | None = None
    redaction: Redaction = field(default_factory=Redaction)
