"""Calls with one key are one call: what became of an earlier one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from patter_core.calls.result import CallResult, rejected
from patter_core.switchboard.recover import settle_abandoned

if TYPE_CHECKING:
    from patter_core.switchboard.exchange import Exchange
    from patter_core.switchboard.order import Order

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
