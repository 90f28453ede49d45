"""What a call cost, in US dollars, by who is paid."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """US dollars, by who is paid.

    Attributes:
        provisional: The carrier has not yet priced the call; `telephony` is an estimate.
    """

    stt: float = 0.0
    tts: float = 0.0
    llm: float = 0.0
    telephony: float = 0.0
    provisional: bool = False

    @property
    def total(self) -> float:
        """The sum, to a hundredth of a cent."""
        return round(self.stt + self.tts + self.llm + self.telephony, 6)

    def to_dict(self) -> dict[str, Any]:
        """The cost as JSON has it."""
        return {
            "stt": self.stt,
            "tts": self.tts,
            "llm": self.llm,
            "telephony": self.telephony,
            "provisional": self.provisional,
        }


def minutes_usd(usd_per_minute: float, seconds: float) -> float:
    """What carriers charge for so many seconds of a call: every minute that has begun."""
    return round(ceil(max(seconds, 1.0) / 60) * usd_per_minute, 6)
