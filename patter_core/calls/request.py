"""What is shown to whoever must agree to a call."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRequest:
    """What an approval, or a consent, is asked about.

    Attributes:
        to: E.164.
        price_estimate_usd: What the carrier is assumed to charge at most.
    """

    to: str
    goal: str | None
    first_message: str | None
    max_duration_sec: int
    price_estimate_usd: float
