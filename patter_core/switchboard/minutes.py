"""The minutes of one call: what was said and done, without what must not get out."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from patter_core.calls.events import TurnSpoken
from patter_core.calls.transcript import Turn
from patter_core.switchboard.connect import TalkAccount

if TYPE_CHECKING:
    from collections.abc import Callable

    from patter_core.calls.events import ProgressEvent
    from patter_core.switchboard.connect import Conversation
    from patter_core.switchboard.exchange import Exchange

_WRITTEN_AFTER_SEC = 0.02


class Minutes:
    """Hears of each turn, tells and writes it, and accounts for the whole."""

    def __init__(
        self, call_id: str, exchange: Exchange, *, tell: Callable[[ProgressEvent], None]
    ) -> None:
        """Begin with nothing; `tell` hears of every turn."""
        self._call_id = call_id
        self._exchange = exchange
        self._tell = tell
        self._conversation: Conversation | None = None
        self._notes: list[Turn] = []
        self._unwritten: list[Turn] = []
        self._closed = False

    def attach(self, conversation: Conversation) -> None:
        """The conversation that the call has."""
        self._conversation = conversation

    def turn_finished(self, turn: Turn) -> None:
        """Somebody has said something."""
        turn = self._redacted(turn)
        self._unwritten.append(turn)
        # The ledger's thread would take the interpreter just when the agent is about to answer.
        asyncio.get_running_loop().call_later(_WRITTEN_AFTER_SEC, self.write)
        self._tell(TurnSpoken(call_id=self._call_id, turn=turn))

    def note(self, text: str) -> None:
        """Put something that nobody said into the transcript."""
        # By the clock of what was said: by the call's own it would seem to come after an answer.
        now_ms = self._conversation.now_ms if self._conversation is not None else 0
        turn = Turn(role="system", text=text, started_ms=now_ms)
        self._notes.append(turn)
        self.turn_finished(turn)

    def write(self) -> None:
        """Write down now what was not written yet."""
        turns, self._unwritten = self._unwritten, []
        for turn in turns:
            if not self._closed:
                self._exchange.ledger.note_turn(self._call_id, turn)

    def close(self) -> None:
        """The call has its result, which holds everything: write no more."""
        self._closed = True

    def account(self) -> TalkAccount:
        """The conversation so far, with what was noted beside it."""
        if self._conversation is None:
            return TalkAccount()
        talk = self._conversation.account()
        # Of the same moment, the note: what a tool did comes before what is said of it.
        turns = sorted((*self._notes, *talk.turns), key=lambda turn: turn.started_ms)
        return replace(talk, turns=tuple(self._redacted(turn) for turn in turns))

    def _redacted(self, turn: Turn) -> Turn:
        """A turn without what must not get out, whoever said it."""
        text = self._exchange.redaction.redact(turn.text)
        return turn if text == turn.text else replace(turn, text=text)
