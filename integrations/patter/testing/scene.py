"""Who can be rung in the suite, what the scripted models ask for, and what comes of a run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RESTAURANT = "+14155552671"
BARBER = "+14155552672"
NOBODY = "+14155552673"
"""Answers at once, says nothing and never hangs up."""

REQUEST = "Book a table for four at eight."
BOOK: dict[str, Any] = {"to": RESTAURANT, "goal": "Book a table for four at eight."}
HAIRCUT: dict[str, Any] = {"to": BARBER, "goal": "A haircut at noon."}
FOREVER: dict[str, Any] = {"to": NOBODY, "max_duration_sec": 1_800}
ANSWER = "That is settled."
"""What the scripted model says in the end."""

EVERY_STAGE = ["queued", "dialing", "ringing", "answered", "turn", "ended"]
SAID = ["Hello?", "A table for four at eight, please.", "Gladly. Bye!"]

BAD_ARGUMENTS: list[tuple[dict[str, Any], str]] = [
    ({}, "to"),
    ({"to": "415 555 2671"}, "to"),
    ({"to": 14155552671}, "to"),
    ({"to": None}, "to"),
    ({"to": RESTAURANT, "max_duration_sec": "180s"}, "max_duration_sec"),
    ({"to": RESTAURANT, "max_duration_sec": True}, "max_duration_sec"),
    ({"to": RESTAURANT, "max_duration_sec": 1_801}, "max_duration_sec"),
    ({"to": RESTAURANT, "goal": ["book"]}, "goal"),
    ({"to": RESTAURANT, "first_message": "x" * 1_001}, "first_message"),
    ({"to": RESTAURANT, "colour": "red"}, "colour"),
    # Names that mean something on the way through a framework, or to Python.
    ({"to": RESTAURANT, "self": 1}, "self"),
    ({"to": RESTAURANT, "ctx": {}}, "ctx"),
    ({"to": RESTAURANT, "context": {}}, "context"),
    ({"to": RESTAURANT, "arguments": {}}, "arguments"),
    ({"to": RESTAURANT, "on_event": 1}, "on_event"),
    ({"to": RESTAURANT, "idempotency_key": "k"}, "idempotency_key"),
]
"""Arguments, and the field that the refusal names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What came of an agent's run.

    Attributes:
        answer: What the agent said in the end.
        contents: What the model was given for each tool call, as text, in the order of the calls.
        told: What the framework's own channel told meanwhile, as `event_data` has it; None when
            it has no such channel.
    """

    answer: str
    contents: Sequence[str]
    told: Sequence[Mapping[str, Any]] | None = None

    @property
    def envelopes(self) -> list[dict[str, Any]]:
        """The results, in the order of the calls."""
        return [json.loads(content) for content in self.contents]
