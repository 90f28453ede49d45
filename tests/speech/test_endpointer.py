"""Beginnings and ends, from booleans alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from patter_core.speech.endpointer import Endpointer


def changes(frames, **settings):
    """(frame number, speaking) of every change; '#' in `frames` sounds like speech."""
    endpointer = Endpointer(**settings)
    return [
        (number, endpointer.speaking)
        for number, frame in enumerate(frames, start=1)
        if endpointer.hear(speech=frame == "#")
    ]


def test_a_tenth_of_a_second_of_speech_begins_an_utterance():
    assert changes("....#####", onset_ms=100) == [(9, True)]
    assert changes("....##.###", onset_ms=100) == [(10, True)]


def test_clicks_begin_nothing():
    assert changes("#.#.##.#..####..#.") == []


def test_silence_ends_it_and_a_single_frame_of_noise_does_not_prolong_it():
    assert changes("#####" + "." * 10, quiet_ms=200) == [(5, True), (14, False)]
    assert changes("#####" + "." * 5 + "#" + "." * 10, quiet_ms=200)[-1] == (15, False)


def test_a_pause_within_an_utterance_does_not_end_it():
    assert changes("#####" + "." * 8 + "####", quiet_ms=200) == [(5, True)]


def test_one_who_never_stops_is_cut_into_utterances():
    cut = changes("#" * 2_500, longest_ms=20_000)
    assert cut == [(5, True), (1_005, False), (1_010, True), (2_010, False), (2_015, True)]


@given(st.lists(st.booleans(), max_size=400))
def test_after_any_sounds_silence_brings_quiet(frames):
    endpointer = Endpointer(quiet_ms=300)
    for frame in frames:
        endpointer.hear(speech=frame)
    for _ in range(15):
        endpointer.hear(speech=False)
    assert not endpointer.speaking
