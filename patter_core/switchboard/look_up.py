"""Asks the carrier about a leg: where that of an unclear dial is, and whether one is over."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from patter_core.calls.call_events import Adopted, CarrierEnded, LegNotOver, LookUpFailed
from patter_core.errors import CarrierError
from patter_core.switchboard.carrier_words import told_by
from patter_core.telephony.carrier import CarrierCallId

if TYPE_CHECKING:
    from datetime import datetime

    from patter_core.calls.ledger import CallRow
    from patter_core.switchboard.exchange import Exchange

_log = logging.getLogger(__name__)

_CREATED_BEFORE_SEC = 5.0
"""How much earlier than the intent the carrier may say that it made the call."""


async def look_up(row: CallRow, exchange: Exchange, *, seconds: float) -> Adopted | LookUpFailed:
    """Look for the leg of an unclear dial in the carrier's own list, for `seconds`.

    It is ours when it is the only one between these numbers that was made after the intent and
    that no other row knows.
    """
    try:
        async with exchange.clock.timeout(seconds):
            while True:
                found = await candidates(row, exchange)
                if len(found) == 1:
                    return Adopted(carrier_call_id=found[0])
                await exchange.clock.sleep(exchange.limits.look_up_every_sec)
    except TimeoutError:
        return LookUpFailed()


async def candidates(row: CallRow, exchange: Exchange) -> list[str]:
    """Carrier ids of the calls that may be this row's leg; none when the carrier does not say."""
    asked_at = exchange.clock.wall()
    try:
        listing = await exchange.line.find(to=row.to, from_=row.from_)
    except CarrierError:
        _log.warning("Call %s: the carrier could not be asked for its calls", row.call_id)
        return []
    # The carrier's clock and ours may differ: compare by how long ago each says it was.
    carrier_now = listing.carrier_now or asked_at
    oldest = carrier_now - (asked_at - row.intended_at) - timedelta(seconds=_CREATED_BEFORE_SEC)
    return [
        call.id
        for call in listing.calls
        if _is_since(call.created_at, oldest)
        and not await exchange.ledger.knows_carrier_call(call.id)
    ]


def _is_since(moment: datetime | None, oldest: datetime) -> bool:
    return moment is None or moment >= oldest


async def ask_after(carrier_call_id: str | None, exchange: Exchange) -> CarrierEnded | LegNotOver:
    """Whether a leg is over. Nobody who may be on it waits long for a carrier that is silent."""
    if carrier_call_id is None:
        raise AssertionError("Only a leg that is known is asked after")
    try:
        async with exchange.clock.timeout(exchange.limits.media_lost_sec):
            found = await exchange.line.fetch(CarrierCallId(carrier_call_id))
    except (CarrierError, TimeoutError):
        _log.warning("The carrier could not be asked after a call that has no audio")
        return LegNotOver()
    match told_by(found.status, found.duration_sec):
        case [CarrierEnded() as ended]:
            return ended
        case _:
            return LegNotOver()
