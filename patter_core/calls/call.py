"""One call as a pure machine: an event goes in, the machine moves, effects come out.

It knows no clock, no socket and no carrier; `now` is a number of monotonic seconds. Whatever order
events come in, and however often, it moves forward only, decides on one outcome, and asks for one
ending. Whoever performs the effects reports back with events.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, assert_never

from patter_core.calls.status import State

if TYPE_CHECKING:
    from patter_core.calls.status import AnsweredBy, EndedBy, ErrorCode, Status


class Timer(Enum):
    """What a call waits for, at most so long."""

    DEADLINE = auto()
    MEDIA_WAIT = auto()
    MEDIA_LOST = auto()


class Leg(Enum):
    """What is known of the one attempt to ring the callee."""

    UNASKED = auto()
    ASKED = auto()
    """The request is under way."""
    UNCLEAR = auto()
    """It was sent, and no usable answer came: it is being looked for."""
    KNOWN = auto()
    NONE = auto()
    """It is certain that nobody was rung."""
    LOST = auto()
    """It may exist, and was not found."""


# --- events ------------------------------------------------------------------------------------


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


CallEvent = (
    GatesPassed
    | CallArrived
    | Refused
    | AlreadyMade
    | IntentWritten
    | Adopted
    | DialFailed
    | DialUnclear
    | LookUpFailed
    | RingingHeard
    | AnswerHeard
    | CarrierEnded
    | AnswererKnown
    | MediaOpened
    | MediaClosed
    | TimerFired
    | CancelAsked
    | TransferAsked
    | TransferMade
    | TransferFailed
    | AgentDone
    | EngineFailed
    | EngineStopping
    | Settled
)


# --- effects -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WriteIntent:
    """Write the intent; nothing may stop it half way."""


@dataclass(frozen=True, slots=True)
class Dial:
    """Ask the carrier, once."""


@dataclass(frozen=True, slots=True)
class LookUp:
    """Look for the leg of an unclear dial."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartTimer:
    """Report `timer` when so many seconds have passed."""

    timer: Timer
    seconds: float


@dataclass(frozen=True, slots=True)
class Converse:
    """Let the conversation begin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOver:
    """Ask the carrier to connect the callee to `target`, and report what came of it."""

    target: str


@dataclass(frozen=True, slots=True)
class End:
    """Hang up, close the voice, settle, and report `Settled`."""


Effect = WriteIntent | Dial | LookUp | StartTimer | Converse | HandOver | End


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a call ended: decided once, by whatever came first."""

    status: Status
    ended_by: EndedBy | None = None
    code: ErrorCode | None = None
    sentence: str | None = None


@dataclass(slots=True, kw_only=True)
class Call:
    """The machine.

    Attributes:
        max_duration_sec: Seconds from asking the carrier until the deadline.
        media_wait_sec: How long an answered call may stay without audio.
        media_lost_sec: How long a call that lost its audio waits for the carrier's word.
        state: Where the call is.
        leg: What is known of the attempt to ring.
        carrier_call_id: The carrier's id of the leg.
        outcome: How it ends; None while that is open.
        arrived: Somebody rang us: nothing was dialled.
        over_at_carrier: The carrier has said that the leg is over: nothing to hang up.
        handed_over: The callee was connected to somebody else: the leg is not ours any more.
        dialed_at: When the carrier was asked, or somebody rang us; likewise `answered_at` and
            `ended_at`. Seconds of the clock that `now` comes from.
    """

    max_duration_sec: float
    media_wait_sec: float
    media_lost_sec: float
    state: State = State.QUEUED
    leg: Leg = Leg.UNASKED
    carrier_call_id: str | None = None
    outcome: Outcome | None = None
    arrived: bool = False
    over_at_carrier: bool = False
    handed_over: bool = False
    carrier_duration_sec: float | None = None
    answered_by: AnsweredBy | None = None
    dialed_at: float | None = None
    answered_at: float | None = None
    ended_at: float | None = None
    _writing: bool = False
    _media_seen: bool = False
    _announced: bool = False
    _transferring: bool = False
    _media_over: bool = False

    @property
    def may_have_dialed(self) -> bool:
        """Whether a phone may have rung."""
        return not self.arrived and self.leg not in (Leg.UNASKED, Leg.NONE)

    @property
    def hang_up_needed(self) -> bool:
        """Whether the carrier has to be told that the call is over."""
        return self.leg is Leg.KNOWN and not self.over_at_carrier and not self.handed_over

    def apply(self, event: CallEvent, now: float) -> tuple[Effect, ...]:
        """Move, and say what has to be done for it. An ended call takes no more events."""
        if self.state is State.ENDED:
            return ()
        match event:
            case GatesPassed() | CallArrived() | Refused() | AlreadyMade() | IntentWritten():
                return self._at_the_gates(event, now)
            case Adopted() | DialFailed() | DialUnclear() | LookUpFailed():
                return self._dialled(event, now)
            case RingingHeard() | AnswerHeard() | CarrierEnded() | AnswererKnown():
                return self._told_by_carrier(event, now)
            case MediaOpened() | MediaClosed():
                return self._media(event, now)
            case TimerFired(timer=timer):
                return self._ran_out(timer, now)
            case CancelAsked():
                return self._conclude(
                    Outcome(status="canceled", ended_by="caller", code="canceled"), now
                )
            case TransferAsked() | TransferMade() | TransferFailed():
                return self._transferred(event, now)
            case AgentDone():
                return self._conclude(Outcome(status="completed", ended_by="agent"), now)
            case EngineFailed(code=code, sentence=sentence):
                return self._conclude(
                    Outcome(status="failed", ended_by="engine", code=code, sentence=sentence), now
                )
            case EngineStopping():
                return self._stop(now)
            case Settled():
                self.state = State.ENDED
                return ()
            case _:
                assert_never(event)

    def _at_the_gates(
        self,
        event: GatesPassed | CallArrived | Refused | AlreadyMade | IntentWritten,
        now: float,
    ) -> tuple[Effect, ...]:
        if self.state is not State.QUEUED:
            return ()
        match event:
            case GatesPassed():
                self._writing = True
                return (WriteIntent(),)
            case CallArrived(carrier_call_id=carrier_call_id):
                self._writing = True
                self.leg = Leg.KNOWN
                self.carrier_call_id = carrier_call_id
                self.arrived = True
                self.dialed_at = now
                return (WriteIntent(),)
            case Refused(status=status, code=code, sentence=sentence):
                self._writing = False
                return self._conclude(Outcome(status=status, code=code, sentence=sentence), now)
            case AlreadyMade(status=status):
                self._writing = False
                return self._conclude(Outcome(status=status), now)
            case IntentWritten():
                self._writing = False
                self.state = State.INTENT
                if self.outcome is not None:
                    return self._end(now)  # Cancelled while it was being written: never dialled.
                if self.arrived:
                    self.state = State.RINGING
                    return (StartTimer(timer=Timer.DEADLINE, seconds=self.max_duration_sec),)
                self.leg = Leg.ASKED
                self.dialed_at = now
                return (StartTimer(timer=Timer.DEADLINE, seconds=self.max_duration_sec), Dial())

    def _dialled(
        self, event: Adopted | DialFailed | DialUnclear | LookUpFailed, now: float
    ) -> tuple[Effect, ...]:
        match event:
            case Adopted(carrier_call_id=carrier_call_id):
                if self.leg not in (Leg.ASKED, Leg.UNCLEAR):
                    return ()
                self.carrier_call_id = carrier_call_id
                self.leg = Leg.KNOWN
                self._advance(State.DIALING)
                return () if self.outcome is None else self._end(now)
            case DialFailed(code=code, sentence=sentence):
                if self.leg is not Leg.ASKED:
                    return ()
                self.leg = Leg.NONE
                return self._conclude(
                    Outcome(status="failed", ended_by="carrier", code=code, sentence=sentence), now
                )
            case DialUnclear():
                if self.leg is not Leg.ASKED:
                    return ()
                self.leg = Leg.UNCLEAR
                self._advance(State.DIALING)
                return (LookUp(),)
            case LookUpFailed():
                if self.leg is not Leg.UNCLEAR:
                    return ()
                self.leg = Leg.LOST
                sentence = (
                    "The carrier gave no clear answer and the call was not found there; a phone "
                    "may have rung"
                )
                return self._conclude(
                    Outcome(
                        status="failed", ended_by="carrier", code="dial_unknown", sentence=sentence
                    ),
                    now,
                )

    def _told_by_carrier(
        self, event: RingingHeard | AnswerHeard | CarrierEnded | AnswererKnown, now: float
    ) -> tuple[Effect, ...]:
        match event:
            case RingingHeard():
                self._advance(State.RINGING)
                return ()
            case AnswerHeard():
                return self._answered(now)
            case AnswererKnown(answered_by=answered_by):
                self.answered_by = self.answered_by or answered_by
                return ()
            case CarrierEnded(status=status, duration_sec=duration_sec):
                self.over_at_carrier = True
                if self.carrier_duration_sec is None:
                    self.carrier_duration_sec = duration_sec
                return self._conclude(self._meaning_of(status), now)

    def _media(self, event: MediaOpened | MediaClosed, now: float) -> tuple[Effect, ...]:
        if self.state.rank >= State.ENDING.rank:
            return ()
        match event:
            case MediaOpened():
                if self._media_seen:
                    return ()
                self._media_seen = True
                self._answered(now)
                return (Converse(),)
            case MediaClosed(announced=announced):
                self._announced, self._media_over = announced, True
                if self._transferring:
                    return ()  # The carrier ends the stream of a call that it hands over.
                return (StartTimer(timer=Timer.MEDIA_LOST, seconds=self.media_lost_sec),)

    def _transferred(
        self, event: TransferAsked | TransferMade | TransferFailed, now: float
    ) -> tuple[Effect, ...]:
        if self.state.rank >= State.ENDING.rank:
            return ()
        match event:
            case TransferAsked(target=target):
                self._transferring = True
                self._advance(State.TRANSFERRING)
                return (HandOver(target=target),)
            case TransferMade():
                self.handed_over = True
                return self._conclude(Outcome(status="completed", ended_by="agent"), now)
            case TransferFailed():
                self._transferring = False
                if not self._media_over:
                    return ()
                return (StartTimer(timer=Timer.MEDIA_LOST, seconds=self.media_lost_sec),)

    def _ran_out(self, timer: Timer, now: float) -> tuple[Effect, ...]:
        match timer:
            case Timer.DEADLINE:
                outcome = Outcome(status="timeout", ended_by="deadline", code="deadline")
            case Timer.MEDIA_WAIT if self._media_seen:
                return ()
            case Timer.MEDIA_WAIT:
                outcome = _no_media("The call was answered, but its audio never came")
            case Timer.MEDIA_LOST if self._announced:
                # The carrier ended the stream in good order; its last word was lost on the way.
                outcome = Outcome(status="completed", ended_by="callee")
            case Timer.MEDIA_LOST:
                outcome = _no_media("The call's audio was lost, so it was hung up")
        return self._conclude(outcome, now)

    def _stop(self, now: float) -> tuple[Effect, ...]:
        if self.leg is Leg.UNASKED:
            sentence = "The phone was closed before the call was made"
            return self._conclude(
                Outcome(status="rejected", code="phone_closed", sentence=sentence), now
            )
        sentence = "The phone was closed while the call was under way, so it was hung up"
        return self._conclude(
            Outcome(
                status="interrupted", ended_by="engine", code="engine_stopped", sentence=sentence
            ),
            now,
        )

    def _answered(self, now: float) -> tuple[Effect, ...]:
        if self.answered_at is not None or self.state.rank >= State.ENDING.rank:
            return ()
        self.answered_at = now
        self._advance(State.LIVE)
        if self._media_seen:
            return ()
        return (StartTimer(timer=Timer.MEDIA_WAIT, seconds=self.media_wait_sec),)

    def _meaning_of(self, status: Status) -> Outcome:
        """What the carrier's final word means, if nothing else was decided before it."""
        match status:
            case "completed" if self._media_seen:
                return Outcome(status="completed", ended_by="callee")
            case "completed":
                return Outcome(status="completed", ended_by="carrier", code="no_media")
            case "busy" | "no-answer":
                return Outcome(status=status, ended_by="carrier", code=status)
            case "canceled":
                return Outcome(status="canceled", ended_by="carrier", code="canceled")
            case _:
                sentence = "The carrier could not complete the call"
                return Outcome(
                    status="failed", ended_by="carrier", code="carrier_refused", sentence=sentence
                )

    def _conclude(self, outcome: Outcome, now: float) -> tuple[Effect, ...]:
        """Decide how it ends, unless that was decided, and end it as soon as the leg is clear."""
        if self.state is State.ENDING:
            return ()
        if self.outcome is None:
            self.outcome = outcome
        if self._writing or self.leg in (Leg.ASKED, Leg.UNCLEAR):
            return ()  # Who is being rung must be known before anybody can be hung up.
        return self._end(now)

    def _end(self, now: float) -> tuple[Effect, ...]:
        self.state = State.ENDING
        self.ended_at = now
        return (End(),)

    def _advance(self, state: State) -> None:
        if state.rank > self.state.rank:
            self.state = state


def _no_media(sentence: str) -> Outcome:
    return Outcome(status="failed", ended_by="engine", code="no_media", sentence=sentence)
