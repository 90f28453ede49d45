"""The live calls of one open phone: by id for the door, by key so that none is dialled twice."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from patter_core.calls.arguments import CallArguments
from patter_core.calls.call_events import EngineStopping
from patter_core.calls.result import phone_closed
from patter_core.errors import CarrierError, LedgerError
from patter_core.switchboard.keys import key_conflict
from patter_core.switchboard.late_results import LateResults
from patter_core.switchboard.operator import Operator
from patter_core.switchboard.order import Order
from patter_core.telephony.callref import verified
from patter_core.telephony.carrier import CarrierCallId

if TYPE_CHECKING:
    from patter_core.agent import Agent
    from patter_core.calls.result import CallResult
    from patter_core.switchboard.exchange import Exchange

_log = logging.getLogger(__name__)


class Desk:
    """Takes orders and knows who carries them. Used on the engine's loop only.

    Every call's tasks, and its ending, are children of `tasks`.
    """

    def __init__(self, exchange: Exchange, tasks: asyncio.TaskGroup) -> None:
        """Begin with no calls."""
        self.exchange = exchange
        self._tasks = tasks
        self._late = LateResults(exchange, tasks)
        self._by_id: dict[str, Operator] = {}
        self._by_key: dict[str, Operator] = {}
        self._closed = False
        self._receptionist: Agent | None = None

    @property
    def live(self) -> int:
        """How many calls are under way, those at the gates included."""
        return len(self._by_id)

    def place(self, order: Order) -> Operator | CallResult:
        """Begin a call, or join the one that has the order's key.

        Returns:
            Who carries the call; or a result when there is nothing to carry.
        """
        if self._closed:
            return phone_closed(order.arguments.to)
        holder = None if order.key is None else self._by_key.get(order.key)
        # One that is over stays a moment longer; whether its key is free is the ledger's to say.
        if holder is not None and not holder.result.done():
            if holder.order.fingerprint != order.fingerprint:
                return key_conflict(order.arguments.to)
            return holder
        operator = Operator(order, self.exchange, endings=self._tasks, late=self._late)
        self._by_id[operator.call_id] = operator
        if order.key is not None:
            self._by_key[order.key] = operator
        self._tasks.create_task(self._carry(operator))
        return operator

    def receive_with(self, agent: Agent | None) -> None:
        """Let `agent` speak with whoever rings us; None turns callers away."""
        self._receptionist = agent

    def take_in(self, carrier_call_id: str, *, from_: str) -> Operator | None:
        """Begin a call that somebody makes to us; the same one when the carrier asks again.

        Returns:
            Who carries it; None when nobody is there to speak.
        """
        for operator in self._by_id.values():
            if operator.order.arriving == carrier_call_id:
                return operator
        if self._closed or self._receptionist is None:
            return None
        exchange = self.exchange
        arguments = CallArguments(
            to=exchange.phone_number, max_duration_sec=int(exchange.limits.inbound_sec)
        )
        order = Order(
            arguments=arguments,
            from_=from_,
            agent=self._receptionist,
            key=None,
            approve=None,
            guest=exchange.guests.guest(None),
            arriving=carrier_call_id,
        )
        placed = self.place(order)
        return placed if isinstance(placed, Operator) else None

    async def _carry(self, operator: Operator) -> None:
        try:
            await operator.carry()
            await asyncio.wrap_future(operator.result)
        finally:
            self._by_id.pop(operator.call_id, None)
            key = operator.order.key
            if key is not None and self._by_key.get(key) is operator:
                del self._by_key[key]

    def find(self, callref: str) -> Operator | None:
        """Who carries the call that a signed reference names; None for a forged or ended one."""
        call_id = verified(callref, self.exchange.ledger.signing_key)
        return None if call_id is None else self._by_id.get(call_id)

    def knows(self, callref: str) -> bool:
        """Whether this reference is one that we signed, for a call that lives or is over."""
        return verified(callref, self.exchange.ledger.signing_key) is not None

    async def result_of(self, call: str) -> CallResult | None:
        """What became of a call, live or long over, by its id or its key; None when unknown.

        Raises:
            LedgerError: The record cannot be read.
        """
        if (operator := self._by_id.get(call)) is not None:
            return operator.snapshot()
        ledger = self.exchange.ledger
        row = await ledger.read(call) or await ledger.find(self.exchange.scope, call)
        return None if row is None else row.as_result()

    async def turn_away(self, callref: str, carrier_call_id: str) -> None:
        """Hang up a leg of a call that is over: it was lost sight of, and somebody still rings.

        A call that another live phone carries is left alone.
        """
        call_id = verified(callref, self.exchange.ledger.signing_key)
        if call_id is None:
            return
        try:
            row = await self.exchange.ledger.read(call_id)
            if row is not None and row.result is not None:
                _log.warning("Call %s is over, but has a leg; it is hung up", call_id)
                await self.exchange.line.hang_up(CarrierCallId(carrier_call_id))
        except (CarrierError, LedgerError):
            _log.warning("Call %s: its stray leg could not be hung up", call_id, exc_info=True)

    async def drain(self, timeout_sec: float) -> bool:
        """Take no more calls, end those that are live, and wait for their endings.

        Returns:
            Whether all of them ended in time (real time: the process may be about to end).
        """
        self._closed = True
        ended = await self._all_ended(timeout_sec)
        await self._late.close()
        return ended

    async def _all_ended(self, timeout_sec: float) -> bool:
        operators = list(self._by_id.values())
        for operator in operators:
            operator.tell(EngineStopping())
        pending = [asyncio.wrap_future(operator.result) for operator in operators]
        if not pending:
            return True
        with self.exchange.clock.hold():
            _, late = await asyncio.wait(pending, timeout=timeout_sec)
        if late:
            _log.error("%d calls did not end within %g s", len(late), timeout_sec)
            for operator in operators:
                if not operator.result.done():
                    operator.give_up()
        return not late
