"""What was said and done so far, as people read it, and as a model does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from patter_core.calls.transcript import Turn
from patter_core.pipeline.language_model import Message

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from patter_core.pipeline.tool_use import ToolRequest

STILL_RUNNING = (
    '{"status":"still_running","detail":"There is no answer yet. It will be given here as soon as '
    'there is one: do not ask for it again."}'
)
"""What a model reads in place of an answer that has not come."""


@dataclass(eq=False, slots=True)
class ToolAsk:
    """One request for a tool.

    Attributes:
        output: The answer; None until it came.
    """

    request: ToolRequest
    output: str | None = None


@dataclass(eq=False, slots=True)
class ToolRound:
    """A message of the agent that asks for tools.

    Attributes:
        text: What was said in it: as it was meant, until it is known what was heard.
        told: A model was asked with it since, whatever had been answered by then.
    """

    asks: list[ToolAsk]
    text: str = ""
    heard: bool = False
    told: bool = False

    @property
    def answered(self) -> bool:
        """Whether every tool of it has."""
        return all(ask.output is not None for ask in self.asks)


class Record:
    """One conversation's finished turns, and the messages that its model is asked with.

    The two agree: of the agent both have what was heard.

    A model must find exactly one answer to each of its requests, right after them. One that has
    not come when the model has to be asked, because the callee spoke meanwhile, is given as
    `STILL_RUNNING`. When it comes after that, request and answer move to the end together: the
    model then reads its news last, not in a place that it has passed long ago.
    """

    def __init__(self, instructions: str) -> None:
        """Begin with the system prompt, if there is one."""
        self.turns: list[Turn] = []
        self._entries: list[Message | ToolRound] = []
        if instructions:
            self._entries.append(Message("system", instructions))
        self._asked_again = ""
        self._late: list[ToolAsk] = []  # Given as still running, so far.

    def user_said(self, text: str, began_ms: int) -> Turn:
        """The callee's turn. The model hears of it when it is asked to answer it."""
        turn = Turn(role="user", text=text, started_ms=began_ms)
        self.turns.append(turn)
        return turn

    def agent_said(self, turn: Turn | None, tool_round: ToolRound | None) -> None:
        """The agent's turn, as it was heard; None if nothing was.

        Args:
            turn: What was heard.
            tool_round: What was asked for in this turn.
        """
        if turn is not None:
            self.turns.append(turn)
            if tool_round is None:
                tool_round = self._open_round()
        if tool_round is not None:
            earlier = tool_round.text if tool_round.heard else ""
            tool_round.text = f"{earlier} {turn.text if turn is not None else ''}".strip()
            tool_round.heard = True
        elif turn is not None:
            self._entries.append(Message("assistant", turn.text))

    def tools_asked(self, text: str, requests: Sequence[ToolRequest]) -> ToolRound:
        """The agent asks for tools, having meant to say `text`; `agent_said` tells what it did."""
        tool_round = ToolRound([ToolAsk(request) for request in requests], text)
        self._entries.append(tool_round)
        return tool_round

    def ask(self, texts: Sequence[str]) -> tuple[Message, ...]:
        """The messages that ask for an answer to `texts`, and to what tools answered."""
        self._move_late_answers()
        text = " ".join((self._asked_again, *texts)).strip()
        self._asked_again = ""
        if text:
            self._entries.append(Message("user", text))
        return tuple(self._messages())

    def not_answered(self) -> None:
        """Nothing of the answer was heard: what asked for it is asked again with what comes next.

        A model would otherwise read two messages of the user in a row, and answer the second.
        """
        if self._entries:
            last = self._entries[-1]
            if isinstance(last, Message) and last.role == "user":
                self._asked_again = last.text
                self._entries.pop()

    def _open_round(self) -> ToolRound | None:
        """What was asked for last, if what is said now is still said in that breath."""
        last = self._entries[-1] if self._entries else None
        return last if isinstance(last, ToolRound) and not last.told else None

    def _move_late_answers(self) -> None:
        come = [ask for ask in self._late if ask.output is not None]
        if not come:
            return
        self._late = [ask for ask in self._late if ask.output is None]
        entries: list[Message | ToolRound] = []
        for entry in self._entries:
            if isinstance(entry, ToolRound):
                entry.asks = [ask for ask in entry.asks if ask not in come]
                if not entry.asks:
                    if entry.text:
                        entries.append(Message("assistant", entry.text))
                    continue
            entries.append(entry)
        self._entries = [*entries, ToolRound(come, heard=True)]

    def _messages(self) -> Iterator[Message]:
        for entry in self._entries:
            if isinstance(entry, Message):
                yield entry
                continue
            entry.told = True
            requests = tuple(ask.request for ask in entry.asks)
            yield Message("assistant", entry.text, requests)
            for ask in entry.asks:
                output = ask.output
                if output is None:
                    output = STILL_RUNNING
                    if ask not in self._late:
                        self._late.append(ask)
                yield Message("tool", output, function_call_id=ask.request.function_call_id)
