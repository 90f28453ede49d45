"""What a dead process left: its legs are hung up and its rows closed. Nobody is ever dialled."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from patter_core.calls.cost import Cost, minutes_usd
from patter_core.calls.result import CallResult, iso_time
from patter_core.calls.status import State
from patter_core.errors import CarrierError, LedgerError
from patter_core.switchboard.look_up import candidates
from patter_core.telephony.carrier import FINAL_STATUSES, CarrierCallId

if TYPE_CHECKING:
    from patter_core.calls.ledger import CallRow
    from patter_core.switchboard.exchange import Exchange

_log = logging.getLogger(__name__)


async def recover(exchange: Exchange) -> None:
    """Settle every row of a dead owner, within `Limits.recovery_sec`.

    What cannot be settled now (the carrier does not answer, say) is left for the next start, and
    logged.
    """
    rows = await exchange.ledger.abandoned()
    if not rows:
        return
    try:
        # Real time: the carrier and the disk are asked, and nothing else is waited for.
        async with asyncio.timeout(exchange.limits.recovery_sec), asyncio.TaskGroup() as group:
            for row in rows:
                group.create_task(_settle_or_log(row, exchange))
    except TimeoutError:
        _log.warning("Some of %d abandoned calls could not be settled in time", len(rows))


async def _settle_or_log(row: CallRow, exchange: Exchange) -> None:
    try:
        await settle_abandoned(row, exchange)
    except (CarrierError, LedgerError):
        _log.warning("Abandoned call %s could not be settled", row.call_id, exc_info=True)


async def settle_abandoned(row: CallRow, exchange: Exchange) -> None:
    """End the leg of a call whose owner died, if there is one, and close its row.

    Raises:
        CarrierError: The carrier could not be asked or told; the row stays open.
        LedgerError: The row could not be closed.
    """
    carrier_call_id = row.carrier_call_id or await _leg_of(row, exchange)
    talked_sec: float | None = None
    # Whoever it was being handed over to may be talking on it.
    if carrier_call_id is not None and row.state is not State.TRANSFERRING:
        leg = CarrierCallId(carrier_call_id)
        call = await exchange.line.fetch(leg)
        talked_sec = call.duration_sec
        if call.status not in FINAL_STATUSES:
            await exchange.line.hang_up(leg)
    await exchange.ledger.close_call(row.call_id, await _interrupted(row, exchange, talked_sec))
    _log.info("Abandoned call %s was settled", row.call_id)


async def _leg_of(row: CallRow, exchange: Exchange) -> str | None:
    """The leg that an intent led to, if it did; where several may be it, none is touched."""
    found = await candidates(row, exchange)
    return found[0] if len(found) == 1 else None


async def _interrupted(row: CallRow, exchange: Exchange, talked_sec: float | None) -> CallResult:
    journal = await exchange.ledger.read(row.call_id)
    turns = journal.turns if journal is not None else row.turns
    now = exchange.clock.wall()
    return CallResult(
        call_id=row.call_id,
        status="interrupted",
        duration_seconds=talked_sec or (turns[-1].started_ms / 1_000 if turns else 0.0),
        cost=_cost(talked_sec, exchange),
        transcript=turns,
        to=row.to,
        ended_by="engine",
        error="The process that made this call died, so the call was ended afterwards",
        error_code="engine_stopped",
        may_have_dialed=True,
        started_at=iso_time(row.intended_at),
        answered_at=iso_time(row.answered_at),
        ended_at=iso_time(now),
        recording=await exchange.recordings.left_by(row.call_id),
    )


def _cost(talked_sec: float | None, exchange: Exchange) -> Cost:
    if not talked_sec:
        return Cost(provisional=True)
    usd = minutes_usd(exchange.carrier.usd_per_minute, talked_sec)
    return Cost(telephony=usd, provisional=True)
