"""How quickly a conversation went: its turns' times, and what they come to."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyTimes:
    """One reply of the agent, in milliseconds; None is what nobody could measure.

    Attributes:
        asked_ms: When the callee had finished, in milliseconds of the conversation.
        latency_ms: From the end of their speech to the first sound of the reply that was sent.
        stt_ms: From the end of their speech to its words.
        llm_first_token_ms: From asking the model to its first word.
        tts_first_byte_ms: From asking the voice to its first sound.
    """

    asked_ms: int
    latency_ms: float
    stt_ms: float | None = None
    llm_first_token_ms: float | None = None
    tts_first_byte_ms: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """The times as JSON has them."""
        return {
            "asked_ms": self.asked_ms,
            "latency_ms": _rounded(self.latency_ms),
            "stt_ms": _rounded(self.stt_ms),
            "llm_first_token_ms": _rounded(self.llm_first_token_ms),
            "tts_first_byte_ms": _rounded(self.tts_first_byte_ms),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class CallMetrics:
    """Figures of one conversation.

    Attributes:
        replies: The agent's replies to the callee, in order.
        turns: How many turns both sides took.
        interruptions: How often the callee cut the agent off.
        underruns: How often the callee had to wait in the middle of a turn of the agent.
    """

    replies: Sequence[ReplyTimes] = ()
    turns: int = 0
    interruptions: int = 0
    underruns: int = 0

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON has them: medians, 95th percentiles, counts, and every reply."""
        figures: dict[str, Any] = {}
        for name in ("latency_ms", "stt_ms", "llm_first_token_ms", "tts_first_byte_ms"):
            values = [getattr(reply, name) for reply in self.replies]
            for percent in (50, 95):
                known = (value for value in values if value is not None)
                figures[f"p{percent}_{name}"] = _rounded(percentile(known, percent))
        return {
            **figures,
            "turns": self.turns,
            "interruptions": self.interruptions,
            "underruns": self.underruns,
            "replies": [reply.to_dict() for reply in self.replies],
        }


def percentile(values: Iterable[float], percent: float) -> float | None:
    """The smallest of `values` that `percent` of them do not exceed; None without any."""
    ordered = sorted(values)
    if not ordered:
        return None
    return ordered[max(0, ceil(percent / 100 * len(ordered)) - 1)]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
