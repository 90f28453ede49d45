"""One call as a pure machine: an event goes in, the machine moves, effects come out.

It knows no clock, no socket and no carrier; `now` is a number of monotonic seconds. Whatever order
events come in, and however often, it moves forward only, decides on one outcome, and asks for one
ending. Whoever performs the effects reports back with events.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, assert_never

from patter_core.calls import call_effects as effects
from patter_core.calls import call_events as events
from patter_core.calls.call_effects import Timer
from patter_core.calls.status import State

if TYPE_CHECKING:
    from patter_core.calls.call_effects import Effect
    from patter_core.calls.call_events import CallEvent
    from patter_core.calls.status import AnsweredBy, EndedBy, ErrorCode, Status


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
    _missed: Outcome | None = None

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
            case (
                events.GatesPassed()
                | events.CallArrived()
                | events.Refused()
                | events.AlreadyMade()
                | events.IntentWritten()
            ):
                return self._at_the_gates(event, now)
            case (
                events.Adopted()
                | events.DialFailed()
                | events.DialUnclear()
                | events.LookUpFailed()
            ):
                return self._dialled(event, now)
            case (
                events.RingingHeard()
                | events.AnswerHeard()
                | events.CarrierEnded()
                | events.LegNotOver()
                | events.AnswererKnown()
            ):
                return self._told_by_carrier(event, now)
            case events.MediaOpened() | events.MediaClosed():
                return self._media(event, now)
            case events.TimerFired(timer=timer):
                return self._ran_out(timer, now)
            case events.CancelAsked():
                return self._conclude(
                    Outcome(status="canceled", ended_by="caller", code="canceled"), now
                )
            case (
                events.TransferAsked()
                | events.TransferMade()
                | events.TransferFailed()
                | events.TransferUnclear()
            ):
                return self._transferred(event, now)
            case events.AgentDone():
                return self._conclude(Outcome(status="completed", ended_by="agent"), now)
            case events.EngineFailed(code=code, sentence=sentence):
                return self._conclude(
                    Outcome(status="failed", ended_by="engine", code=code, sentence=sentence), now
                )
            case events.EngineStopping():
                return self._stop(now)
            case events.Settled():
                self.state = State.ENDED
                return ()
            case _:
                assert_never(event)

    def _at_the_gates(
        self,
        event: events.GateEvent,
        now: float,
    ) -> tuple[Effect, ...]:
        if self.state is not State.QUEUED:
            return ()
        match event:
            case events.GatesPassed():
                self._writing = True
                return (effects.WriteIntent(),)
            case events.CallArrived(carrier_call_id=carrier_call_id):
                self._writing = True
                self.leg = Leg.KNOWN
                self.carrier_call_id = carrier_call_id
                self.arrived = True
                self.dialed_at = now
                return (effects.WriteIntent(),)
            case events.Refused(status=status, code=code, sentence=sentence):
                self._writing = False
                return self._conclude(Outcome(status=status, code=code, sentence=sentence), now)
            case events.AlreadyMade(status=status):
                self._writing = False
                return self._conclude(Outcome(status=status), now)
            case events.IntentWritten():
                self._writing = False
                self.state = State.INTENT
                if self.outcome is not None:
                    return self._end(now)  # Cancelled while it was being written: never dialled.
                if self.arrived:
                    self.state = State.RINGING
                    return (
                        effects.StartTimer(timer=Timer.DEADLINE, seconds=self.max_duration_sec),
                    )
                self.leg = Leg.ASKED
                self.dialed_at = now
                return (
                    effects.StartTimer(timer=Timer.DEADLINE, seconds=self.max_duration_sec),
                    effects.Dial(),
                )

    def _dialled(self, event: events.DialEvent, now: float) -> tuple[Effect, ...]:
        match event:
            case events.Adopted(carrier_call_id=carrier_call_id):
                if self.leg not in (Leg.ASKED, Leg.UNCLEAR):
                    return ()
                self.carrier_call_id = carrier_call_id
                self.leg = Leg.KNOWN
                self._advance(State.DIALING)
                return () if self.outcome is None else self._end(now)
            case events.DialFailed(code=code, sentence=sentence):
                if self.leg is not Leg.ASKED:
                    return ()
                self.leg = Leg.NONE
                return self._conclude(
                    Outcome(status="failed", ended_by="carrier", code=code, sentence=sentence), now
                )
            case events.DialUnclear():
                if self.leg is not Leg.ASKED:
                    return ()
                self.leg = Leg.UNCLEAR
                self._advance(State.DIALING)
                return (effects.LookUp(),)
            case events.LookUpFailed():
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

    def _told_by_carrier(self, event: events.CarrierEvent, now: float) -> tuple[Effect, ...]:
        match event:
            case events.RingingHeard():
                self._advance(State.RINGING)
                return ()
            case events.AnswerHeard():
                return self._answered(now)
            case events.AnswererKnown(answered_by=answered_by):
                self.answered_by = self.answered_by or answered_by
                return ()
            case events.CarrierEnded(status=status, duration_sec=duration_sec):
                self.over_at_carrier = True
                if self.carrier_duration_sec is None:
                    self.carrier_duration_sec = duration_sec
                return self._conclude(self._meaning_of(status), now)
            case events.LegNotOver():
                return () if self._missed is None else self._conclude(self._missed, now)

    def _media(self, event: events.AudioEvent, now: float) -> tuple[Effect, ...]:
        if not self._under_way:
            return ()
        match event:
            case events.MediaOpened():
                if self._media_seen:
                    return ()
                self._media_seen, self._missed = True, None
                self._answered(now)
                return (effects.Converse(),)
            case events.MediaClosed(announced=announced):
                self._announced, self._media_over = announced, True
                if self._transferring:
                    return ()  # The carrier ends the stream of a call that it hands over.
                return (effects.StartTimer(timer=Timer.MEDIA_LOST, seconds=self.media_lost_sec),)

    def _transferred(self, event: events.TransferEvent, now: float) -> tuple[Effect, ...]:
        if not self._under_way:
            return ()
        match event:
            case events.TransferAsked(target=target):
                self._transferring = True
                self._advance(State.TRANSFERRING)
                return (effects.HandOver(target=target),)
            case events.TransferUnclear() if not self._media_over:
                self._transferring = False
                return ()
            case events.TransferMade() | events.TransferUnclear():
                # It ends the stream of a call that it hands over; if the stream was only lost, the
                # leg's own instructions hang it up.
                self.handed_over = True
                return self._conclude(Outcome(status="completed", ended_by="agent"), now)
            case events.TransferFailed():
                self._transferring = False
                if not self._media_over:
                    return ()
                return (effects.StartTimer(timer=Timer.MEDIA_LOST, seconds=self.media_lost_sec),)

    def _ran_out(self, timer: Timer, now: float) -> tuple[Effect, ...]:
        match timer:
            case Timer.DEADLINE:
                outcome = Outcome(status="timeout", ended_by="deadline", code="deadline")
            case Timer.MEDIA_WAIT if self._media_seen:
                return ()
            case Timer.MEDIA_WAIT:
                return self._miss_audio("The call was answered, but its audio never came", now)
            case Timer.MEDIA_LOST if self._announced:
                # The carrier ended the stream in good order; its last word was lost on the way.
                outcome = Outcome(status="completed", ended_by="callee")
            case Timer.MEDIA_LOST:
                return self._miss_audio("The call's audio was lost, so it was hung up", now)
        return self._conclude(outcome, now)

    def _miss_audio(self, sentence: str, now: float) -> tuple[Effect, ...]:
        """Whether the callee hung up, and the news was lost, is for the carrier to say."""
        outcome = Outcome(status="failed", ended_by="engine", code="no_media", sentence=sentence)
        if self.leg is not Leg.KNOWN:
            return self._conclude(outcome, now)
        if self._missed is not None or not self._under_way:
            return ()
        self._missed = outcome
        return (effects.AskAfterLeg(),)

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
        if self.answered_at is not None or not self._under_way:
            return ()
        self.answered_at = now
        self._advance(State.LIVE)
        if self._media_seen:
            return ()
        return (effects.StartTimer(timer=Timer.MEDIA_WAIT, seconds=self.media_wait_sec),)

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
        return (effects.End(),)

    @property
    def _under_way(self) -> bool:
        """Between the gates and the ending: nobody can have answered before the intent."""
        return State.QUEUED.rank < self.state.rank < State.ENDING.rank

    def _advance(self, state: State) -> None:
        if self._under_way and state.rank > self.state.rank:
            self.state = state
