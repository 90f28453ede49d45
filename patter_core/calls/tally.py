"""What a phone has used up: the figures that the caps of a dial policy are held against."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from patter_core.calls.result import CallResult

HOUR = timedelta(hours=1)
DAY = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What a ledger knows when a call is to be written into it.

    The windows roll, and are those of the wall clock that stamped the calls: the last hour is the
    60 minutes before now. Calls that lie in the future count in every window, so that a clock which
    is set back loosens no cap. Calls that are known never to have been dialled do not count.

    Attributes:
        do_not_call: Whether the callee is on the ledger's do-not-call list.
        calls_to_number: Calls from this phone to the callee in the last 24 hours.
        calls_in_hour: Calls from this phone in the last hour; likewise `calls_in_day`.
        usd_in_day: What calls of the last 24 hours cost: reserved while they are under way.
        usd_in_all: The same, for as long as the ledger has been kept.
    """

    do_not_call: bool = False
    calls_to_number: int = 0
    calls_in_hour: int = 0
    calls_in_day: int = 0
    usd_in_day: float = 0.0
    usd_in_all: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DoNotCall:
    """A number that is not to be rung any more.

    Attributes:
        number: E.164.
        added_at: When that was asked for, UTC.
        call_id: The call in which it was asked for; None when it was not in one.
    """

    number: str
    added_at: datetime
    call_id: str | None = None


def settled_usd(result: CallResult, reserved_usd: float) -> float:
    """What a call that is over counts for, in place of the `reserved_usd` that it began with.

    Where nobody knows what became of the leg, the reservation stays: it may have been spent.
    """
    if not result.may_have_dialed and result.direction == "outbound":
        return 0.0
    unknown = result.error_code in ("dial_unknown", "engine_stopped")
    if unknown and result.cost.telephony == 0:
        return max(reserved_usd, result.cost_usd)
    return result.cost_usd
