"""What was said so far, as people read it, and as a model does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from patter_core.calls.transcript import Turn
from patter_core.pipeline.language_model import Message

if TYPE_CHECKING:
    from collections.abc import Sequence


class Record:
    """One conversation's finished turns, and the messages that its model is asked with.

    The two agree: of the agent both have what was heard.
    """

    def __init__(self, instructions: str) -> None:
        """Begin with the system prompt, if there is one."""
        self.turns: list[Turn] = []
        self._messages = [Message("system", instructions)] if instructions else []
        self._asked_again = ""

    def user_said(self, text: str, began_ms: int) -> Turn:
        """The callee's turn. The model hears of it when it is asked to answer it."""
        turn = Turn(role="user", text=text, started_ms=began_ms)
        self.turns.append(turn)
        return turn

    def agent_said(self, turn: Turn) -> None:
        """The agent's turn, as it was heard."""
        self.turns.append(turn)
        self._messages.append(Message("assistant", turn.text))

    def ask(self, texts: Sequence[str]) -> tuple[Message, ...]:
        """The messages that ask for an answer to `texts`."""
        text = " ".join((self._asked_again, *texts)).strip()
        self._asked_again = ""
        self._messages.append(Message("user", text))
        return tuple(self._messages)

    def not_answered(self) -> None:
        """Nothing of the answer was heard: what asked for it is asked again with what comes next.

        A model would otherwise read two messages of the user in a row, and answer the second.
        """
        if self._messages and self._messages[-1].role == "user":
            self._asked_again = self._messages.pop().text
