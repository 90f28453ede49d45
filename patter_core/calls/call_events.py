"""What happens to a call, as the machine is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from patter_core.calls.call_effects import Timer
    from patter_core.calls.status import AnsweredBy, ErrorCode, Status


@dataclass(frozen=True, slots=True)
class GatesPassed:
    """Policy, approval and a free line: the call may be made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallArrived:
    """Somebody rings us: the leg is the carrier's, and only its record has to be written."""

    carrier_call_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Nobody was rung, and nobody will be: a gate said no, or something needed is missing."""

    status: Status
    code: ErrorCode
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlreadyMade:
    """An earlier call has this call's key: its outcome is this one's, and nobody is rung."""

    status: Status


@dataclass(frozen=True, slots=True)
class IntentWritten:
    """The intent is on disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """The carrier's id of our leg is known, from whatever source."""

    carrier_call_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DialFailed:
    """The carrier rang nobody, for certain."""

    code: ErrorCode
    sentence: str


@dataclass(frozen=True, slots=True)
class DialUnclear:
    """The carrier gave no usable answer; somebody may be being rung."""


@dataclass(frozen=True, slots=True)
class LookUpFailed:
    """An unclear leg was not found, or more than one might be it."""


@dataclass(frozen=True, slots=True)
class RingingHeard:
    """The carrier says that the phone rings."""


@dataclass(frozen=True, slots=True)
class AnswerHeard:
    """The carrier says that somebody picked up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrierEnded:
    """The carrier says that the call is over, and how."""

    status: Status
    duration_sec: float | None = None


@dataclass(frozen=True, slots=True)
class LegNotOver:
    """The carrier was asked whether the call is over, and says no, or nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswererKnown:
    """The carrier says who or what picked up."""

    answered_by: AnsweredBy


@dataclass(frozen=True, slots=True)
class MediaOpened:
    """The call's own audio is connected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaClosed:
    """The audio is over; `announced` when the carrier said so, not when it was lost."""

    announced: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerFired:
    """A timer that was asked for has run out."""

    timer: Timer


@dataclass(frozen=True, slots=True)
class CancelAsked:
    """Whoever asked for the call wants it no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferAsked:
    """The call is to be handed over to `target`, E.164."""

    target: str


@dataclass(frozen=True, slots=True)
class TransferMade:
    """The carrier has handed the call over: our part is done, and the leg stays up."""


@dataclass(frozen=True, slots=True)
class TransferFailed:
    """The carrier has not handed the call over: it goes on."""


@dataclass(frozen=True, slots=True)
class TransferUnclear:
    """The carrier gave no usable answer, and some time has passed since: its deeds tell."""


@dataclass(frozen=True, slots=True)
class AgentDone:
    """The agent has nothing more to say, and has said goodbye."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineFailed:
    """The conversation cannot go on, or we made a mistake."""

    code: ErrorCode
    sentence: str


@dataclass(frozen=True, slots=True)
class EngineStopping:
    """The phone is being closed."""


@dataclass(frozen=True, slots=True)
class Settled:
    """Everything of the ending is done."""


GateEvent = GatesPassed | CallArrived | Refused | AlreadyMade | IntentWritten
DialEvent = Adopted | DialFailed | DialUnclear | LookUpFailed
CarrierEvent = RingingHeard | AnswerHeard | CarrierEnded | LegNotOver | AnswererKnown
AudioEvent = MediaOpened | MediaClosed
TransferEvent = TransferAsked | TransferMade | TransferFailed | TransferUnclear
CallEvent = (
    GateEvent
    | DialEvent
    | CarrierEvent
    | AudioEvent
    | TransferEvent
    | TimerFired
    | CancelAsked
    | AgentDone
    | EngineFailed
    | EngineStopping
    | Settled
)
