"""The durable record of calls, as the engine asks for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from patter_core.calls.result import CallResult, iso_time

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from patter_core.calls.policy import Refusal
    from patter_core.calls.status import State
    from patter_core.calls.tally import DoNotCall, Tally
    from patter_core.calls.transcript import Turn

    Admit = Callable[[Tally], Refusal | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRow:
    """One call, as it is written down.

    Attributes:
        call_id: Patter's id for it.
        owner: The open phone that carries it, a random id.
        scope: Carrier account and number, within which a key is unique.
        key: The caller's idempotency key; None without one, and once the call is known never to
            have been dialled.
        fingerprint: Tells whether two requests with one key ask for the same thing.
        state: Where the call is.
        to: The number that is rung.
        from_: The number that rings.
        intended_at: When it was written, UTC.
        carrier_call_id: The carrier's id, once it is known.
        answered_at: When it was answered, UTC.
        result: What became of it; None while it is under way.
        turns: What was said so far, or in all; empty once expired.
        transcript_expired: What was said is no longer kept.
        counts: Whether it counts against the caps of a dial policy: we dial, and are not known
            never to have dialled.
        charge_usd: What it counts for against the budgets: reserved while it is under way, then
            what it did cost.
    """

    call_id: str
    owner: str
    scope: str
    key: str | None
    fingerprint: str
    state: State
    to: str
    from_: str
    intended_at: datetime
    carrier_call_id: str | None = None
    answered_at: datetime | None = None
    result: CallResult | None = None
    turns: tuple[Turn, ...] = ()
    transcript_expired: bool = False
    counts: bool = True
    charge_usd: float = 0.0

    def as_result(self) -> CallResult:
        """What became of it; `in_progress`, with what was said so far, while that is open."""
        return self.result or CallResult(
            call_id=self.call_id,
            status="in_progress",
            transcript=self.turns,
            to=self.to,
            may_have_dialed=True,
            started_at=iso_time(self.intended_at),
        )


class CallLedger(Protocol):
    """Where intent and outcome are written. Methods raise `LedgerError` when that fails."""

    async def open(self) -> None:
        """Make it ready, become an owner, forget transcripts past their time."""
        ...

    async def aclose(self) -> None:
        """Stop being an owner and close. Safe to repeat."""
        ...

    @property
    def owner(self) -> str:
        """The id under which this open ledger writes."""
        ...

    @property
    def signing_key(self) -> bytes:
        """32 secret bytes, the same for everybody who shares this ledger. Known once open."""
        ...

    async def intend(self, row: CallRow, admit: Admit | None = None) -> CallRow | Refusal | None:
        """Write the intent, on disk before this returns, if its key is free and `admit` lets it.

        `admit` is asked in the same transaction, with what `row.scope` has used up at
        `row.intended_at`: no other intent comes in between, from whatever process. It must be pure
        and quick, and may be asked on any thread; what it raises is raised here, and then nothing
        was written.

        Returns:
            None when it was written. Else nothing was: the row that has the key in this scope, or
            what `admit` said.
        """
        ...

    async def tally(self, scope: str, to: str, now: datetime) -> Tally:
        """What `scope` has used up at `now`, as far as it matters for ringing `to`."""
        ...

    async def add_do_not_call(self, entry: DoNotCall) -> bool:
        """Put a number on the do-not-call list, on disk before this returns. Safe to repeat.

        The list is one for all who share the ledger.

        Returns:
            Whether it was not there yet; an entry that was there stays as it is.
        """
        ...

    async def remove_do_not_call(self, number: str) -> bool:
        """Take a number off the list; whether it was there."""
        ...

    async def do_not_call_list(self) -> list[DoNotCall]:
        """Everybody on the list, in the order of adding."""
        ...

    async def find(self, scope: str, key: str) -> CallRow | None:
        """The row that has `key` in `scope`."""
        ...

    async def read(self, call_id: str) -> CallRow | None:
        """The row of one call, its turns with it."""
        ...

    async def move(
        self,
        call_id: str,
        state: State,
        *,
        carrier_call_id: str | None = None,
        answered_at: datetime | None = None,
    ) -> None:
        """Record where a call is. A closed row stays as it is; None leaves a column as it is."""
        ...

    def note_turn(self, call_id: str, turn: Turn) -> None:
        """Record what was said, soon and in order. Returns at once; a failure is only logged."""
        ...

    async def close_call(self, call_id: str, result: CallResult) -> bool:
        """Record how a call ended. Only the first result counts.

        The key of a call that cannot have been dialled is free again, and the call counts no more.
        What the call counts for becomes what `tally.settled_usd` says.

        Returns:
            Whether this result was the first.
        """
        ...

    async def knows_carrier_call(self, carrier_call_id: str) -> bool:
        """Whether some row has this carrier id: then the call is not the one being looked for."""
        ...

    async def owner_lives(self, owner: str) -> bool:
        """Whether the owner of a row still runs, this one included."""
        ...

    async def abandoned(self) -> list[CallRow]:
        """Rows that are not closed and whose owner is dead, oldest first."""
        ...
