"""Whole conversations of the cascade, by bytes."""

from __future__ import annotations

import asyncio
import contextlib
import random

import pytest

from patter_core.calls.transcript import Turn
from patter_core.errors import ProviderError
from patter_core.pipeline.cascade import Cascade
from patter_core.pipeline.language_model import Message, TextPiece
from patter_core.pipeline.plan import SessionPlan
from patter_core.pipeline.providers.scripted import ScriptedLLM, ScriptedSTT, ScriptedTTS
from patter_core.pipeline.session import PlayAudio, TurnFinished
from patter_core.speech import markers
from tests.pipeline.in_process_line import conversation, resources


def cascade(*replies, llm=None, stt=None, tts=None):
    return Cascade(
        stt=stt or ScriptedSTT(), llm=llm or ScriptedLLM(replies), tts=tts or ScriptedTTS()
    )


async def test_the_greeting_is_said_before_anything_else_happens():
    async with conversation(cascade(), greeting="Hello, this is Ann.") as line:
        assert isinstance(line.events[0], PlayAudio)
        await line.until_turns(1)
        assert line.turns == [Turn(role="agent", text="Hello, this is Ann.", started_ms=0)]
        assert line.heard() == ["Hello,", "this", "is", "Ann."]


async def test_each_side_speaks_in_turn_and_both_are_on_record():
    engine = cascade("For four people. At eight.", "Thank you, goodbye!")
    async with conversation(engine, greeting="A table, please.") as line:
        await line.until_turns(1)
        line.speak("For how many?")
        await line.until_turns(3)
        line.speak("Done.")
        await line.until_turns(5)
        said = [(turn.role, turn.text) for turn in line.session.transcript()]
        assert said == [
            ("agent", "A table, please."),
            ("user", "For how many?"),
            ("agent", "For four people. At eight."),
            ("user", "Done."),
            ("agent", "Thank you, goodbye!"),
        ]
        assert list(line.session.transcript()) == line.turns
        starts = [turn.started_ms for turn in line.turns]
        assert starts == sorted(starts)


async def test_the_model_reads_the_instructions_and_every_turn_as_heard():
    asked = []

    def answer(messages):
        asked.append(tuple(messages))
        return f"Answer {len(asked)}."

    engine = cascade(llm=ScriptedLLM(answer))
    async with conversation(engine, instructions="Be kind.", greeting="Hi.") as line:
        await line.until_turns(1)
        line.speak("One?")
        await line.until_turns(3)
        line.speak("Two?")
        await line.until_turns(5)
    assert asked[1] == (
        Message("system", "Be kind."),
        Message("assistant", "Hi."),
        Message("user", "One?"),
        Message("assistant", "Answer 1."),
        Message("user", "Two?"),
    )
    assert asked[0] == asked[1][:3]


async def test_what_is_said_during_a_reply_is_answered_next_all_of_it_together():
    asked = []

    def answer(messages):
        asked.append(tuple(messages))
        return "I see."

    async with conversation(cascade(llm=ScriptedLLM(answer)), greeting="A" * 60) as line:
        await line.frames(5)
        line.speak("Wait.")
        line.speak("What?")
        await line.frames(20)
        assert [turn.text for turn in line.turns] == ["Wait.", "What?"]
        assert asked == []
        await line.until_turns(4)
    assert asked == [(Message("assistant", "A" * 60), Message("user", "Wait. What?"))]
    turns = line.session.transcript()
    assert [turn.text for turn in turns] == ["A" * 60, "Wait.", "What?", "I see."]


async def test_say_is_spoken_next_and_joins_the_history():
    asked = []

    def answer(messages):
        asked.append(tuple(messages))
        return "Fine."

    async with conversation(cascade(llm=ScriptedLLM(answer)), greeting="Hello.") as line:
        line.session.say("One moment. I am looking.")
        await line.until_turns(2)
        line.speak("And?")
        await line.until_turns(4)
    assert [message.text for message in asked[0]] == ["Hello.", "One moment. I am looking.", "And?"]
    assert [turn.text for turn in line.turns] == [
        "Hello.",
        "One moment. I am looking.",
        "And?",
        "Fine.",
    ]


async def test_a_script_goes_on_where_it_was_whatever_else_was_said():
    async with conversation(cascade("One.", "", "Three."), greeting="Hello.") as line:
        await line.until_turns(1)
        for question, turns in (("First?", 3), ("Second?", 4), ("Third?", 6)):
            line.session.say("")
            line.speak(question)
            await line.until_turns(turns)
            await line.frames(5)
        line.speak("Fourth?")
        await line.frames(40)
    assert [turn.text for turn in line.turns] == [
        "Hello.",
        "First?",
        "One.",
        "Second?",
        "Third?",
        "Three.",
        "Fourth?",
    ]


async def test_two_conversations_at_once_keep_their_goals():
    def answer(messages):
        return f"My goal is {messages[0].text}."

    engine = cascade(llm=ScriptedLLM(answer))
    async with (
        conversation(engine, instructions="red", greeting="Hi.") as one,
        conversation(engine, instructions="blue", greeting="Hi.") as other,
    ):
        for line in (one, other):
            line.speak("What is your goal?")
        for _ in range(60):
            await one.frames(1)
            await other.frames(1)
    assert one.turns[-1].text == "My goal is red."
    assert other.turns[-1].text == "My goal is blue."


WORDS = "I would like to book a table for four people at eight, please, über all else"


async def test_cut_anywhere_the_record_has_the_words_that_were_played():
    chosen = random.Random(7)
    for _ in range(300):
        reply = " ".join(
            chosen.choice(WORDS.split()) + chosen.choice(["", "", "", ".", ",", "!"])
            for _ in range(30)
        )
        marks = chosen.random() < 0.7
        async with conversation(
            cascade(reply), greeting="Good evening.", returns_marks=marks
        ) as line:
            line.speak("Yes?")
            await line.frames(chosen.randrange(300))
        turns = [turn for turn in line.session.transcript() if turn.role == "agent"]
        known = " ".join(turn.text for turn in turns).split()
        played = line.heard()
        meant = f"Good evening. {reply}".split()
        assert known == meant[: len(known)]
        assert abs(len(known) - len(played)) <= 1


async def test_a_turn_under_way_is_on_record_as_cut_with_what_was_heard():
    async with conversation(cascade(), greeting="one two three four five six") as line:
        assert line.session.transcript() == ()
        await line.frames(9)
        under_way = Turn(role="agent", text="one two", started_ms=0, cut=True)
        assert line.session.transcript() == (under_way,)
        assert line.turns == []
    assert line.session.transcript() == (under_way,)


async def test_what_was_sent_before_the_end_is_heard_after_it_and_nothing_more_is_sent():
    async with conversation(cascade(), greeting="one two three four five six") as line:
        await line.frames(9)
    sent = len(line.events)
    await line.frames(30)
    assert len(line.events) == sent
    assert [turn.text for turn in line.session.transcript()] == ["one two three"]
    assert line.session.transcript()[0].cut


async def test_a_turn_whose_last_mark_comes_after_the_end_was_not_cut():
    async with conversation(cascade(), greeting="Hello.") as line:
        await line.frames(4)
    await line.frames(10)
    assert line.session.transcript() == (Turn(role="agent", text="Hello.", started_ms=0),)


async def test_a_long_monologue_is_prefetched_paced_and_heard_to_the_end():
    reply = " ".join(f"This is sentence number {number} of many." for number in range(40))
    voice = CountingVoice()
    async with conversation(cascade(reply, tts=voice)) as line:
        line.speak("Go on.")
        most_buffered = most_ahead = 0
        while len(line.turns) < 2:
            await line.frames(1)
            most_buffered = max(most_buffered, line.buffered_frames)
            heard = len(" ".join(line.heard()).split("."))
            most_ahead = max(most_ahead, voice.spoken - heard)
        assert line.turns[-1].text == reply
        assert line.heard() == reply.split()
        assert most_buffered <= 8
        assert 1 <= most_ahead <= 4
        assert line.session._playback.underruns == 0


async def test_a_silent_model_leaves_the_conversation_going():
    async with conversation(cascade("", "Back again.")) as line:
        line.speak("One?")
        await line.until_turns(1)
        await line.frames(10)
        line.speak("Two?")
        await line.until_turns(3)
        assert [turn.text for turn in line.turns] == ["One?", "Two?", "Back again."]


async def test_a_voice_that_gives_no_sound_leaves_the_conversation_going():
    class Mute:
        async def speak(self, text, resources):
            if "silent" not in text:
                yield markers.encode(text)

    engine = cascade("This is silent.", "One. Quite silent. Two.", tts=Mute())
    async with conversation(engine, greeting="A silent greeting.") as line:
        line.speak("One?")
        await line.until_turns(1)
        await line.frames(10)
        line.speak("Two?")
        await line.until_turns(3)
        assert [turn.text for turn in line.turns] == ["One?", "Two?", "One. Two."]


async def test_utterances_without_speech_are_no_turns():
    async with conversation(cascade("Yes.")) as line:
        line.speak("")
        line.speak("  ")
        await line.frames(20)
        assert line.turns == []


async def test_without_marks_a_conversation_still_goes_its_way():
    engine = cascade("For four.", "Goodbye.")
    async with conversation(engine, greeting="A table, please.", returns_marks=False) as line:
        await line.until_turns(1)
        line.speak("For how many?")
        await line.until_turns(3)
        assert line.turns[-1].text == "For four."


class CountingVoice:
    """Counts the pieces it was asked for."""

    def __init__(self):
        self.spoken = 0

    async def speak(self, text, resources):
        self.spoken += 1
        yield markers.encode(text)


class Failing:
    """A provider in whose every role something breaks, at a step of one's choice."""

    def __init__(self, error, after=0):
        self.error = error
        self.after = after

    async def reply(self, messages, resources, tools=()):
        for _ in range(self.after):
            yield TextPiece("One sentence. ")
        raise self.error

    async def speak(self, text, resources):
        for _ in range(self.after):
            yield markers.encode(text)
        raise self.error

    @contextlib.asynccontextmanager
    async def listen(self, report, resources):
        if not self.after:
            raise self.error
        yield self

    def feed(self, audio):
        self.after -= 1
        if not self.after:
            raise self.error


@pytest.mark.parametrize("role", ["llm", "tts", "stt"])
@pytest.mark.parametrize("after", [0, 1, 3])
async def test_a_providers_own_error_leaves_plainly(role, after):
    error = ProviderError("vendor", "it is down", retryable=True)
    with pytest.raises(ProviderError) as caught:
        await until_it_fails(cascade("Yes.", **{role: Failing(error, after)}))
    assert caught.value is error


@pytest.mark.parametrize("role", ["llm", "tts", "stt"])
@pytest.mark.parametrize("after", [0, 1])
async def test_an_unexpected_error_of_a_provider_is_a_provider_error(role, after):
    bug = KeyError("what was said")
    with pytest.raises(ProviderError) as caught:
        await until_it_fails(cascade("Yes.", **{role: Failing(bug, after)}))
    assert caught.value.__cause__ is bug
    assert "what was said" not in str(caught.value)
    assert not caught.value.retryable


async def until_it_fails(engine):
    script = ScriptedSTT() if isinstance(engine.stt, Failing) else None
    async with conversation(engine) as line:
        line.speak("Yes?")
        if script is not None:
            await line.frames(10)
        for _ in range(300):
            await line.frames(1)
            if line.running.done():
                break
        await line.running


async def test_ears_that_fail_from_a_task_of_their_own_end_the_conversation_plainly():
    error = ProviderError("vendor", "the socket closed")

    class Ears:
        def __init__(self):
            self.broken = asyncio.Event()

        @contextlib.asynccontextmanager
        async def listen(self, report, resources):
            async with asyncio.TaskGroup() as group:
                reading = group.create_task(self.read())
                yield self
                reading.cancel()

        async def read(self):
            await self.broken.wait()
            raise error

        def feed(self, audio):
            pass

    ears = Ears()

    async def converse():
        plan = SessionPlan(call_id="call", instructions="", greeting="Hello.")
        async with resources() as lent, cascade(stt=ears).open(plan, lent) as session:
            ears.broken.set()
            await session.run(lambda event: None)

    with pytest.raises(ProviderError) as caught:
        await converse()
    assert caught.value is error


async def test_an_error_of_the_block_itself_passes_through_as_it_is():
    plan = SessionPlan(call_id="call", instructions="")
    with pytest.raises(ZeroDivisionError):
        async with resources() as lent, cascade().open(plan, lent):
            raise ZeroDivisionError


class Stepwise:
    """A provider that waits at every step, and knows whether each stream was closed."""

    def __init__(self, steps):
        self.steps = steps  # How many waits are let through; the next one is for ever.
        self.open = 0

    async def step(self):
        self.steps -= 1
        if self.steps < 0:
            await asyncio.Event().wait()
        await asyncio.sleep(0)

    async def reply(self, messages, resources, tools=()):
        self.open += 1
        try:
            for text in ("First sentence. ", "Second sentence. ", "Third."):
                await self.step()
                yield TextPiece(text)
            await self.step()
        finally:
            self.open -= 1

    async def speak(self, text, resources):
        self.open += 1
        try:
            audio = markers.encode(text)
            for part in (audio[:1_000], audio[1_000:]):
                await self.step()
                yield part
            await self.step()
        finally:
            self.open -= 1


@pytest.mark.parametrize("steps", range(18))
@pytest.mark.parametrize("frames", [3, 12, 30])
async def test_cancelled_at_any_wait_nothing_is_left_running(steps, frames):
    before = asyncio.all_tasks()
    provider = Stepwise(steps)
    async with conversation(cascade(llm=provider, tts=provider), greeting="Hello there.") as line:
        line.speak("Yes?")
        await line.frames(frames)
        line.running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await line.running
        assert provider.open == 0
        assert asyncio.all_tasks() == before


async def test_a_model_that_never_stops_is_held_back_and_closed_at_the_end():
    class Endless:
        """An iterator that only its owner closes: the garbage collector would not."""

        written = 0
        closed = False

        def reply(self, messages, resources, tools=()):
            return self

        def __aiter__(self):
            return self

        async def __anext__(self):
            self.written += 1
            return TextPiece("And so on. ")

        async def aclose(self):
            self.closed = True

    endless = Endless()
    async with conversation(cascade(llm=endless)) as line:
        line.speak("Go on.")
        await line.frames(40)
        assert not endless.closed
        assert 64 < endless.written < 100
        line.running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await line.running
        assert endless.closed


async def test_the_answer_begins_two_steps_of_the_loop_after_the_question():
    async with conversation(cascade("Certainly, sir. I shall do so at once.")) as line:
        line.speak("Yes?")
        await line.frames(5)
        first = len(line.events)
        line.frame()
        assert [type(event) for event in line.events[first:]] == [TurnFinished]
        for _ in range(2):  # The model's task, then the voice's.
            await asyncio.sleep(0)
        assert isinstance(line.events[first + 1], PlayAudio)


async def test_ears_are_fed_nothing_once_the_conversation_is_over():
    fed = []

    class Ears:
        def feed(self, audio):
            fed.append(audio)

    class Hearing:
        @contextlib.asynccontextmanager
        async def listen(self, report, resources):
            yield Ears()

    async with conversation(cascade(stt=Hearing())) as line:
        await line.frames(3)
    line.frame()
    assert len(fed) == 3
