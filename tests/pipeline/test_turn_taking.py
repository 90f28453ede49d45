"""Whose turn it is: the machine alone, on events and numbers."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patter_core.errors import ConfigError
from patter_core.pipeline.speech_to_text import SpeechBegan, SpeechEnded, SpeechPaused
from patter_core.pipeline.turn_events import (
    AgentBegan,
    AgentEnded,
    CutOff,
    DigitsAsked,
    Finish,
    FinishAsked,
    ForgetThought,
    GoOn,
    HoldBack,
    LetGo,
    Press,
    Record,
    Reply,
    SayAsked,
    SayingWithdrawn,
    Speak,
    Started,
    Stopped,
    TakeBack,
    ThinkAhead,
    TimePassed,
    ToolsAnswered,
    ToolsAsked,
)
from patter_core.pipeline.turn_settings import TurnSettings
from patter_core.pipeline.turn_taking import NEVER, TurnTaking

GREETING = "Hello, this is Ann, and I would like to book a table."


class Course:
    """One conversation's machine, its time, and an agent that carries out what it is told.

    The agent can be heard `prepare_ms` after a turn begins, and has finished `speak_ms` later.
    """

    def __init__(self, *, greeting="", prepare_ms=0, speak_ms=5_000, start=True, at=0, **options):
        self.taking = TurnTaking(TurnSettings(**options), greeting=greeting)
        self.now = at
        self.done = []
        self.prepare_ms = prepare_ms
        self.speak_ms = speak_ms
        self.agent = "quiet"
        self.held = self.thinks_ahead = False
        self._agent_due = NEVER
        if start:
            self.tell(Started())

    def tell(self, event):
        commands = self.taking.apply(event, self.now)
        for command in commands:
            self.done.append((self.now, command))
            self._carry_out(command)
        self._agent_sounds()
        return commands

    def until(self, moment):
        """Time passes; the agent speaks, and the machine is told when it wants to know."""
        while True:
            due = min(self.taking.due_ms, self._agent_due)
            if due > moment:
                break
            self.now = max(self.now, int(due))
            if self._agent_due <= self.now:
                self._agent_due = NEVER
                if self.agent == "preparing":
                    self._agent_sounds()
                else:
                    self.agent = "quiet"
                    self.tell(AgentEnded())
            else:
                self.tell(TimePassed())
        self.now = max(self.now, moment)

    def wait(self, milliseconds):
        self.until(self.now + milliseconds)

    def says(self, text, *, lasting=300, pause=None):
        self.tell(SpeechBegan())
        self.wait(lasting)
        if pause is not None:
            self.tell(SpeechPaused())
            self.wait(pause)
        self.tell(SpeechEnded(text))

    @property
    def commands(self):
        return [command for _, command in self.done]

    def take(self):
        commands = self.commands
        self.done.clear()
        return commands

    def _carry_out(self, command):
        assert not any(isinstance(earlier, Finish) for earlier in self.commands[:-1]) or isinstance(
            command, Record
        )
        match command:
            case CutOff():
                assert self.agent == "audible"
                self.agent, self._agent_due = "quiet", NEVER
            case TakeBack():
                assert self.agent == "preparing"
                self.agent, self.held, self._agent_due = "quiet", False, NEVER
            case HoldBack():
                assert self.agent == "preparing"
                assert not self.held
                self.held = True
            case LetGo():
                assert self.agent == "preparing"
                assert self.held
                self.held = False
            case ThinkAhead():
                assert not self.thinks_ahead
                self.thinks_ahead = True
            case ForgetThought():
                assert self.thinks_ahead
                self.thinks_ahead = False
            case Speak() | Press() | Reply() | GoOn():
                assert self.agent == "quiet"
                if isinstance(command, Reply):
                    assert command.thought == self.thinks_ahead
                    self.thinks_ahead = False
                self.agent, self.held = "preparing", False
                self._ready_ms = self.now + self.prepare_ms
                self._agent_due = self._ready_ms if self.prepare_ms else NEVER
            case Record() | Finish():
                pass

    def _agent_sounds(self):
        if self.agent == "preparing" and not self.held and self.now >= self._ready_ms:
            self.agent, self._agent_due = "audible", self.now + self.speak_ms
            self.tell(AgentBegan())


# --- who begins ------------------------------------------------------------------------------


def test_nothing_is_said_before_the_callee_can_hear_it():
    course = Course(greeting=GREETING, start=False)
    course.wait(60_000)
    assert course.commands == []
    assert course.tell(Started()) == (Speak(GREETING),)


def test_a_callee_who_speaks_first_is_answered_when_there_is_no_greeting():
    course = Course()
    course.says("Hello?")
    assert course.commands == [Record("Hello?", 0), Reply(("Hello?",))]


def test_a_greeting_can_wait_for_the_callee_to_speak_first():
    course = Course(greeting=GREETING, greet_after_ms=2_000)
    course.wait(1_000)
    course.says("Joe's Pizza, what can I do for you?")
    assert course.commands == [
        Record("Joe's Pizza, what can I do for you?", 1_000),
        Speak(GREETING),
    ]


def test_a_greeting_does_not_wait_for_ever():
    course = Course(greeting=GREETING, greet_after_ms=2_000)
    course.wait(3_000)
    assert course.done == [(2_000, Speak(GREETING))]


def test_what_was_said_before_the_greeting_is_told_to_the_model_with_what_follows():
    course = Course(greeting=GREETING, greet_after_ms=2_000, speak_ms=3_000)
    course.says("Joe's Pizza?")
    course.wait(4_000)
    course.says("For how many?")
    assert course.commands[-1] == Reply(("Joe's Pizza?", "For how many?"))


# --- interruptions ---------------------------------------------------------------------------


@pytest.mark.parametrize("after_ms", [0, 20, 400, 1_000])
def test_whoever_goes_on_speaking_interrupts(after_ms):
    course = Course(interrupt_after_ms=after_ms)
    course.says("Tell me all.")
    course.wait(1_000)
    course.take()
    began = course.now
    course.tell(SpeechBegan())
    course.wait(2_000)
    assert course.done == [(began + after_ms, CutOff())]


def test_words_interrupt_at_once():
    course = Course()
    course.says("Tell me all.")
    course.wait(1_000)
    course.take()
    course.says("Stop.", lasting=200)
    assert course.commands == [CutOff(), Record("Stop.", 1_300), Reply(("Stop.",))]


@pytest.mark.parametrize("text", ["Uh-huh.", "mhm", "OKAY!", "Yes, right.", "Oh, I see", "uh huh…"])
def test_back_channels_interrupt_nothing_and_are_on_record(text):
    course = Course()
    course.says("Tell me all.")
    course.wait(1_000)
    course.take()
    course.says(text)
    assert course.commands == [Record(text, 1_300)]
    course.wait(5_000)
    assert course.commands == [Record(text, 1_300)]
    course.says("And the price?")
    assert course.commands[-1] == Reply((text, "And the price?"))


@pytest.mark.parametrize("text", ["Okay, stop.", "No.", "right away", "uh-huh what?"])
def test_more_than_a_back_channel_interrupts(text):
    course = Course()
    course.says("Tell me all.")
    course.wait(1_000)
    course.says(text)
    assert CutOff() in course.commands


def test_a_yes_just_before_the_last_word_is_an_answer():
    course = Course(speak_ms=3_000)
    course.says("Hello?")
    course.wait(2_200)
    course.says("Yes.")
    assert CutOff() not in course.commands
    course.wait(1_000)
    assert course.commands[-1] == Reply(("Yes.",))


def test_a_back_channel_when_nobody_speaks_is_an_answer():
    course = Course(speak_ms=1_000)
    course.says("Hello?")
    course.wait(2_000)
    course.says("Okay.")
    assert course.commands[-1] == Reply(("Okay.",))


def test_own_back_channels_replace_the_usual_ones():
    course = Course(back_channels=("genau",))
    course.says("Hallo?")
    course.wait(1_000)
    course.says("Genau!")
    assert CutOff() not in course.commands
    course.says("Okay.")
    assert CutOff() in course.commands


def test_a_pause_stops_an_interruption_that_is_none():
    course = Course()
    course.says("Tell me all.")
    course.wait(1_000)
    course.take()
    course.says("Mhm.", lasting=300, pause=800)
    assert course.commands == [Record("Mhm.", 1_300)]


def test_a_noise_that_interrupted_is_no_reason_to_stop():
    course = Course()
    course.says("Tell me all.")
    course.wait(1_000)
    course.take()
    course.says("", lasting=600)
    assert course.done == [(1_700, CutOff()), (1_900, GoOn())]


# --- the greeting ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["Hello?", "Yes?", "Hello, good morning!", "Miller.", "Joe's Pizza, hello?"]
)
def test_picking_up_does_not_interrupt_the_greeting(text):
    course = Course(greeting=GREETING)
    course.wait(200)
    course.says(text, lasting=900)
    assert course.commands == [Speak(GREETING), Record(text, 200)]
    course.wait(5_000)
    assert course.commands == [Speak(GREETING), Record(text, 200)]


@pytest.mark.parametrize(
    ("text", "after_ms"), [("Who are you and what do you want?", 200), ("No, thanks.", 2_000)]
)
def test_the_greeting_can_be_interrupted_all_the_same(text, after_ms):
    course = Course(greeting=GREETING)
    course.wait(after_ms)
    course.says(text, lasting=300)
    assert course.commands[1:] == [CutOff(), Record(text, after_ms), Reply((text,))]


def test_a_greeting_that_must_be_heard_is_not_interrupted():
    course = Course(greeting=GREETING, interruptible_greeting=False, interrupt_after_ms=0)
    course.wait(1_000)
    course.says("Wait, what is this about?", lasting=2_000)
    assert CutOff() not in course.commands
    course.wait(3_000)
    assert course.commands[-1] == Reply(("Wait, what is this about?",))


def test_a_callee_who_is_already_speaking_is_not_spoken_over_by_a_slow_greeting():
    course = Course(greeting=GREETING, prepare_ms=200)
    course.wait(100)
    course.says("Hello, who is there?", lasting=700)
    assert course.commands == [
        Speak(GREETING),
        HoldBack(),
        LetGo(),
        Record("Hello, who is there?", 100),
    ]
    assert course.agent == "audible"


# --- when somebody has finished --------------------------------------------------------------


def test_what_follows_soon_enough_is_answered_together():
    course = Course(end_of_turn_ms=500)
    course.says("For four people.")
    course.wait(400)
    assert Reply(("For four people.",)) not in course.commands
    course.says("At eight.")
    course.wait(499)
    assert not any(isinstance(command, Reply) for command in course.commands)
    course.wait(1)
    assert course.commands[-1] == Reply(("For four people.", "At eight."))


def test_speech_before_the_replys_first_sound_holds_it_back_and_both_are_answered():
    course = Course(prepare_ms=500)
    course.says("For four people.")
    course.wait(400)
    course.tell(SpeechBegan())
    course.wait(700)
    assert course.agent == "preparing"
    course.tell(SpeechEnded("At eight."))
    assert course.commands[1:] == [
        Reply(("For four people.",)),
        HoldBack(),
        TakeBack(),
        Record("At eight.", 700),
        Reply(("At eight.",)),
    ]


def test_a_noise_before_the_replys_first_sound_only_delays_it():
    course = Course(prepare_ms=500)
    course.says("For four people.")
    course.wait(400)
    course.says("", lasting=1_000)
    assert course.commands[2:] == [HoldBack(), LetGo()]
    assert course.agent == "audible"


def test_the_same_words_twice_are_one_utterance():
    course = Course(prepare_ms=500)
    course.says("For four people.")
    course.tell(SpeechEnded("for four people"))
    course.wait(600)
    course.tell(SpeechEnded("For four people."))
    assert course.commands == [Record("For four people.", 0), Reply(("For four people.",))]
    course.wait(5_500)
    course.says("For four people.")
    assert course.commands[-1] == Reply(("For four people.",))


def test_words_that_come_late_join_those_before_them():
    course = Course(prepare_ms=500)
    course.says("For four people.")
    course.wait(200)
    course.tell(SpeechEnded("At eight."))
    assert course.commands[2:] == [TakeBack(), Record("At eight.", 500), Reply(("At eight.",))]


def test_words_that_never_come_are_not_waited_for():
    course = Course(prepare_ms=500, text_wait_ms=1_000)
    course.says("Hello?")
    course.tell(SpeechBegan())
    course.wait(300)
    course.tell(SpeechPaused())
    course.wait(999)
    assert course.agent == "preparing"
    course.wait(1)
    assert course.agent == "audible"


def test_say_waits_for_its_turn_and_comes_before_an_answer():
    course = Course(speak_ms=1_000)
    course.tell(SpeechBegan())
    course.tell(SayAsked("One moment."))
    course.wait(300)
    assert course.commands == []
    course.tell(SpeechEnded("And?"))
    course.wait(1_000)
    assert course.commands == [Record("And?", 0), Speak("One moment."), Reply(("And?",))]


# --- silence ---------------------------------------------------------------------------------


def test_after_silence_the_agent_asks_twice_says_goodbye_and_it_is_over():
    course = Course(greeting="Hi.", speak_ms=1_000)
    course.wait(120_000)
    texts = TurnSettings()
    assert course.done == [
        (0, Speak("Hi.")),
        (11_000, Speak(texts.silence_prompt)),
        (22_000, Speak(texts.silence_prompt)),
        (33_000, Speak(texts.goodbye)),
        (34_000, Finish("The other side said nothing any more")),
    ]
    assert course.says("Hello?") is None
    assert course.commands[-1] == Record("Hello?", course.now - 300)


def test_words_begin_the_patience_anew():
    course = Course(speak_ms=1_000)
    for _ in range(4):
        course.wait(15_000)
        course.says("I am thinking.")
    assert not any(isinstance(command, Finish) for command in course.commands)


def test_a_callee_who_comes_back_during_the_goodbye_is_answered():
    course = Course(speak_ms=3_000, silence_prompts=0)
    course.wait(11_000)
    course.says("Wait, I am here!")
    assert course.commands[-1] == Reply(("Wait, I am here!",))
    course.wait(3_500)
    assert not any(isinstance(command, Finish) for command in course.commands)


def test_silence_can_be_left_alone():
    course = Course(greeting="Hi.", silence_prompt_sec=0)
    course.wait(3_600_000)
    assert course.commands == [Speak("Hi.")]


def test_speech_that_never_ends_is_noise_at_last_and_the_conversation_ends():
    course = Course(greeting="Hi.", speak_ms=1_000)
    course.wait(2_000)
    course.tell(SpeechBegan())
    course.wait(120_000)
    assert course.commands[-1] == Finish("The other side never spoke clear words")
    assert course.now <= 130_000


def test_after_noise_words_count_again():
    course = Course(greeting="Hi.", speak_ms=1_000, longest_utterance_sec=20)
    course.wait(2_000)
    course.tell(SpeechBegan())
    course.wait(25_000)
    course.tell(SpeechEnded("And that was my story."))
    assert course.commands[-1] == Reply(("And that was my story.",))


@pytest.mark.parametrize(
    "options",
    [
        {"interrupt_after_ms": -1},
        {"silence_prompt_sec": float("nan")},
        {"longest_utterance_sec": 0},
        {"back_channels": "okay"},
    ],
)
def test_settings_that_make_no_sense_are_refused(options):
    with pytest.raises(ConfigError):
        TurnSettings(**options)


# --- tools -----------------------------------------------------------------------------------


def at_work(**options):
    """A course in which a reply asked for a tool, and can be heard."""
    course = Course(**options)
    course.says("Where is my order?")
    course.tell(ToolsAsked())
    course.take()
    return course


def test_what_tools_answered_is_told_when_the_turn_is_over():
    course = at_work(speak_ms=1_000)
    course.wait(60_000)
    assert course.commands == []
    assert course.tell(ToolsAnswered()) == (Reply(()),)


def test_the_model_thinks_ahead_while_the_reply_that_asked_is_heard():
    course = at_work(speak_ms=1_000)
    assert course.tell(ToolsAnswered()) == (ThinkAhead(),)
    course.wait(1_000)
    assert course.commands == [ThinkAhead(), Reply((), thought=True)]


def test_the_model_thinks_ahead_while_progress_is_heard():
    course = at_work(speak_ms=1_000)
    course.wait(2_000)
    course.tell(SpeechBegan())
    course.tell(SayAsked("I look.", "another tool"))
    course.tell(ToolsAnswered())
    course.wait(300)
    course.tell(SpeechEnded(""))
    assert course.take() == [Speak("I look."), ThinkAhead()]


def test_a_thought_is_forgotten_for_words_and_kept_for_a_cough():
    course = at_work(speak_ms=3_000)
    course.tell(ToolsAnswered())
    course.says("", lasting=900)
    assert course.take() == [ThinkAhead(), CutOff(), GoOn()]
    course.says("Hurry up, please.", lasting=100)
    assert course.take() == [
        CutOff(),
        ForgetThought(),
        Record("Hurry up, please.", course.now - 100),
        Reply(("Hurry up, please.",)),
    ]


def test_the_callee_is_answered_while_tools_run_and_an_okay_is_not():
    course = at_work(speak_ms=1_000)
    course.wait(2_000)
    course.says("Okay.")
    assert course.take() == [Record("Okay.", 2_300)]
    course.says("Are you there?")
    assert course.take()[-1] == Reply(("Okay.", "Are you there?"))
    course.wait(100)
    assert course.tell(ToolsAnswered()) == (), "that reply does not know of it"
    course.wait(1_000)
    assert course.commands == [Reply(())]


def test_only_when_all_tools_answered_is_the_model_asked():
    course = at_work(speak_ms=1_000)
    course.wait(2_000)
    course.says("And my invoice?")
    course.tell(ToolsAsked())
    course.wait(2_000)
    course.take()
    assert course.tell(ToolsAnswered()) == ()
    assert course.tell(ToolsAnswered()) == (Reply(()),)


def test_silence_is_counted_from_when_tools_answered():
    course = at_work(speak_ms=1_000)
    course.wait(100_000)
    course.tell(ToolsAnswered())
    course.wait(10_999)
    assert course.commands == [Reply(())]
    course.wait(1)
    assert course.commands[-1] == Speak(TurnSettings().silence_prompt)


def test_tools_are_not_offered_for_ever():
    course = at_work(speak_ms=100, tool_rounds=2)
    course.wait(100)
    assert course.tell(ToolsAnswered()) == (Reply(()),)
    course.tell(ToolsAsked())
    course.wait(100)
    assert course.tell(ToolsAnswered()) == (Reply((), tools=False),)
    course.wait(100)
    course.says("And?")
    assert course.commands[-1] == Reply(("And?",))


def test_progress_waits_for_sounds_and_is_dropped_for_words():
    course = at_work(speak_ms=1_000)
    course.wait(2_000)
    course.tell(SpeechBegan())
    course.tell(SayAsked("I look.", "tool"))
    course.wait(300)
    course.tell(SpeechEnded(""))
    assert course.take() == [Speak("I look.")]
    course.wait(1_000)
    course.tell(SpeechBegan())
    course.tell(SayAsked("I still look.", "tool"))
    course.wait(300)
    course.tell(SpeechEnded("Hello?"))
    course.wait(5_000)
    assert Speak("I still look.") not in course.commands


def test_progress_is_withdrawn_unless_it_can_be_heard():
    course = at_work(speak_ms=1_000, prepare_ms=300)
    course.wait(2_000)
    course.tell(SayAsked("I look.", "tool"))
    course.tell(SayAsked("I still look.", "tool"))
    course.tell(SayAsked("I look elsewhere.", "other"))
    assert course.take() == [Speak("I look.")]
    assert course.tell(SayingWithdrawn("tool")) == (TakeBack(), Speak("I look elsewhere."))
    course.wait(300)
    assert course.tell(SayingWithdrawn("other")) == ()


# --- the end, asked for ----------------------------------------------------------------------


def test_finish_says_what_is_being_said_and_what_was_promised():
    course = Course(greeting=GREETING, speak_ms=1_000)
    course.tell(SayAsked("Goodbye."))
    course.tell(FinishAsked("Enough"))
    course.tell(SayAsked("One more thing."))
    course.wait(60_000)
    assert course.commands == [Speak(GREETING), Speak("Goodbye."), Finish("Enough")]


def test_finish_without_a_word_waits_for_the_goodbye():
    course = Course(prepare_ms=100, speak_ms=1_000)
    course.says("That is all.")
    course.tell(ToolsAsked())
    course.tell(AgentEnded())
    course.agent, course._agent_due = "quiet", NEVER
    course.take()
    assert course.tell(FinishAsked("Done")) == ()
    assert course.tell(ToolsAnswered()) == (Reply((), tools=False),)
    course.says("Goodbye.", lasting=50)
    assert isinstance(course.commands[-1], LetGo | Record), "a goodbye is not taken back"
    course.wait(2_000)
    assert course.commands[-1] == Finish("Done")


def test_keys_are_pressed_whoever_speaks():
    course = Course(speak_ms=2_000)
    course.tell(SpeechBegan())
    course.wait(200)
    assert course.tell(DigitsAsked("12")) == (Press("12"),)
    course.wait(1_000)
    course.tell(SpeechEnded("For sales press one."))
    course.wait(1_000)
    assert course.commands == [
        Press("12"),
        Record("For sales press one.", 0),
        Reply(("For sales press one.",)),
    ]


# --- whatever happens ------------------------------------------------------------------------

TEXTS = ["", "  ", "Yes.", "Okay", "Hello?", "Stop it now.", "…", "For four people at eight."]
EVENTS = st.one_of(
    st.builds(SpeechBegan),
    st.builds(SpeechPaused),
    st.builds(SpeechEnded, st.sampled_from(TEXTS)),
    st.builds(SayAsked, st.sampled_from(["One moment.", ""]), st.sampled_from([None, 1, 2])),
    st.builds(SayingWithdrawn, st.sampled_from([1, 2])),
    st.builds(DigitsAsked, st.just("1")),
    st.builds(ToolsAsked),
    st.builds(ToolsAnswered),
    st.builds(AgentBegan),
    st.builds(AgentEnded),
    st.builds(TimePassed),
)
HAPPENINGS = st.lists(
    st.tuples(EVENTS, st.sampled_from([0, 1, 20, 399, 400, 900, 3_000, 11_000, 61_000])),
    max_size=40,
)
OPTIONS = st.fixed_dictionaries(
    {
        "greeting": st.sampled_from(["", GREETING]),
        "prepare_ms": st.sampled_from([0, 300, 2_000]),
        "speak_ms": st.sampled_from([20, 1_000, 6_000]),
        "interrupt_after_ms": st.sampled_from([0, 400]),
        "interruptible_greeting": st.booleans(),
        "greet_after_ms": st.sampled_from([0, 1_500]),
        "end_of_turn_ms": st.sampled_from([0, 500]),
        "longest_utterance_sec": st.sampled_from([5, 60]),
    }
)


def carried(course, happenings, *, polled=False):
    """What `course` does when that happens to it; the agent's own events come by themselves."""
    for event, pause in happenings:
        if not isinstance(event, AgentBegan | AgentEnded):
            course.tell(event)
        if polled:
            course.wait(pause // 2)
            course.tell(TimePassed())
            course.wait(pause - pause // 2)
        else:
            course.wait(pause)
    return course


@given(HAPPENINGS, OPTIONS, st.sampled_from(["silence", "speech", "noises", "pauses"]))
@settings(max_examples=400, deadline=None)
def test_no_state_keeps_a_turn_from_ending(happenings, options, ending):
    course = carried(Course(**options), happenings)
    for _ in happenings:
        course.tell(ToolsAnswered())
    if ending == "speech":
        course.tell(SpeechBegan())
    for _ in range(400):
        if ending in ("noises", "pauses"):
            course.tell(SpeechBegan())
            course.wait(900)
            course.tell(SpeechEnded("") if ending == "noises" else SpeechPaused())
        course.wait(1_000)
        if any(isinstance(command, Finish) for command in course.commands):
            return
    raise AssertionError("it never ended")


@given(HAPPENINGS, OPTIONS)
@settings(max_examples=300, deadline=None)
def test_whatever_happens_commands_fit_what_the_agent_does(happenings, options):
    course = carried(Course(**options), happenings)  # `Course` asserts it, command by command.
    kinds = [type(command) for command in course.commands]
    assert kinds.count(Finish) <= 1
    said = [event.text.strip() for event, _ in happenings if isinstance(event, SpeechEnded)]
    known = [command.text for command in course.commands if isinstance(command, Record)]
    remaining = iter(said)
    assert all(text in remaining for text in known), "recorded in order, and nothing invented"


@given(st.lists(st.tuples(EVENTS, st.integers(0, 5_000)), max_size=60))
@settings(max_examples=300, deadline=None)
def test_reports_that_make_no_sense_do_no_harm(happenings):
    taking = TurnTaking(TurnSettings(), greeting=GREETING)
    taking.apply(Started(), 0)
    now = 0
    for event, pause in happenings:
        now += pause
        taking.apply(event, now)
        taking.apply(TimePassed(), now)
        assert taking.due_ms > now, "it would have to be asked again and again"


@given(HAPPENINGS, OPTIONS, st.sampled_from([0, 7, 100_000]))
@settings(max_examples=200, deadline=None)
def test_commands_depend_on_events_and_time_alone(happenings, options, later):
    first = carried(Course(**options), happenings)
    polled = carried(Course(**options), happenings, polled=True)
    assert polled.done == first.done, "asking too early changes nothing"
    shifted = carried(Course(**options, at=later), happenings)

    def moved(command):
        if isinstance(command, Record):
            return dataclasses.replace(command, began_ms=command.began_ms - later)
        return command

    assert [(now - later, moved(command)) for now, command in shifted.done] == first.done


@given(HAPPENINGS, OPTIONS)
@settings(max_examples=100, deadline=None)
def test_once_stopped_no_turn_is_taken(happenings, options):
    course = Course(**options)
    course.tell(Stopped())
    course.take()
    course.agent, course._agent_due = "quiet", NEVER
    carried(course, happenings)
    assert all(isinstance(command, Record) for command in course.commands)


@given(HAPPENINGS, HAPPENINGS, OPTIONS)
@settings(max_examples=200, deadline=None)
def test_after_finish_the_end_comes_once_whatever_happens(happenings, after, options):
    course = carried(Course(**options), happenings)
    before = course.take()
    course.tell(FinishAsked("Enough"))
    carried(course, after)
    for _ in (*happenings, *after):
        course.tell(ToolsAnswered())
    course.wait(200_000)
    course.tell(SpeechEnded("Goodbye then."))
    course.wait(200_000)
    kinds = [type(command) for command in course.commands]
    over_already = any(isinstance(command, Finish) for command in before)
    assert kinds.count(Finish) == (0 if over_already else 1)
    said = [command.text for command in course.commands if isinstance(command, Speak)]
    assert TurnSettings().silence_prompt not in said
