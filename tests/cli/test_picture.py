"""The picture of a call: drawn from any result, with its recording and without."""

from __future__ import annotations

import pytest
from PIL import Image

from patter import CallResult
from patter.cli.picture import draw_call
from patter.cli.timeline import Happening
from patter.cli.tool_times import ToolTimes
from patter_core.audio.wav import StereoWriter
from patter_core.calls.transcript import Turn
from patter_core.clock import SimulatedClock
from patter_core.speech import markers

ORANGE, BLUE, RED, PURPLE = "#b3690f", "#0f6fa8", "#c02b37", "#6b3fa0"


def turn(role, text, started_ms, *, cut=False):
    return Turn(role=role, text=text, started_ms=started_ms, cut=cut)


def call(*turns, **given):
    described = {
        "call_id": "call_1",
        "status": "completed",
        "duration_seconds": 10.0,
        "to": "+14155552671",
        "answered_at": "2026-01-01T00:00:00.000Z",
        "ended_by": "callee",
    }
    return CallResult(**{**described, **given, "transcript": turns})


TALK = (
    turn("user", "Hello?", 500),
    turn("agent", "Good evening! I would like a table.", 2_000, cut=True),
    turn("user", "Sorry, we are closed.", 4_000),
)


@pytest.fixture
def draw(tmp_path):
    def drawn(result, **options):
        draw_call(result, tmp_path / "call.png", **options)
        with Image.open(tmp_path / "call.png") as image:
            return image.convert("RGB")

    return drawn


def pixels(image, colour):
    """How many pixels have exactly this colour."""
    wanted = tuple(int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return sum(count for count, found in image.getcolors(1 << 24) if found == wanted)


def test_both_sides_and_the_end_are_drawn(draw):
    image = draw(call(*TALK))
    assert all(pixels(image, colour) > 200 for colour in (ORANGE, BLUE, RED))
    assert pixels(image, PURPLE) == 0


def test_a_tool_and_what_the_system_did_are_drawn(draw):
    assert pixels(draw(call(*TALK, turn("system", "Pressed 1", 6_000))), PURPLE) > 20
    happening = Happening(at_ms=2_500, text="look_up", took_ms=1_000)
    assert pixels(draw(call(*TALK), happenings=[happening]), PURPLE) > 1_000


def test_a_recording_shows_how_it_sounded(draw, tmp_path):
    path = tmp_path / "call.wav"
    with StereoWriter(path) as tape:
        tape.left(markers.encode("Hello?"), 4_000)
        tape.right(markers.encode("Good evening! I would like a table."), 16_000)
    with_sound = draw(call(*TALK[:2], recording=str(path)))
    assert pixels(with_sound, BLUE) > 100
    assert with_sound.tobytes() != draw(call(*TALK[:2])).tobytes()


@pytest.mark.parametrize("recording", ["/nowhere/call.wav", __file__])
def test_a_recording_that_cannot_be_read_is_done_without(draw, recording):
    assert draw(call(*TALK, recording=recording)).tobytes() == draw(call(*TALK)).tobytes()


@pytest.mark.parametrize(
    "result",
    [
        call(),
        call(status="busy", answered_at=None, duration_seconds=0.0, ended_by="carrier"),
        CallResult(call_id="", status="rejected", to="x" * 40, error="No. " * 200),
        call(turn("user", "\u4f60\u597d \U0001f600 \u05e9\u05dc\u05d5\u05dd " * 50, 0)),
        call(turn("agent", "word" * 2_000, 9_990), turn("agent", "", 10_000)),
        call(*(turn("agent", "At once.", 100) for _ in range(200))),
        call(direction="inbound", ended_by=None),
    ],
)
def test_every_result_has_a_picture(draw, result):
    assert draw(result, goal="A goal. " * 100).width == 1_600


def test_a_long_call_stays_a_picture_of_bounded_size(draw):
    hour = call(
        *(turn("agent", "Go on.", at * 10_000) for at in range(360)), duration_seconds=3_600.0
    )
    image = draw(hour)
    assert image.height < 12_000
    assert pixels(image, BLUE) > 1_000


def test_tools_are_placed_by_when_their_events_came():
    clock = SimulatedClock()
    times = ToolTimes(clock)
    use = {"call_id": "call_1", "function_call_id": "use_1", "name": "look_up"}
    for at, event in (
        (2.0, {"type": "answered", "call_id": "call_1"}),
        (5.0, {"type": "tool_started", **use}),
        (5.5, {"type": "tool_finished", **use, "ok": True}),
        (6.0, {"type": "tool_started", **use}),
        (6.0, {"type": "tool_finished", **use, "ok": False}),
        (7.0, {"type": "turn", "call_id": "call_1"}),
    ):
        clock.advance(at)
        times.told(event)
    assert times.of("call_1") == [
        Happening(at_ms=3_000.0, text="look_up", took_ms=500.0),
        Happening(at_ms=4_000.0, text="look_up failed", took_ms=0.0),
    ]
    assert times.of("call_2") == []
