"""The one result that every framework gets: what became of a call."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from patter_core.calls.cost import Cost
from patter_core.calls.status import RETRYABLE
from patter_core.calls.transcript import NOTICE, Turn

if TYPE_CHECKING:
    from patter_core.calls.status import AnsweredBy, EndedBy, ErrorCode, Status

_LONGEST_TO = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class CallResult:
    """What became of a call. Failure is data here: nothing of it was raised.

    Attributes:
        call_id: Patter's id for the call; "" when it never came to one.
        status: How it ended.
        duration_seconds: From answer to end; 0 when nobody answered.
        cost: US dollars by who is paid.
        transcript: Who said what, the agent's words as they were heard.
        metrics: Figures of the conversation, such as `p95_latency_ms`; None where there is none.
        to: The number asked for, as it was given.
        answered_by: What picked up, as far as the carrier knows.
        ended_by: Who ended it; None when it never began.
        error: A sentence, safe for a model and a log; None unless the call failed or was rejected.
        error_code: The reason in one word.
        may_have_dialed: Whether a phone may have rung.
        replayed: Whether this is the result of an earlier call with the same key.
        started_at: When the carrier was asked; ISO 8601, UTC, with Z. Likewise `answered_at`
            and `ended_at`.
        recording: Where the recording is; None without one.
        transcript_expired: The ledger no longer keeps what was said.
    """

    call_id: str
    status: Status
    duration_seconds: float = 0.0
    cost: Cost = field(default_factory=Cost)
    transcript: tuple[Turn, ...] = ()
    metrics: dict[str, Any] = field(default_factory=lambda: {"p95_latency_ms": None})
    to: str = ""
    direction: Literal["outbound", "inbound"] = "outbound"
    answered_by: AnsweredBy | None = None
    ended_by: EndedBy | None = None
    error: str | None = None
    error_code: ErrorCode | None = None
    may_have_dialed: bool = False
    replayed: bool = False
    started_at: str | None = None
    answered_at: str | None = None
    ended_at: str | None = None
    recording: str | None = None
    transcript_expired: bool = False

    @property
    def retryable(self) -> bool:
        """Whether the same call may succeed later."""
        return self.error_code in RETRYABLE

    @property
    def cost_usd(self) -> float:
        """What it cost in all, in US dollars."""
        return self.cost.total

    @property
    def is_error(self) -> bool:
        """Whether a framework should show this as a failed tool call."""
        return self.error is not None

    def to_dict(self) -> dict[str, Any]:
        """The envelope, fresh and JSON-safe: the same keys in every framework."""
        envelope: dict[str, Any] = {
            "call_id": self.call_id,
            "status": self.status,
            "duration_seconds": self.duration_seconds,
            "cost_usd": self.cost_usd,
            "cost": self.cost.to_dict(),
            "transcript": [turn.to_dict() for turn in self.transcript],
            "transcript_notice": NOTICE,
            "metrics": dict(self.metrics),
            "to": self.to,
            "direction": self.direction,
            "answered_by": self.answered_by,
            "ended_by": self.ended_by,
            "error": self.error,
            "error_code": self.error_code,
            "retryable": self.retryable,
            "may_have_dialed": self.may_have_dialed,
            "replayed": self.replayed,
            "started_at": self.started_at,
            "answered_at": self.answered_at,
            "ended_at": self.ended_at,
            "recording": self.recording,
        }
        if self.transcript_expired:
            envelope["transcript_expired"] = True
        return envelope

    def to_json(self) -> str:
        """The envelope as compact JSON text."""
        return json.dumps(self.to_dict(), ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_dict(cls, envelope: dict[str, Any]) -> CallResult:
        """The result whose envelope this is."""
        derived = ("cost_usd", "retryable", "transcript_notice")
        fields = {key: value for key, value in envelope.items() if key not in derived}
        fields["cost"] = Cost(**fields["cost"])
        fields["transcript"] = tuple(Turn.from_dict(turn) for turn in fields["transcript"])
        return cls(**fields)

    def as_replay(self) -> CallResult:
        """The same result, marked as that of an earlier call."""
        return replace(self, replayed=True)


def rejected(to: str, code: ErrorCode, sentence: str) -> CallResult:
    """A call that was never dialled, and why.

    `to` may be any text: no more of it than a number's length is repeated.
    """
    shown = to[:_LONGEST_TO].encode(errors="replace").decode()
    return CallResult(call_id="", status="rejected", to=shown, error=sentence, error_code=code)


def phone_closed(to: str) -> CallResult:
    """The answer to an order that comes when the phone is closed, or closing."""
    return rejected(to, "phone_closed", "The phone is closed; call start() to open it again")


def iso_time(moment: datetime | None) -> str | None:
    """ISO 8601 in UTC with milliseconds and Z; None for None."""
    if moment is None:
        return None
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
