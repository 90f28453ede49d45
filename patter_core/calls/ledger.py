"""The durable record of calls, as the engine asks for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime

    from patter_core.calls.result import CallResult
    from patter_core.calls.status import State
    from patter_core.calls.transcript import Turn


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

    async def intend(self, row: CallRow) -> CallRow | None:
        """Write the intent, on disk before this returns, unless its key is taken.

        Returns:
            None when it was written; else the row that has the key in this scope, and nothing
            was written.
        """
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

        The key of a call that cannot have been dialled is free again.

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
