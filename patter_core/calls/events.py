"""What a developer is told while a call goes on: small frozen values, in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from patter_core.calls.result import CallResult
    from patter_core.calls.transcript import Turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """The call was asked for, and waits for approval or a free line."""

    call_id: str
    to: str
    type: Literal["queued"] = "queued"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialing:
    """The intent is written; the carrier is being asked."""

    call_id: str
    to: str
    type: Literal["dialing"] = "dialing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ringing:
    """The phone rings at the other end."""

    call_id: str
    type: Literal["ringing"] = "ringing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """Somebody, or something, picked up."""

    call_id: str
    type: Literal["answered"] = "answered"


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnSpoken:
    """One side finished speaking, or was cut."""

    call_id: str
    turn: Turn
    type: Literal["turn"] = "turn"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolStarted:
    """The agent uses a tool."""

    call_id: str
    function_call_id: str
    name: str
    type: Literal["tool_started"] = "tool_started"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolFinished:
    """The tool has answered; `error` is the code of what went wrong, None when it is `ok`."""

    call_id: str
    function_call_id: str
    name: str
    ok: bool
    error: str | None = None
    type: Literal["tool_finished"] = "tool_finished"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEnded:
    """The call is over; the last event of every call."""

    call_id: str
    result: CallResult
    type: Literal["ended"] = "ended"


ProgressEvent = (
    Queued | Dialing | Ringing | Answered | TurnSpoken | ToolStarted | ToolFinished | CallEnded
)
"""Everything that `on_event` and `LiveCall.events()` can yield."""
