"""The call as a pure machine: whatever comes, in whatever order, it ends once and properly."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patter_core.calls import call_effects as effects
from patter_core.calls import call_events as news
from patter_core.calls.call import Call, Leg, Outcome
from patter_core.calls.call_effects import Timer
from patter_core.calls.status import State

STRAY = "CAstray"
LEG = "CAleg"


def fresh_call(**changes: Any) -> Call:
    return Call(**{"max_duration_sec": 180, "media_wait_sec": 15, "media_lost_sec": 2, **changes})


def after(*events: news.CallEvent) -> Call:
    call = fresh_call()
    for now, event in enumerate(events):
        call.apply(event, float(now))
    return call


PASSED = news.GatesPassed()
WRITTEN = news.IntentWritten()
ADOPTED = news.Adopted(carrier_call_id=LEG)
RINGING = news.RingingHeard()
ANSWER = news.AnswerHeard()
MEDIA = news.MediaOpened()
STOPPED = news.MediaClosed(announced=True)
LOST = news.MediaClosed(announced=False)
COMPLETED = news.CarrierEnded(status="completed")
NOT_OVER = news.LegNotOver()
CANCEL = news.CancelAsked()
UNCLEAR = news.DialUnclear()
NOT_FOUND = news.LookUpFailed()
DEADLINE = news.TimerFired(timer=Timer.DEADLINE)
NO_AUDIO = news.TimerFired(timer=Timer.MEDIA_WAIT)
NO_MORE_AUDIO = news.TimerFired(timer=Timer.MEDIA_LOST)
HAND_OVER = news.TransferAsked(target="+14155550142")
HANDED_OVER = news.TransferMade()
NOT_HANDED_OVER = news.TransferFailed()
MAYBE_HANDED_OVER = news.TransferUnclear()
TO_LIVE = (PASSED, WRITTEN, ADOPTED, RINGING, MEDIA, ANSWER)


def test_a_call_goes_from_the_gates_to_its_end():
    call = fresh_call()
    assert call.apply(PASSED, 0) == (effects.WriteIntent(),)
    assert call.apply(WRITTEN, 1) == (
        effects.StartTimer(timer=Timer.DEADLINE, seconds=180),
        effects.Dial(),
    )
    assert call.state is State.INTENT
    assert call.apply(ADOPTED, 2) == ()
    assert call.apply(RINGING, 3) == ()
    assert call.apply(MEDIA, 4) == (effects.Converse(),)
    assert call.apply(ANSWER, 5) == ()
    assert (call.state, call.answered_at) == (State.LIVE, 4)
    assert call.apply(COMPLETED, 9) == (effects.End(),)
    assert call.outcome == Outcome(status="completed", ended_by="callee")
    assert not call.hang_up_needed
    call.apply(news.Settled(), 10)
    assert call.state is State.ENDED


def test_a_dial_is_asked_for_once_whatever_comes_again():
    call = fresh_call()
    wanted = [
        effect
        for event in (PASSED, WRITTEN, PASSED, WRITTEN, ADOPTED, WRITTEN, UNCLEAR, PASSED)
        for effect in call.apply(event, 0)
    ]
    assert wanted.count(effects.Dial()) == 1


@pytest.mark.parametrize(
    ("events", "status", "ended_by", "code", "may_have_dialed", "hang_up"),
    [
        ((CANCEL,), "canceled", "caller", "canceled", False, False),
        ((PASSED, CANCEL, WRITTEN), "canceled", "caller", "canceled", False, False),
        ((PASSED, WRITTEN, CANCEL, ADOPTED), "canceled", "caller", "canceled", True, True),
        (
            (PASSED, WRITTEN, CANCEL, news.DialFailed(code="carrier_refused", sentence="No")),
            "canceled",
            "caller",
            "canceled",
            False,
            False,
        ),
        ((PASSED, WRITTEN, UNCLEAR, CANCEL, ADOPTED), "canceled", "caller", "canceled", True, True),
        (
            (PASSED, WRITTEN, UNCLEAR, NOT_FOUND),
            "failed",
            "carrier",
            "dial_unknown",
            True,
            False,
        ),
        ((PASSED, WRITTEN, ADOPTED, DEADLINE), "timeout", "deadline", "deadline", True, True),
        ((*TO_LIVE, DEADLINE, COMPLETED), "timeout", "deadline", "deadline", True, False),
        ((*TO_LIVE, COMPLETED), "completed", "callee", None, True, False),
        ((PASSED, WRITTEN, ADOPTED, COMPLETED), "completed", "carrier", "no_media", True, False),
        (
            (PASSED, WRITTEN, ADOPTED, news.CarrierEnded(status="busy")),
            "busy",
            "carrier",
            "busy",
            True,
            False,
        ),
        (
            (PASSED, WRITTEN, ADOPTED, news.CarrierEnded(status="failed")),
            "failed",
            "carrier",
            "carrier_refused",
            True,
            False,
        ),
        (
            (*TO_LIVE, STOPPED, news.TimerFired(timer=Timer.MEDIA_LOST)),
            "completed",
            "callee",
            None,
            True,
            True,
        ),
        (
            (*TO_LIVE, LOST, NO_MORE_AUDIO, NOT_OVER),
            "failed",
            "engine",
            "no_media",
            True,
            True,
        ),
        (
            (PASSED, WRITTEN, ADOPTED, ANSWER, NO_AUDIO, NOT_OVER),
            "failed",
            "engine",
            "no_media",
            True,
            True,
        ),
        ((*TO_LIVE, LOST, NO_MORE_AUDIO, COMPLETED), "completed", "callee", None, True, False),
        (
            (PASSED, WRITTEN, ADOPTED, ANSWER, NO_AUDIO, COMPLETED),
            "completed",
            "carrier",
            "no_media",
            True,
            False,
        ),
        (
            (*TO_LIVE, LOST, NO_MORE_AUDIO, DEADLINE, NOT_OVER),
            "timeout",
            "deadline",
            "deadline",
            True,
            True,
        ),
        ((news.EngineStopping(),), "rejected", None, "phone_closed", False, False),
        (
            (PASSED, news.EngineStopping(), WRITTEN),
            "rejected",
            None,
            "phone_closed",
            False,
            False,
        ),
        (
            (*TO_LIVE, news.EngineStopping()),
            "interrupted",
            "engine",
            "engine_stopped",
            True,
            True,
        ),
        (
            (*TO_LIVE, news.EngineFailed(code="provider_failed", sentence="It broke")),
            "failed",
            "engine",
            "provider_failed",
            True,
            True,
        ),
    ],
)
def test_each_way_to_end_has_its_outcome(events, status, ended_by, code, may_have_dialed, hang_up):
    call = after(*events)
    assert call.state is State.ENDING
    assert call.outcome is not None
    assert (call.outcome.status, call.outcome.ended_by, call.outcome.code) == (
        status,
        ended_by,
        code,
    )
    assert call.may_have_dialed is may_have_dialed
    assert call.hang_up_needed is hang_up


def test_a_leg_in_the_air_is_waited_for_before_anything_ends():
    call = after(PASSED, WRITTEN, CANCEL, DEADLINE)
    assert call.state is State.INTENT
    assert call.outcome is not None
    assert call.outcome.status == "canceled"


def test_media_that_comes_after_all_outlives_its_wait():
    call = after(PASSED, WRITTEN, ADOPTED, ANSWER, MEDIA)
    assert call.apply(news.TimerFired(timer=Timer.MEDIA_WAIT), 99) == ()
    assert call.state is State.LIVE


def test_the_carrier_is_asked_once_after_a_leg_that_lost_its_audio():
    call = after(*TO_LIVE, LOST)
    assert call.apply(NO_MORE_AUDIO, 8) == (effects.AskAfterLeg(),)
    assert call.apply(NO_MORE_AUDIO, 9) == ()
    assert call.state is State.LIVE


def test_audio_that_comes_while_the_carrier_is_asked_keeps_the_call():
    call = after(PASSED, WRITTEN, ADOPTED, ANSWER, NO_AUDIO, MEDIA)
    assert call.apply(NOT_OVER, 9) == ()
    assert call.state is State.LIVE


@pytest.mark.parametrize("ended", [STOPPED, LOST])
@pytest.mark.parametrize(
    ("order", "over"),
    [
        (("asked", "ended", HANDED_OVER), True),
        (("asked", HANDED_OVER, "ended"), True),
        (("asked", "ended", MAYBE_HANDED_OVER), True),
        (("asked", MAYBE_HANDED_OVER), False),
        (("asked", NOT_HANDED_OVER), False),
    ],
)
def test_a_call_is_handed_over_when_the_carrier_says_so_or_ends_its_audio(order, over, ended):
    call = fresh_call()
    steps = {"asked": HAND_OVER, "ended": ended}
    for event in (*TO_LIVE, *(steps.get(step, step) for step in order)):
        call.apply(event, 0)
    assert call.handed_over is over
    assert call.hang_up_needed is not over
    made = Outcome(status="completed", ended_by="agent")
    assert call.outcome == (made if over else None)


@pytest.mark.parametrize("answer", [NOT_HANDED_OVER, MAYBE_HANDED_OVER])
def test_a_call_that_was_not_handed_over_notices_again_when_its_audio_ends(answer):
    call = fresh_call()
    for event in (*TO_LIVE, HAND_OVER, answer):
        call.apply(event, 0)
    assert call.apply(STOPPED, 9) == (effects.StartTimer(timer=Timer.MEDIA_LOST, seconds=2),)


def test_carrier_messages_in_the_wrong_order_change_nothing():
    call = after(PASSED, WRITTEN, ADOPTED, MEDIA, RINGING, ANSWER, RINGING)
    assert call.state is State.LIVE
    assert call.answered_at == 3


EVENTS = st.sampled_from(
    [
        PASSED,
        WRITTEN,
        ADOPTED,
        news.Adopted(carrier_call_id=STRAY),
        news.Refused(status="rejected", code="queue_full", sentence="Full"),
        news.AlreadyMade(status="completed"),
        news.DialFailed(code="carrier_refused", sentence="No"),
        UNCLEAR,
        NOT_FOUND,
        RINGING,
        ANSWER,
        MEDIA,
        STOPPED,
        LOST,
        COMPLETED,
        NOT_OVER,
        news.CarrierEnded(status="busy"),
        news.CarrierEnded(status="failed"),
        news.AnswererKnown(answered_by="machine"),
        HAND_OVER,
        HANDED_OVER,
        NOT_HANDED_OVER,
        MAYBE_HANDED_OVER,
        CANCEL,
        DEADLINE,
        NO_AUDIO,
        NO_MORE_AUDIO,
        news.EngineFailed(code="internal", sentence="Oh"),
        news.EngineStopping(),
        news.Settled(),
    ]
)


BEGUN = st.sampled_from([(), (PASSED, WRITTEN), TO_LIVE])


@settings(max_examples=400)
@given(begun=BEGUN, events=st.lists(EVENTS, max_size=30))
def test_in_any_order_it_moves_forward_dials_once_and_ends_once(begun, events):
    call = fresh_call()
    wanted: list[effects.Effect] = []
    outcome = None
    for now, event in enumerate([*begun, *events]):
        if isinstance(event, news.Settled) and call.state is not State.ENDING:
            continue  # Only who was told to end reports that it did.
        rank, leg_id = call.state.rank, call.carrier_call_id
        wanted += call.apply(event, float(now))
        assert call.state.rank >= rank
        assert leg_id is None or call.carrier_call_id == leg_id
        assert outcome is None or call.outcome == outcome, "an outcome is decided once"
        outcome = call.outcome
    assert wanted.count(effects.Dial()) <= 1
    assert wanted.count(effects.End()) <= 1
    assert wanted.count(effects.Converse()) <= 1
    assert wanted.count(effects.AskAfterLeg()) <= 2, "once for audio that never came, or was lost"
    if effects.Dial() not in wanted:
        assert not call.may_have_dialed
    if effects.End() in wanted:
        assert call.outcome is not None
        assert call.leg not in (Leg.ASKED, Leg.UNCLEAR)
        assert effects.Dial() not in wanted[wanted.index(effects.End()) :]


@settings(max_examples=200)
@given(st.lists(EVENTS, max_size=20))
def test_from_every_state_a_deadline_leads_to_the_end_once_the_leg_is_clear(events):
    call = fresh_call()
    for now, event in enumerate([PASSED, WRITTEN, *events]):
        if not isinstance(event, news.Settled):
            call.apply(event, float(now))
    call.apply(DEADLINE, 1_000)
    call.apply(UNCLEAR, 1_001)
    call.apply(NOT_FOUND, 1_002)
    assert call.state is State.ENDING
