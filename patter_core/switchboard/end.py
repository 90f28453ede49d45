"""The one ending of every call: hang up, close the audio, settle, write the result. Bounded."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from patter_core.calls.call import Call, Leg
from patter_core.calls.cost import minutes_usd
from patter_core.calls.result import CallResult, iso_time
from patter_core.calls.transcript import capped
from patter_core.errors import CarrierError, LedgerError
from patter_core.telephony.carrier import CarrierCallId

if TYPE_CHECKING:
    from datetime import datetime

    from patter_core.calls.cost import Cost
    from patter_core.switchboard.connect import TalkAccount
    from patter_core.switchboard.exchange import Exchange
    from patter_core.switchboard.tape import Tape

_log = logging.getLogger(__name__)


async def hang_up(call: Call, call_id: str, exchange: Exchange) -> None:
    """Tell the carrier that the call is over, unless it told us. A failure is logged.

    The carrier's own time limit ends a leg that it could not be told to end.
    """
    if call.hang_up_needed and call.carrier_call_id is not None:
        try:
            async with exchange.clock.timeout(exchange.limits.ending_sec):
                await exchange.line.hang_up(CarrierCallId(call.carrier_call_id))
        except (CarrierError, TimeoutError):
            _log.error("Call %s: the carrier could not be told to hang up", call_id, exc_info=True)


async def finish_recording(tape: Tape, call_id: str, exchange: Exchange) -> None:
    """Close a call's recording. A failure is logged."""
    try:
        # Real time: the disk knows no other.
        async with asyncio.timeout(exchange.limits.recording_close_sec):
            with exchange.clock.hold():
                await tape.finish()
    except (OSError, TimeoutError):
        _log.error("Call %s: its recording could not be completed", call_id, exc_info=True)


async def close_record(result: CallResult, exchange: Exchange) -> bool:
    """Write how the call ended; whether that could be done. A failure is logged."""
    try:
        async with exchange.clock.timeout(exchange.limits.ending_sec):
            await exchange.ledger.close_call(result.call_id, result)
    except (LedgerError, TimeoutError):
        _log.error("Call %s: its result could not be written", result.call_id, exc_info=True)
        return False
    return True


def result_of(
    call: Call, call_id: str, to: str, talk: TalkAccount, exchange: Exchange
) -> CallResult:
    """What became of a call that has ended."""
    outcome = call.outcome
    if outcome is None:
        raise AssertionError("A call ends with an outcome")
    now, wall = exchange.clock.now(), exchange.clock.wall()

    def moment(then: float | None) -> datetime | None:
        return None if then is None else wall - timedelta(seconds=now - then)

    dialed, sentence = call.leg is not Leg.UNASKED, outcome.sentence
    return CallResult(
        call_id=call_id if outcome.status != "rejected" else "",
        status=outcome.status,
        duration_seconds=_talked_sec(call),
        cost=cost_so_far(call, talk.cost, exchange),
        transcript=capped(talk.turns, exchange.limits.transcript_chars),
        metrics=talk.metrics,
        to=to,
        direction="inbound" if call.arrived else "outbound",
        answered_by=call.answered_by,
        ended_by=outcome.ended_by,
        error=None if sentence is None else exchange.redaction.redact(sentence),
        error_code=outcome.code,
        may_have_dialed=call.may_have_dialed,
        started_at=iso_time(moment(call.dialed_at)),
        answered_at=iso_time(moment(call.answered_at)),
        ended_at=iso_time(moment(call.ended_at)) if dialed else None,
    )


def _talked_sec(call: Call) -> float:
    if call.answered_at is None or call.ended_at is None:
        return 0.0
    return round(call.ended_at - call.answered_at, 3)


def cost_so_far(call: Call, providers: Cost, exchange: Exchange) -> Cost:
    """The providers' cost, and an estimate by begun minutes of the carrier's.

    Carriers price a call minutes after its end; a result does not wait for that.
    """
    if call.answered_at is None:
        return replace(providers, provisional=call.may_have_dialed)
    until = exchange.clock.now() if call.ended_at is None else call.ended_at
    telephony = minutes_usd(exchange.carrier.usd_per_minute, until - call.answered_at)
    return replace(providers, telephony=telephony, provisional=True)
