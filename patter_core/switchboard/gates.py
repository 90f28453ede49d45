"""What a call must pass before its intent is written: the policy, people, and a free line."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from patter_core.calls.call_events import Refused
from patter_core.calls.cost import minutes_usd
from patter_core.calls.request import CallRequest
from patter_core.calls.rules import ProposedCall
from patter_core.switchboard.slots import QueueFull

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from patter_core.calls.policy import Refusal
    from patter_core.calls.status import ErrorCode
    from patter_core.switchboard.exchange import Exchange
    from patter_core.switchboard.order import Order

_log = logging.getLogger(__name__)


def judge(order: Order, exchange: Exchange) -> Refused | None:
    """What the policy says of this order, as far as that never changes."""
    return refused_by(exchange.policy.judge(proposed(order, exchange)))


def proposed(order: Order, exchange: Exchange) -> ProposedCall:
    """The call as the policy looks at it."""
    return ProposedCall(
        to=order.arguments.to,
        from_=order.from_,
        max_duration_sec=order.arguments.max_duration_sec,
        most_usd=most_usd(order, exchange),
    )


def most_usd(order: Order, exchange: Exchange) -> float:
    """What the carrier is assumed to charge for it if it goes on until the carrier's own limit."""
    seconds = order.arguments.max_duration_sec + exchange.limits.carrier_margin_sec
    return minutes_usd(exchange.carrier.usd_per_minute, seconds)


def refused_by(refusal: Refusal | None) -> Refused | None:
    """The policy's no, as the call is told; None where it has none."""
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
        price_estimate_usd=most_usd(order, exchange),
    )
    seconds = exchange.limits.approve_timeout_sec
    try:
        async with exchange.clock.timeout(seconds):
            with exchange.clock.hold():
                answer = await order.guest.call(hook, request)
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
        refused = refused_by(policy.admit(proposed(order, exchange), tally, now))
        if refused is not None:
            return refused
    sentence = "This was a dry run: every check passed, and nobody was rung"
    return Refused(status="rejected", code="dry_run", sentence=sentence)
