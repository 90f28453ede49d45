"""The demo's scene: who says what when an agent books a table at a restaurant."""

from __future__ import annotations

import json
from typing import Any

from patter.simulator import Callee, ToolCall

RESTAURANT_NUMBER = "+14155552671"
OWN_NUMBER = "+14155550100"

REQUEST = (
    f"Please ring Trattoria Roma, {RESTAURANT_NUMBER}, and book a table for four at eight tonight, "
    "under the name Ada."
)
GOAL = "Book a table for four people at eight tonight, under the name Ada."

ASSISTANT_PROMPT = (
    "You are Ada's assistant. You can make phone calls. Call once, put everything that is needed "
    "into the goal, and then tell Ada in a sentence or two what came of it."
)
VOICE_PROMPT = "You are an assistant who calls on behalf of Ada. Be brief and friendly."

RESTAURANT_SAYS = (
    "Good evening, Trattoria Roma.",
    "With pleasure. For how many people?",
    "And at what time?",
    "Eight is fine. What name shall I write down?",
    "So that is four people, tonight at eight, for Ada. Is that right?",
    "Wonderful, your table is booked. See you tonight!",
)
VOICE_SAYS = (
    "Good evening! I am an AI assistant, calling for Ada. I would like to book a table.",
    "For four, please.",
    "Tonight at eight, if you still have something.",
    "Ada, please: A, D, A.",
    "Yes, that is right.",
    "Thank you very much. Goodbye!",
)
_CONFIRMED = "your table is booked"

VOICE_MODEL = "scripted-voice"
ASSISTANT_MODEL = "scripted-assistant"
OPENAI_MODEL = "gpt-4.1-mini"


def restaurant() -> Callee:
    """Who answers: says each line when the other side has finished, then hangs up."""
    lines = iter(RESTAURANT_SAYS)

    def next_line(_heard: list[str]) -> str | None:
        nonlocal lines
        line = next(lines, None)
        if line is None:
            lines = iter(RESTAURANT_SAYS)  # For whoever rings next.
        return line

    return Callee(says=next_line)


def scripted_reply(request: dict[str, Any]) -> str | ToolCall:
    """What the models say: the one on the phone and, without a key, the assistant's."""
    messages: list[dict[str, Any]] = request["messages"]
    if request["model"] == VOICE_MODEL:
        heard = sum(message["role"] == "user" for message in messages)
        return VOICE_SAYS[min(heard, len(VOICE_SAYS)) - 1]
    if messages[-1]["role"] != "tool":
        return ToolCall("make_phone_call", {"to": RESTAURANT_NUMBER, "goal": GOAL})
    return _report(json.loads(messages[-1]["content"]))


def _report(result: dict[str, Any]) -> str:
    if any(_CONFIRMED in turn["text"] for turn in result["transcript"]):
        return (
            "Your table is booked: four people tonight at eight at Trattoria Roma, under the "
            "name Ada."
        )
    reason = result["error"] or f"the call ended as {result['status']}."
    return f"I could not book the table: {reason}"
