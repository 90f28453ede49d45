"""What playback sends, when, and what it knows to have been heard."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patter_core.audio.frames import FRAME_BYTES
from patter_core.pipeline.heard_words import Heard
from patter_core.pipeline.playback import Playback
from patter_core.pipeline.session import PlayAudio, PlayMark
from patter_core.speech import markers


class Line:
    """Plays one frame for each frame heard; marks come back `delay` frames after they are due."""

    def __init__(self, playback, *, marks="come", delay=0):
        self.playback = playback
        self.marks = marks
        self.delay = delay
        self.played = b""
        self.most_buffered = 0
        self._queue = deque()
        self._returning = deque()
        self.names = []

    def ask(self, wishes):
        for wish in wishes:
            match wish:
                case PlayAudio(audio=audio):
                    assert len(audio) % FRAME_BYTES == 0
                    assert audio
                    frames = range(0, len(audio), FRAME_BYTES)
                    self._queue += [audio[at : at + FRAME_BYTES] for at in frames]
                case PlayMark(name=name):
                    self.names.append(name)
                    self._queue.append(name)
        self.most_buffered = max(self.most_buffered, self.buffered)
        self._reach()

    @property
    def buffered(self):
        return sum(isinstance(item, bytes) for item in self._queue)

    def frame(self):
        self.ask(self.playback.hear(FRAME_BYTES))
        if self._queue:
            self.played += self._queue.popleft()
        self._returning = deque((left - 1, name) for left, name in self._returning)
        self._reach()

    def frames(self, count):
        for _ in range(count):
            self.frame()

    def say(self, text, audio=None, *, chunk=100_000):
        audio = markers.encode(text) if audio is None else audio
        self.playback.begin_piece(text)
        for at in range(0, len(audio), chunk):
            self.ask(self.playback.feed(audio[at : at + chunk]))
        self.ask(self.playback.end_piece())

    def words_played(self):
        detector = markers.MarkerDetector()
        ended = [event.text for event in detector.feed(self.played) if hasattr(event, "text")]
        return " ".join([*ended, detector.pending or ""]).split()

    def _reach(self):
        while self._queue and isinstance(self._queue[0], str):
            self._returning.append((self.delay, self._queue.popleft()))
        while self._returning and self._returning[0][0] <= 0:
            name = self._returning.popleft()[1]
            if self.marks == "come":
                self.playback.reached(name)
            elif self.marks == "twice":
                self.playback.reached(name)
                self.playback.reached(name)


def heard_words(playback):
    return playback.heard_text().split()


def test_no_more_is_sent_ahead_than_the_lead():
    line = Line(Playback(lead_ms=100))
    line.say("A long sentence to be played.")
    assert line.buffered == 5
    for _ in range(40):
        line.frame()
        assert line.buffered <= 5
    assert line.played == markers.encode("A long sentence to be played.")
    assert line.playback.underruns == 0


def test_audio_of_odd_length_is_sent_in_whole_frames_and_filled_up():
    line = Line(Playback())
    line.say("odd", b"\x10" * 333, chunk=7)
    line.playback.end_turn()
    line.frames(5)
    assert line.played == (b"\x10" * 333).ljust(480, b"\xff")
    assert line.playback.finished
    assert line.playback.heard() == (Heard("odd", "odd"),)


def test_a_frame_that_is_not_full_waits_for_the_rest_of_its_piece():
    playback = Playback()
    playback.begin_piece("slow")
    assert playback.feed(b"\x10" * 159) == []
    assert playback.feed(b"\x10") == [PlayAudio(b"\x10" * 160)]


def test_every_piece_is_followed_by_a_mark_and_long_ones_have_marks_within():
    playback = Playback(lead_ms=10_000, mark_every_ms=400)
    playback.begin_piece("long")
    wishes = [*playback.feed(b"\x10" * 8_000), *playback.end_piece()]
    playback.begin_piece("short")
    wishes += [*playback.feed(b"\x11" * 160), *playback.end_piece()]
    lengths = [len(wish.audio) if isinstance(wish, PlayAudio) else wish.name for wish in wishes]
    assert lengths == [3_200, "m1", 3_200, "m2", 1_600, "m3", 160, "m4"]


def test_a_piece_that_ends_after_its_audio_was_sent_still_gets_its_mark():
    playback = Playback()
    playback.begin_piece("late end")
    assert len(playback.feed(b"\x10" * 160)) == 1
    assert playback.end_piece() == [PlayMark("m1")]


def test_a_turn_is_over_when_its_last_mark_is_back():
    line = Line(Playback(), delay=3)
    line.say("One.")
    line.say("Two.")
    line.playback.end_turn()
    line.frames(12)
    assert line.words_played() == ["One.", "Two."]
    assert not line.playback.finished
    line.frames(3)
    assert line.playback.finished
    assert line.playback.heard() == (Heard("One.", "One."), Heard("Two.", "Two."))
    assert line.playback.started_ms == 0


def test_a_turn_starts_when_its_first_sound_is_played():
    line = Line(Playback())
    line.frames(10)
    assert line.playback.started_ms is None
    line.say("One.")
    assert line.playback.started_ms == 200
    assert line.playback.now_ms == 200


def test_a_turn_without_any_sound_is_over_at_once():
    line = Line(Playback())
    line.say("…", b"")
    line.playback.end_turn()
    assert line.playback.finished
    assert line.playback.heard() == (Heard("…", ""),)
    assert line.playback.started_ms is None


def test_a_silent_piece_between_others_is_not_heard_and_holds_nothing_up():
    line = Line(Playback())
    line.say("One.")
    line.say("…", b"")
    line.say("Two.")
    line.playback.end_turn()
    line.frames(13)
    assert line.playback.finished
    assert line.playback.heard_text() == "One. Two."


def test_marks_that_never_come_are_done_without():
    line = Line(Playback(mark_grace_ms=500), marks="never")
    for text in ("Hello there, you.", "And now again."):
        line.say(text)
        line.playback.end_turn()
        line.frames(len(text) + 2)
        assert line.playback.heard_text() == text
        line.frames(25)
        assert line.playback.finished
        line.playback.next_turn()
    # Once it is known that none come, none are waited for.
    line.say("Third.")
    line.playback.end_turn()
    line.frames(8)
    assert line.playback.finished


def test_one_mark_that_is_lost_is_made_up_for_by_the_next():
    playback = Playback(lead_ms=10_000, mark_every_ms=100)
    playback.begin_piece("one two three four")
    playback.feed(b"\x10" * 8_000)
    playback.end_piece()
    playback.hear(5 * 800)
    playback.reached("m5")
    playback.reached("m4")
    assert playback.heard_text() == "one two"
    playback.end_turn()
    playback.hear(5 * 800)
    playback.reached("m10")
    assert playback.finished


@pytest.mark.parametrize("marks", ["come", "twice", "never"])
def test_unknown_marks_and_marks_that_come_twice_change_nothing(marks):
    line = Line(Playback(), marks=marks)
    line.playback.reached("m99")
    line.playback.reached("")
    line.say("Good day to you.")
    line.playback.reached("m99")
    line.frames(10)
    assert line.playback.heard_text() == "Good day"


def test_marks_that_come_back_because_of_a_clear_are_not_heard():
    line = Line(Playback(lead_ms=2_000))
    line.say("one two three four five six")
    line.frames(9)
    assert [piece.heard for piece in line.playback.cut()] == ["one two"]
    for name in line.names:
        line.playback.reached(name)
    assert line.playback.heard() == ()
    line.playback.begin_piece("next")
    wishes = line.playback.feed(markers.encode("next"))
    assert b"".join(wish.audio for wish in wishes) == markers.encode("next")


def test_what_the_callee_had_to_wait_for_is_counted():
    line = Line(Playback())
    line.say("One.")
    line.frames(20)
    line.say("Two.")
    line.frames(20)
    line.say("Three.")
    line.frames(20)
    assert line.playback.underruns == 2
    assert line.playback.heard_text() == "One. Two. Three."


def test_a_pause_between_turns_is_no_underrun():
    line = Line(Playback())
    for text in ("One.", "Two."):
        line.say(text)
        line.playback.end_turn()
        line.frames(20)
        assert line.playback.finished
        line.playback.next_turn()
    assert line.playback.underruns == 0


def test_no_more_than_one_piece_is_asked_for_ahead():
    line = Line(Playback(prefetch_ms=0))
    for text in ("one", "two"):
        assert line.playback.hungry
        line.say(text, b"\x10" * 16_000)
    line.frames(90)
    assert not line.playback.hungry
    line.frames(10)
    assert line.playback.hungry


def test_a_piece_whose_audio_is_still_coming_is_not_taken_for_said():
    line = Line(Playback(lead_ms=2_000))
    audio = markers.encode("one two three four five six seven")
    line.playback.begin_piece("one two three four five six seven")
    line.ask(line.playback.feed(audio[: 8 * FRAME_BYTES]))
    line.frames(8)
    assert len(heard_words(line.playback)) <= 2


TEXTS = st.lists(
    st.lists(st.sampled_from(["a", "to", "the", "über", "table", "confirmation"]), min_size=1).map(
        " ".join
    ),
    min_size=1,
    max_size=4,
)


@given(
    TEXTS,
    st.integers(0, 300),
    st.sampled_from(["come", "twice", "never"]),
    st.sampled_from([20, 160, 1_000]),
    st.integers(0, 6),
)
def test_what_was_heard_is_known_to_a_word_at_every_moment(texts, cut_at, marks, lead_ms, pause):
    line = Line(Playback(lead_ms=lead_ms), marks=marks)
    line.frames(pause)
    for text in texts:
        line.say(text)
        line.frames(pause)
    line.frames(cut_at)
    played = line.words_played()
    heard = [piece.heard for piece in line.playback.cut()]
    known = " ".join(heard).split()
    meant = " ".join(texts).split()
    assert known == meant[: len(known)]
    assert abs(len(known) - len(played)) <= 1


@given(TEXTS, st.integers(0, 200), st.integers(1, 40))
def test_marks_that_are_late_never_make_it_more_than_was_played(texts, cut_at, delay):
    line = Line(Playback(), delay=delay)
    for text in texts:
        line.say(text)
    line.frames(cut_at)
    known = heard_words(line.playback)
    assert known == " ".join(texts).split()[: len(known)]
    assert len(known) <= len(line.words_played()) + 1
    line.playback.end_turn()
    line.frames(sum(len(text.encode()) + 2 for text in texts) + delay)
    assert line.playback.finished
    assert heard_words(line.playback) == " ".join(texts).split()
