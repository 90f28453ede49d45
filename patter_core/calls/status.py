"""The states of a call while it is under way, and the words for how it ended."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal


class State(StrEnum):
    """Where a call is. Only ever moves forward, in this order; some are skipped."""

    QUEUED = "queued"
    """At the gates: approval, a free line. Never written down."""
    INTENT = "intent"
    """Written down; the carrier may have heard of it."""
    DIALING = "dialing"
    """The carrier has taken the call, or may have, and we know nothing more."""
    RINGING = "ringing"
    LIVE = "live"
    """Answered."""
    TRANSFERRING = "transferring"
    """The carrier is asked, or was, to connect the callee to somebody else. Such a leg is not ours
    to hang up any more, whoever finds it."""
    ENDING = "ending"
    """Being hung up and settled."""
    ENDED = "ended"
    """Over; a status says how."""

    @property
    def rank(self) -> int:
        """How far along: a larger number absorbs every smaller one."""
        return _ORDER.index(self)


_ORDER = tuple(State)

Status = Literal[
    "completed",
    "timeout",
    "no-answer",
    "busy",
    "canceled",
    "failed",
    "interrupted",
    "rejected",
    "in_progress",
]
"""How a call ended. `in_progress` is only in snapshots of a live one."""

ErrorCode = Literal[
    "no_media",
    "deadline",
    "no-answer",
    "busy",
    "canceled",
    "carrier_refused",
    "carrier_not_reached",
    "carrier_busy",
    "dial_unknown",
    "provider_failed",
    "internal",
    "engine_stopped",
    "invalid_arguments",
    "approval_denied",
    "queue_full",
    "queue_timeout",
    "idempotency_conflict",
    "dry_run",
    "phone_closed",
    # One for each rule of the dial policy.
    "policy_number",
    "policy_kind",
    "policy_country",
    "policy_denied",
    "policy_not_allowed",
    "policy_max_call_sec",
    "policy_usd_per_call",
    "policy_consent",
    "policy_do_not_call",
    "policy_quiet_hours",
    "policy_calls_per_number",
    "policy_calls_per_hour",
    "policy_calls_per_day",
    "policy_usd_per_day",
    "policy_usd_per_phone",
]
"""The reason in one word, for programs; `CallResult.error` has the sentence."""

RETRYABLE: frozenset[str] = frozenset(
    {
        "no-answer",
        "busy",
        "carrier_not_reached",
        "carrier_busy",
        "queue_full",
        "queue_timeout",
    }
)
"""Codes after which the same call may succeed later."""

EndedBy = Literal["agent", "callee", "caller", "deadline", "carrier", "engine"]
"""Who ended it. The caller is whoever asked for the call: the text agent's run, or its user."""

AnsweredBy = Literal["human", "machine", "fax", "unknown"]
