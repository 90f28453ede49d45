"""What a carrier's word for where a call is means to the call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from patter_core.calls.call_events import AnswerHeard, CallEvent, CarrierEnded, RingingHeard

if TYPE_CHECKING:
    from patter_core.calls.status import Status
    from patter_core.telephony.carrier import CarrierStatus


def told_by(word: CarrierStatus, duration_sec: float | None = None) -> list[CallEvent]:
    """The news in `word`; none where a call is only on its way."""
    match word:
        case "ringing":
            return [RingingHeard()]
        case "in-progress":
            return [AnswerHeard()]
        case "completed" | "busy" | "no-answer" | "failed" | "canceled":
            status: Status = word
            return [CarrierEnded(status=status, duration_sec=duration_sec)]
        case _:
            return []
