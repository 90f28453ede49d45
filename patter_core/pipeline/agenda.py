"""What the agent has yet to say: what was asked for, and what its tools will call for."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal

QueuedKind = Literal["saying", "progress", "digits", "reply"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """A turn that the agent takes as soon as it can; a reply is one that was thought of ahead."""

    kind: QueuedKind
    text: str = ""
    owner: object = None


class Agenda:
    """One agent's next turns, and the tools that it waits for.

    Attributes:
        asked_in_turn: The agent's turn asked for tools: all of it is written.
        replied: Something was said since the callee was answered last.
        tools_due: Tools have answered, and the model has not been asked since.
    """

    def __init__(self, *, tool_rounds: int) -> None:
        """Nothing is to be said; tools may be asked for `tool_rounds` times in a row."""
        self.asked_in_turn = False
        self.replied = False
        self.tools_due = False
        self._tool_rounds = tool_rounds
        self._queue: deque[Queued] = deque()
        self._running = 0  # Rounds of tools.
        self._rounds = 0  # Since the callee was answered last.
        self._asked_ahead = False  # The thought that is yet to be said asked for tools.

    def __bool__(self) -> bool:
        """Whether something is to be said next, whatever else happens."""
        return bool(self._queue)

    @property
    def next_kind(self) -> QueuedKind | None:
        """What the next turn is, if there is one."""
        return self._queue[0].kind if self._queue else None

    @property
    def tools_run(self) -> bool:
        """Whether tools are at work."""
        return self._running > 0

    @property
    def tools_answered(self) -> bool:
        """Whether the model is to be asked what it makes of what tools answered."""
        return self.tools_due and not self._running

    @property
    def may_ask_for_tools(self) -> bool:
        """Whether the model's next reply may."""
        return self._rounds < self._tool_rounds

    @property
    def has_a_thought(self) -> bool:
        """Whether a reply was thought of ahead, and is yet to be said."""
        return any(item.kind == "reply" for item in self._queue)

    def add(self, item: Queued) -> None:
        """Say it after what is to be said already."""
        self._queue.append(item)

    def take(self) -> Queued:
        """The next turn, which is taken now."""
        return self._queue.popleft()

    def begin_turn(self, *, thought: bool) -> None:
        """The agent takes a turn; `thought`: it is the reply that was thought of ahead."""
        self.asked_in_turn = thought and self._asked_ahead
        if thought:
            self._asked_ahead = False

    def answering(self) -> None:
        """The callee is being answered: tools may be asked for anew."""
        self._rounds, self.replied = 0, False

    def think_ahead(self) -> None:
        """The model is asked already; what it says comes after everything else."""
        self.tools_due = False
        self.add(Queued(kind="reply"))

    def ask_tools(self) -> None:
        """What is said, or was thought of ahead, asked for tools."""
        self._running += 1
        self._rounds += 1
        if self.has_a_thought:
            self._asked_ahead = True
        else:
            self.asked_in_turn = True

    def hear_from_tools(self) -> None:
        """All tools of one round have answered."""
        self._running = max(0, self._running - 1)
        self.tools_due = True

    def withdraw(self, owner: object) -> None:
        """What `owner` wanted said comes too late."""
        self._queue = deque(item for item in self._queue if item.owner is not owner)

    def make_room_for_words(self) -> bool:
        """Drop what was to bridge a silence, or thought ahead; whether a thought is forgotten."""
        forgotten = self.has_a_thought
        if forgotten:
            self._asked_ahead = False
        self._queue = deque(item for item in self._queue if item.kind in ("saying", "digits"))
        return forgotten

    def drop_progress(self) -> None:
        """Whatever is still to be said, say no more of how tools get on."""
        self._queue = deque(item for item in self._queue if item.kind != "progress")

    def clear(self) -> None:
        """Say nothing of it any more."""
        self._queue.clear()
        self.tools_due = False
