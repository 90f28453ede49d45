"""The intent, and the one request that dials."""

from __future__ import annotations

import logging
from math import ceil
from typing import TYPE_CHECKING

from patter_core.calls.call_events import Adopted, CallEvent, DialFailed, DialUnclear, Refused
from patter_core.calls.ledger import CallRow
from patter_core.calls.policy import Refusal
from patter_core.calls.status import State
from patter_core.errors import (
    CarrierBusy,
    CarrierNotReached,
    CarrierRefused,
    CarrierUnclear,
    PatterError,
)
from patter_core.switchboard.gates import most_usd, proposed, refused_by
from patter_core.telephony.carrier import DialRequest

if TYPE_CHECKING:
    from patter_core.calls.tally import Tally
    from patter_core.switchboard.exchange import Exchange
    from patter_core.switchboard.order import Order

_log = logging.getLogger(__name__)


async def intend(order: Order, call_id: str, exchange: Exchange) -> CallRow | Refused | None:
    """Write the intent, if what changes in the policy (the hour, caps, budgets) lets it pass.

    Returns:
        None when it was written, else why not: the row that has the key, or the policy's no.

    Raises:
        LedgerError: It could not be written.
    """
    row = intent_row(order, call_id, exchange)
    if order.arriving is not None or not exchange.policy.changes:
        outcome = await exchange.ledger.intend(row)
    else:
        asked = proposed(order, exchange)

        def admit(tally: Tally) -> Refusal | None:
            return exchange.policy.admit(asked, tally, row.intended_at)

        outcome = await exchange.ledger.intend(row, admit)
    return refused_by(outcome) if isinstance(outcome, Refusal) else outcome


def intent_row(order: Order, call_id: str, exchange: Exchange) -> CallRow:
    """What is written before the carrier hears of the call."""
    dialled = order.arriving is None
    return CallRow(
        call_id=call_id,
        owner=exchange.ledger.owner,
        scope=exchange.scope,
        key=order.key,
        fingerprint=order.fingerprint,
        state=State.INTENT,
        to=order.arguments.to,
        from_=order.from_,
        intended_at=exchange.clock.wall(),
        counts=dialled,
        charge_usd=most_usd(order, exchange) if dialled else 0.0,
    )


async def dial(order: Order, call_id: str, exchange: Exchange) -> CallEvent:
    """Ask the carrier to ring, once; what became of that.

    A carrier that is too busy has rung nobody, so it alone is asked a second time, when it says
    to, and the wait is short.
    """
    request = DialRequest(
        to=order.arguments.to,
        from_=order.from_,
        answer_url=exchange.webhook_url("answer", call_id),
        status_url=exchange.webhook_url("status", call_id),
        machine_url=(exchange.webhook_url("machine", call_id) if order.machine_detection else None),
        await_beep=order.voicemail_message is not None,
        ring_timeout_sec=order.ring_timeout_sec,
        time_limit_sec=ceil(order.arguments.max_duration_sec + exchange.limits.carrier_margin_sec),
    )
    try:
        try:
            carrier_call_id = await exchange.line.dial(request)
        except CarrierBusy as busy:
            wait_sec = busy.retry_after_sec
            if wait_sec is None or wait_sec > exchange.limits.carrier_busy_wait_sec:
                raise
            await exchange.clock.sleep(wait_sec)
            carrier_call_id = await exchange.line.dial(request)
    except CarrierRefused as error:
        return DialFailed(code="carrier_refused", sentence=str(error))
    except CarrierBusy:
        return DialFailed(code="carrier_busy", sentence="The carrier is too busy; try again later")
    except CarrierNotReached:
        sentence = "The carrier could not be reached, and nobody was rung; try again later"
        return DialFailed(code="carrier_not_reached", sentence=sentence)
    except CarrierUnclear:
        _log.warning("Call %s: the carrier gave no clear answer to the dial", call_id)
        return DialUnclear()
    return Adopted(carrier_call_id=carrier_call_id)


def unforeseen(error: PatterError | Exception, call_id: str) -> Refused:
    """Something of ours failed before anybody was rung."""
    _log.error("Call %s could not be prepared", call_id, exc_info=error)
    sentence = "The call could not be prepared, and nobody was rung"
    return Refused(status="failed", code="internal", sentence=sentence)
