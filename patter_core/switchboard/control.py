"""The hand that tools have on one call: `CallControl`, within what the developer allowed."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from patter_core.calls.call_events import (
    CallEvent,
    TransferAsked,
    TransferFailed,
    TransferMade,
    TransferUnclear,
)
from patter_core.calls.rules import ProposedCall
from patter_core.calls.tally import DoNotCall, Tally
from patter_core.errors import CarrierError, CarrierUnclear, LedgerError, TransferRefused
from patter_core.telephony.carrier import CarrierCallId

if TYPE_CHECKING:
    from collections.abc import Callable

    from patter_core.calls.policy import Refusal
    from patter_core.switchboard.connect import Conversation
    from patter_core.switchboard.exchange import Exchange

_log = logging.getLogger(__name__)


class LineControl:
    """A `CallControl` of one call. Used on the engine's loop."""

    def __init__(
        self,
        exchange: Exchange,
        *,
        destinations: frozenset[str],
        tell: Callable[[CallEvent], None],
        note: Callable[[str], None],
        call_id: str = "",
        rung: str | None = None,
    ) -> None:
        """Control the call whose machine `tell` reaches.

        Args:
            exchange: What the call is carried by.
            destinations: Every number, E.164, that the developer allows a transfer to.
            tell: Reports an event to the call.
            note: Writes something into the transcript.
            call_id: Patter's id for the call.
            rung: Whom we rang, E.164; None when somebody rang us.
        """
        self._exchange = exchange
        self._destinations = destinations
        self._tell = tell
        self._note = note
        self._call_id = call_id
        self._rung = rung
        self._opted_out = False
        self._conversation: Conversation | None = None
        self._target: str | None = None
        self._handed_over: asyncio.Future[None] | None = None

    def attach(self, conversation: Conversation) -> None:
        """The conversation that the call has."""
        self._conversation = conversation

    def close(self) -> None:
        """The call is over: who still waits for a transfer hears that it was not made."""
        self._refuse("The call was over before it was handed over")

    async def end(self, reason: str) -> None:
        """See `CallControl.end`."""
        if self._conversation is not None:
            self._conversation.finish(reason)

    def send_digits(self, digits: str) -> None:
        """See `CallControl.send_digits`."""
        if self._conversation is not None:
            self._conversation.send_digits(digits)
            self._note(f"Digits were sent: {digits}")

    async def record_opt_out(self) -> None:
        """See `CallControl.record_opt_out`."""
        if self._rung is None:
            raise LedgerError("Only people whom we rang can be put on the do-not-call list")
        exchange = self._exchange
        entry = DoNotCall(
            number=self._rung, added_at=exchange.clock.wall(), call_id=self._call_id or None
        )
        await exchange.ledger.add_do_not_call(entry)
        if not self._opted_out:
            self._opted_out = True
            self._note("The number was put on the do-not-call list")

    async def transfer(self, target: str) -> None:
        """See `CallControl.transfer`."""
        if self._handed_over is None or self._failed():
            self._check_destination(target)
            self._target = target
            self._handed_over = asyncio.get_running_loop().create_future()
            await self._ask_policy(target)
            self._tell(TransferAsked(target=target))
        elif target != self._target:
            raise TransferRefused("Another transfer of this call is under way")
        await asyncio.shield(self._handed_over)

    def _failed(self) -> bool:
        future = self._handed_over
        return future is not None and future.done() and future.exception() is not None

    def _check_destination(self, target: str) -> None:
        """Raise `TransferRefused` when the developer does not allow it."""
        if not self._destinations:
            raise TransferRefused("No destination for transfers is set up for this agent")
        if target not in self._destinations:
            raise TransferRefused("Transfers to this number are not allowed")

    def _refuse(self, sentence: str, because: CarrierError | None = None) -> None:
        """Tell everybody who waits for the transfer that it is not made."""
        outcome = self._handed_over
        if outcome is not None and not outcome.done():
            refused = TransferRefused(sentence)
            refused.__cause__ = because
            outcome.set_exception(refused)
            outcome.exception()  # Whoever asked may be gone.

    async def _ask_policy(self, target: str) -> None:
        """Raise `TransferRefused` when the policy does not allow it."""
        sentence = "The transfer was given up"
        try:
            refusal = await self._judge(target)
            sentence = refusal.sentence if refusal is not None else ""
        except LedgerError:
            _log.warning("The policy could not be asked about a transfer", exc_info=True)
            sentence = "The do-not-call list could not be read, so nobody was connected"
        finally:
            if sentence:
                self._refuse(sentence)
        if sentence:
            raise TransferRefused(sentence)

    async def _judge(self, target: str) -> Refusal | None:
        exchange = self._exchange
        policy, now = exchange.policy, exchange.clock.wall()
        call = ProposedCall(
            to=target,
            from_=exchange.phone_number,
            max_duration_sec=int(exchange.limits.transferred_sec),
        )
        tally = Tally()
        if policy.changes:
            tally = await exchange.ledger.tally(exchange.scope, target, now)
        return policy.judge_transfer(call, tally, now)

    async def hand_over(self, carrier_call_id: str | None, target: str) -> CallEvent:
        """Ask the carrier, once the call's record says so; what came of it."""
        outcome = self._handed_over
        try:
            await self._transfer(carrier_call_id, target)
        except CarrierUnclear as error:
            # It is not asked again, as it may ring somebody by now: the end of the audio tells.
            await self._exchange.clock.sleep(self._exchange.limits.media_lost_sec)
            self._refuse("The carrier did not say that it transferred the call", because=error)
            self._note(f"A transfer to {target} was asked for, and not confirmed")
            return TransferUnclear()
        except CarrierError as error:
            self._refuse("The carrier did not transfer the call", because=error)
            self._note(f"A transfer to {target} failed")
            return TransferFailed()
        if outcome is not None and not outcome.done():
            outcome.set_result(None)
        self._note(f"The call was transferred to {target}")
        return TransferMade()

    async def _transfer(self, carrier_call_id: str | None, target: str) -> None:
        if carrier_call_id is None:
            raise CarrierError("The carrier's id of the call is not known yet")
        await self._exchange.line.transfer(
            CarrierCallId(carrier_call_id),
            to=target,
            time_limit_sec=int(self._exchange.limits.transferred_sec),
        )
