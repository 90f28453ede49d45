"""Up to the dial: the key, the gates, the intent, and the one request."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from patter_core.calls.call_events import (
    Adopted,
    CallEvent,
    DialFailed,
    DialUnclear,
    Refused,
)
from patter_core.calls.cost import minutes_usd
from patter_core.calls.ledger import CallRow
from patter_core.calls.policy import Refusal
from patter_core.calls.request import CallRequest
from patter_core.calls.result import CallResult, rejected
from patter_core.calls.rules import ProposedCall
from patter_core.calls.status import State
from patter_core.errors import (
    CarrierBusy,
    CarrierNotReached,
    CarrierRefused,
    CarrierUnclear,
    PatterError,
)
from patter_core.switchboard.recover import settle_abandoned
from patter_core.switchboard.slots import QueueFull
from patter_core.telephony.carrier import DialRequest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from patter_core.calls.status import ErrorCode
    from patter_core.calls.tally import Tally
    from patter_core.switchboard.exchange import Exchange
    from patter_core.switchboard.order import Order

_log = logging.getLogger(__name__)

_WATCH_EVERY_SEC = 0.5


async def earlier_result(order: Order, exchange: Exchange) -> CallResult | None:
    """What became of an earlier call with this order's key; None when the key is free.

    A call of another live phone is waited for; what a dead one left is settled first.
    """
    if order.key is None:
        return None
    ledger = exchange.ledger
    row = await ledger.find(exchange.scope, order.key)
    while row is not None:
        if row.fingerprint != order.fingerprint:
            return key_conflict(order.arguments.to)
        if row.result is not None:
            return row.result.as_replay() if row.result.may_have_dialed else None
        if await ledger.owner_lives(row.owner):
            await exchange.clock.sleep(_WATCH_EVERY_SEC)
        else:
            await settle_abandoned(row, exchange)
        row = await ledger.read(row.call_id)
    return None


def key_conflict(to: str) -> CallResult:
    """The answer to a key that was used for something else."""
    return rejected(
        to,
        "idempotency_conflict",
        "This idempotency_key was used for a call with other arguments; use a new one",
    )


def judge(order: Order, exchange: Exchange) -> Refused | None:
    """What the policy says of this order, as far as that never changes."""
    return _refused(exchange.policy.judge(_proposed(order, exchange)))


def _proposed(order: Order, exchange: Exchange) -> ProposedCall:
    return ProposedCall(
        to=order.arguments.to,
        from_=order.from_,
        max_duration_sec=order.arguments.max_duration_sec,
        most_usd=_most_usd(order, exchange),
    )


def _most_usd(order: Order, exchange: Exchange) -> float:
    """What the carrier is assumed to charge for it if it goes on until the carrier's own limit."""
    seconds = order.arguments.max_duration_sec + exchange.limits.carrier_margin_sec
    return minutes_usd(exchange.carrier.usd_per_minute, seconds)


def _refused(refusal: Refusal | None) -> Refused | None:
    if refusal is None:
        return None
    return Refused(status="rejected", code=refusal.code, sentence=refusal.sentence)


async def ask_consent(order: Order, exchange: Exchange) -> Refused | None:
    """Ask whether whoever is rung has agreed to that; None means yes."""
    if exchange.policy.consent is None:
        return None
    no = _Denial(
        code="policy_consent",
        sentence="It is not known that whoever has this number has agreed to be rung",
    )
    return await _ask(exchange.policy.consent, no, order, exchange)


async def ask_approval(order: Order, exchange: Exchange) -> Refused | None:
    """Ask whoever must approve; None means yes."""
    if order.approve is None:
        return None
    no = _Denial(code="approval_denied", sentence="The call was not approved")
    return await _ask(order.approve, no, order, exchange)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Denial:
    """How a no to a question is told."""

    code: ErrorCode
    sentence: str

    def because(self, reason: str) -> Refused:
        return Refused(status="rejected", code=self.code, sentence=f"{self.sentence}{reason}")


async def _ask(
    hook: Callable[[CallRequest], Awaitable[bool | str] | bool | str],
    no: _Denial,
    order: Order,
    exchange: Exchange,
) -> Refused | None:
    arguments = order.arguments
    request = CallRequest(
        to=arguments.to,
        goal=arguments.goal,
        first_message=arguments.first_message,
        max_duration_sec=arguments.max_duration_sec,
        price_estimate_usd=_most_usd(order, exchange),
    )
    seconds = exchange.limits.approve_timeout_sec
    try:
        async with exchange.clock.timeout(seconds):
            with exchange.clock.hold():
                answer = await exchange.guests.call(order.guest_loop, hook, request)
    except TimeoutError:
        return no.because(f" within {seconds:g} s")
    except Exception:  # noqa: BLE001 - a user's function; whatever it raises means no
        _log.exception("What was asked about a call raised; that counts as no")
        return no.because("")
    if answer is True:
        return None
    if isinstance(answer, str) and answer.strip():
        return no.because(f": {answer.strip()}")
    return no.because("")


async def take_slot(exchange: Exchange) -> Refused | None:
    """Wait for a free line; None means that one is ours, to be given back."""
    seconds = exchange.limits.queue_timeout_sec
    try:
        await exchange.slots.take(seconds)
    except QueueFull:
        sentence = "Too many calls are waiting for a line already; try again later"
        return Refused(status="rejected", code="queue_full", sentence=sentence)
    except TimeoutError:
        sentence = f"No line became free within {seconds:g} s; try again later"
        return Refused(status="rejected", code="queue_timeout", sentence=sentence)
    return None


async def rehearse(order: Order, exchange: Exchange) -> Refused | None:
    """The last gate of a dry run: asks what would be asked with the intent, and stops there.

    Raises:
        LedgerError: What the phone has used up could not be read.
    """
    policy, to, now = exchange.policy, order.arguments.to, exchange.clock.wall()
    if not policy.dry_run:
        return None
    if policy.changes:
        tally = await exchange.ledger.tally(exchange.scope, to, now)
        refused = _refused(policy.admit(_proposed(order, exchange), tally, now))
        if refused is not None:
            return refused
    sentence = "This was a dry run: every check passed, and nobody was rung"
    return Refused(status="rejected", code="dry_run", sentence=sentence)


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
        proposed = _proposed(order, exchange)

        def admit(tally: Tally) -> Refusal | None:
            return exchange.policy.admit(proposed, tally, row.intended_at)

        outcome = await exchange.ledger.intend(row, admit)
    return _refused(outcome) if isinstance(outcome, Refusal) else outcome


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
        charge_usd=_most_usd(order, exchange) if dialled else 0.0,
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
