"""Everything that a conversation needs to know about its call: a frozen value."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPlan:
    """One call's conversation, as planned before anybody is rung.

    Attributes:
        call_id: Patter's id, for logs.
        instructions: The whole system prompt: the agent's own, the goal, and that it is a call.
        greeting: What is said at once on answer; "" lets the callee speak first.
        lead_ms: How far audio is written ahead of what has been played.
    """

    call_id: str
    instructions: str
    greeting: str = ""
    lead_ms: int = 160
