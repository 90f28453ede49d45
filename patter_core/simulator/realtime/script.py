"""What a scripted Realtime model answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from patter_core.simulator.chat_server import ToolCall

RealtimeReply = str | ToolCall | Sequence[ToolCall] | Mapping[str, Any]
"""What the model answers: spoken text, tool calls, or a mapping.

A mapping has `content` (text) and `tool_calls` (ToolCalls), and ends in the middle of the last of
them when it is `incomplete`; or `error` (a code), for a response that fails. `delay_sec` is how
long it thinks first, in real seconds. `stops_after` is after how many pieces of audio it goes on no
further until it is interrupted; when there are not so many it says and asks everything, and is not
done until then. `late` is how many pieces of audio still come after that, as they do when they were
on their way.
"""

_SAID_AFTER = "\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A reply, whatever form it was written in."""

    content: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    delay_sec: float = 0.0
    error: str = ""
    incomplete: bool = False
    stops_after: int | None = None
    late: int = 0

    @classmethod
    def of(cls, reply: RealtimeReply) -> Answer:
        """The answer that a script wrote."""
        match reply:
            case str():
                return cls(content=reply)
            case ToolCall():
                return cls(tool_calls=(reply,))
            case Mapping():
                return cls(
                    content=reply.get("content") or "",
                    tool_calls=tuple(reply.get("tool_calls") or ()),
                    delay_sec=reply.get("delay_sec", 0.0),
                    error=reply.get("error", ""),
                    incomplete=reply.get("incomplete", False),
                    stops_after=reply.get("stops_after"),
                    late=reply.get("late", 0),
                )
            case _:
                return cls(tool_calls=tuple(reply))


def dictated(instructions: str) -> str:
    """What a model says that was given `instructions` for one response: it does as it is told.

    The words are what follows the first blank line, or all of it.
    """
    return instructions.partition(_SAID_AFTER)[2] or instructions
