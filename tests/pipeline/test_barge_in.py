"""Interruptions, silence and failures of whole conversations of the cascade, by bytes."""

from __future__ import annotations

import asyncio
import contextlib
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patter_core.calls.transcript import Turn
from patter_core.errors import ProviderError
from patter_core.pipeline.cascade import Cascade
from patter_core.pipeline.language_model import Message, TextPiece
from patter_core.pipeline.plan import SessionPlan
from patter_core.pipeline.providers.scripted import ScriptedLLM, ScriptedSTT, ScriptedTTS
from patter_core.pipeline.session import ClearAudio, ConversationOver, PlayAudio, TurnFinished
from patter_core.pipeline.speech_to_text import SpeechBegan, SpeechEnded, SpeechPaused
from patter_core.pipeline.turn_settings import TurnSettings
from patter_core.speech import markers
from tests.pipeline.in_process_line import conversation, settle

STORY = " ".join(f"This is sentence number {number} of the story." for number in range(30))


def cascade(*replies, llm=None, stt=None, tts=None, **options):
    return Cascade(
        stt=stt or ScriptedSTT(),
        llm=llm or ScriptedLLM(replies),
        tts=tts or ScriptedTTS(),
        **options,
    )


async def interrupted(line, *, frames=60):
    """The callee asks, listens for `frames`, and interrupts."""
    line.session.hear_speech(SpeechBegan())
    line.session.hear_speech(SpeechEnded("Tell me all."))
    await line.frames(frames)
    before = len(line.events)
    line.session.hear_speech(SpeechBegan())
    line.session.hear_speech(SpeechEnded("Wait a moment."))
    return line.events[before:]


async def test_the_line_is_cleared_first_and_at_once():
    async with conversation(cascade(STORY, "Yes?")) as line:
        events = await interrupted(line)
        assert [type(event) for event in events] == [ClearAudio, TurnFinished, TurnFinished]
        agent, callee = events[1].turn, events[2].turn
        assert (agent.role, agent.cut) == ("agent", True)
        assert agent.text
        assert STORY.startswith(agent.text)
        assert callee == Turn(role="user", text="Wait a moment.", started_ms=1_200)
        await line.until_turns(4)
        assert line.turns[-1].text == "Yes?"
        assert line.session.metrics()["interruptions"] == 1


async def test_speech_alone_interrupts_after_a_while_and_its_words_are_answered():
    async with conversation(cascade(STORY, "Yes?")) as line:
        line.speak("Tell me all.")
        await line.frames(60)
        line.speak("I have quite another question for you now.")
        await line.frames(18)
        assert not any(isinstance(event, ClearAudio) for event in line.events)
        await line.frames(5)
        assert isinstance(line.events[-2], ClearAudio)
        await line.until_turns(4)
        assert [turn.text for turn in line.turns[2:]] == [
            "I have quite another question for you now.",
            "Yes?",
        ]


async def test_the_models_history_has_the_words_that_were_heard():
    asked = []

    def answer(messages):
        asked.append(tuple(messages))
        return STORY

    async with conversation(cascade(llm=ScriptedLLM(answer))) as line:
        await interrupted(line)
        heard = line.turns[1].text
        await settle()
    assert asked[1] == (
        Message("user", "Tell me all."),
        Message("assistant", heard),
        Message("user", "Wait a moment."),
    )


async def test_marks_that_come_after_the_clear_change_nothing():
    async with conversation(cascade(STORY, "Yes?"), returns_marks=False) as line:
        await interrupted(line)
        transcript = line.session.transcript()
        for number in range(60):
            line.session.hear_mark(f"m{number}")
        assert line.session.transcript() == transcript
        await line.until_turns(4)
        assert line.turns[-1] == Turn(
            role="agent", text="Yes?", started_ms=line.turns[-1].started_ms
        )


async def test_a_turn_that_was_heard_to_its_end_was_not_cut_though_its_mark_is_late():
    async with conversation(cascade("Certainly, sir.", "Yes?"), returns_marks=False) as line:
        line.session.hear_speech(SpeechBegan())
        line.session.hear_speech(SpeechEnded("May I?"))
        await line.frames(len("Certainly, sir.") + 6)
        heard = Turn(role="agent", text="Certainly, sir.", started_ms=0)
        assert heard in line.session.transcript()
        line.session.hear_speech(SpeechBegan())
        line.session.hear_speech(SpeechEnded("Good, thank you."))
        assert [turn.cut for turn in line.turns] == [False, False, False]
        assert line.session.metrics()["interruptions"] == 0


class Open:
    """Model and voice that know how many of their streams are open, and resist being closed."""

    def __init__(self, *, stubborn=False):
        self.open = 0
        self.stubborn = stubborn

    async def reply(self, messages, resources, tools=()):
        self.open += 1
        try:
            for number in range(50):
                yield TextPiece(f"This is sentence number {number} of many. ")
                await asyncio.sleep(0)
            await asyncio.Event().wait()
        finally:
            self.open -= 1

    async def speak(self, text, resources):
        self.open += 1
        try:
            audio = markers.encode(text)
            for at in range(0, len(audio), 800):
                yield audio[at : at + 800]
                try:
                    await asyncio.sleep(0)
                except asyncio.CancelledError:
                    if not self.stubborn:
                        raise
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if not self.stubborn:
                    raise
                yield b"\x10" * 1_600
        finally:
            self.open -= 1


@pytest.mark.parametrize("stubborn", [False, True])
async def test_what_was_cut_is_cancelled_and_sends_nothing_more(stubborn):
    provider = Open(stubborn=stubborn)
    async with conversation(cascade(llm=provider, tts=provider)) as line:
        line.session.hear_speech(SpeechBegan())
        line.session.hear_speech(SpeechEnded("Tell me all."))
        await line.frames(30)
        assert provider.open == 2
        tasks = len(asyncio.all_tasks())
        line.session.hear_speech(SpeechBegan())
        await line.frames(25)
        cleared = line.events.index(ClearAudio())
        await line.frames(40)
        assert not any(isinstance(event, PlayAudio) for event in line.events[cleared:])
        assert provider.open == 0
        assert len(asyncio.all_tasks()) == tasks - 2


HAPPENINGS = st.lists(
    st.tuples(st.sampled_from(["speaks", "ends", "sound", "says", "nothing"]), st.integers(0, 40)),
    min_size=1,
    max_size=12,
)


@given(HAPPENINGS, st.booleans())
@settings(max_examples=60, deadline=None)
def test_nothing_of_what_was_voiced_before_a_clear_is_sent_after_it(happenings, returns_marks):
    asyncio.run(_converse_and_check(happenings, returns_marks))


async def _converse_and_check(happenings, returns_marks):
    log = []  # What was emitted, and between that the number of each piece as its voice begins.

    class Voice:
        """Speaks every piece in a tone of its own."""

        async def speak(self, text, resources):
            number = sum(isinstance(entry, int) for entry in log)
            log.append(number)
            for _ in range(10):
                yield bytes([number]) * 800
                await asyncio.sleep(0)

    engine = cascade(llm=ScriptedLLM(lambda _messages: STORY[:120]), tts=Voice())
    async with conversation(engine, greeting="Hello.", returns_marks=returns_marks) as line:
        log += line.events
        line.events = log
        for number, (happening, frames) in enumerate(happenings):
            match happening:
                case "speaks":
                    line.session.hear_speech(SpeechBegan())
                case "ends":
                    line.session.hear_speech(SpeechEnded(f"And what is number {number}?"))
                case "sound":
                    line.session.hear_speech(SpeechEnded(""))
                case "says":
                    line.session.say("One moment.")
                case _:
                    pass
            await line.frames(frames)
    valid = set()
    for entry in log:
        match entry:
            case int():
                valid.add(entry)
            case ClearAudio():
                valid.clear()
            case PlayAudio(audio=audio):
                assert set(audio) <= valid | {0xFF}


async def test_a_provider_that_fails_because_it_was_cut_ends_nothing():
    class Sulking:
        async def speak(self, text, resources):
            try:
                yield markers.encode(text)
                if text.startswith("This"):
                    await asyncio.Event().wait()
            except asyncio.CancelledError:
                raise RuntimeError("how rude") from None

    async with conversation(cascade(STORY, "Yes?", tts=Sulking())) as line:
        await interrupted(line, frames=20)
        await line.until_turns(4)
        assert line.turns[-1].text == "Yes?"


WORDS = "I would like to book a table for four people at eight, please, über all else"


async def test_interrupted_at_a_thousand_frames_the_record_has_the_words_that_were_played():
    chosen = random.Random(11)
    cuts = words_in_all = 0
    while cuts < 1_000:
        replies = [
            " ".join(
                chosen.choice(WORDS.split()) + chosen.choice(["", "", "", ".", ",", "!"])
                for _ in range(30)
            )
            for _ in range(21)
        ]
        async with conversation(cascade(*replies), returns_marks=chosen.random() < 0.7) as line:
            played = 0
            for _ in range(20):
                line.session.hear_speech(SpeechBegan())
                line.session.hear_speech(SpeechEnded("And now, what else is there?"))
                await settle()
                known = [turn for turn in line.turns if turn.role == "agent"]
                if played:
                    heard = line.heard()
                    line.played.clear()
                    words = " ".join(turn.text for turn in known).split()
                    assert abs(len(words) - len(heard)) <= 1
                    assert all(turn.cut for turn in known)
                    cuts += 1
                    words_in_all += len(heard)
                line.turns.clear()
                played = chosen.randrange(1, 150)
                for _ in range(played):
                    line.frame()
                    if not line.running.done():
                        await asyncio.sleep(0)
                        await asyncio.sleep(0)
    assert words_in_all > 5_000


async def test_both_utterances_are_answered_when_the_second_comes_before_the_reply():
    class Slow:
        def __init__(self):
            self.asked = []
            self.open = 0

        async def reply(self, messages, resources, tools=()):
            self.asked.append(messages[-1].text)
            self.open += 1
            try:
                if len(self.asked) == 1:
                    await asyncio.Event().wait()
                yield TextPiece("Four at eight.")
            finally:
                self.open -= 1

    slow = Slow()
    async with conversation(cascade(llm=slow)) as line:
        line.speak("For four.")
        await line.frames(30)
        assert slow.open == 1
        line.speak("At eight.")
        await line.until_turns(3)
    assert slow.asked == ["For four.", "For four. At eight."]
    assert slow.open == 0
    assert not any(isinstance(event, ClearAudio) for event in line.events)


async def test_a_cough_that_interrupted_is_followed_by_the_rest():
    async with conversation(cascade("One two three four. Five six seven eight.")) as line:
        line.speak("Count, please.")
        await line.frames(26)
        line.session.hear_speech(SpeechBegan())
        await line.frames(22)
        line.session.hear_speech(SpeechEnded(""))
        await line.until_turns(3)
        assert line.turns[1].cut
        assert line.turns[2].text.endswith("Five six seven eight.")


# --- silence ---------------------------------------------------------------------------------


async def test_a_callee_who_says_nothing_is_asked_and_left_with_a_reason():
    async with conversation(cascade(), greeting="Hello.") as line:
        await line.until(lambda: isinstance(line.events[-1], ConversationOver))
        said = [turn.text for turn in line.turns]
        texts = TurnSettings()
        assert said == ["Hello.", texts.silence_prompt, texts.silence_prompt, texts.goodbye]
        assert line.events[-1].reason == "The other side said nothing any more"
        count = len(line.events)
        line.session.say("Hm?")
        line.speak("Hello?")
        await line.frames(1_000)
        assert [type(event) for event in line.events[count:]] == [TurnFinished]


async def test_a_callee_who_never_stops_is_left_with_a_reason():
    async with conversation(cascade(), greeting="Hello.") as line:
        await line.frames(20)
        line.session.hear_speech(SpeechBegan())
        await line.until(lambda: isinstance(line.events[-1], ConversationOver), frames=8_000)
        assert line.events[-1].reason == "The other side never spoke clear words"


# --- failures --------------------------------------------------------------------------------


class Failing:
    """A model or a voice that fails, or hangs, at given attempts."""

    def __init__(self, *plan, retryable=True, before="", texts=None):
        self.plan = list(plan)
        self.retryable = retryable
        self.before = before
        self.attempts = 0

    async def _obey(self):
        self.attempts += 1
        what = self.plan.pop(0) if self.plan else "works"
        if what == "fails":
            raise ProviderError("vendor", "it is down", retryable=self.retryable)
        if what == "hangs":
            await asyncio.Event().wait()

    async def reply(self, messages, resources, tools=()):
        if self.before:
            yield TextPiece(self.before)
        await self._obey()
        yield TextPiece("All is well.")

    async def speak(self, text, resources):
        await self._obey()
        yield markers.encode(text)


async def failed(engine, *lines, between=40):
    """A conversation in which the callee says `lines`, and the error with which it ended."""
    with contextlib.suppress(ProviderError):
        async with conversation(engine) as line:
            for text in lines:
                line.speak(text)
                await line.frames(between)
            for _ in range(400):
                await line.frames(1)
                if line.running.done():
                    break
                await asyncio.sleep(0.001)
    assert isinstance(line.running.exception(), ProviderError)
    return line, str(line.running.exception())


@pytest.mark.parametrize("what", ["fails", "hangs"])
@pytest.mark.parametrize("role", ["llm", "tts"])
async def test_a_provider_lost_before_anything_was_said_is_asked_once_more(role, what):
    provider = Failing(what)
    engine = cascade("All is well.", **{role: provider}, model_sec=0.05, voice_sec=0.05)
    async with conversation(engine) as line:
        line.speak("How are you?")
        for _ in range(100):
            await line.frames(1)
            await asyncio.sleep(0.002)
        assert [turn.text for turn in line.turns] == ["How are you?", "All is well."]
        assert provider.attempts == 2


@pytest.mark.parametrize("what", ["fails", "hangs"])
async def test_a_model_lost_for_good_ends_with_an_apology(what):
    engine = cascade(llm=Failing(what, what), model_sec=0.05)
    line, _ = await failed(engine, "How are you?")
    assert " ".join(line.heard()) == TurnSettings().apology
    assert line.turns[-1].text == TurnSettings().apology


async def test_a_model_that_stalls_in_mid_sentence_ends_with_what_it_said_and_an_apology():
    engine = cascade(llm=Failing("hangs", before="First of all. And then we"), model_sec=0.05)
    line, error = await failed(engine, "How are you?")
    assert "took too long" in error
    assert line.turns[-1].text == f"First of all. {TurnSettings().apology}"


async def test_what_cannot_succeed_is_not_asked_again():
    provider = Failing("fails", "fails", retryable=False)
    await failed(cascade(llm=provider), "How are you?")
    assert provider.attempts == 1


async def test_a_voice_lost_for_good_ends_in_silence():
    engine = cascade("Fine.", tts=Failing(*["hangs"] * 9), voice_sec=0.05)
    line, error = await failed(engine, "How are you?")
    assert "took too long" in error
    assert not any(isinstance(event, PlayAudio) for event in line.events)


async def test_ears_that_die_end_with_an_apology():
    class Ears(ScriptedSTT):
        def listen(self, report, resources):
            return super().listen(self._dying(report), resources)

        def _dying(self, report):
            def told(event):
                if isinstance(event, SpeechEnded) and event.text == "Die.":
                    raise RuntimeError("I am dead")
                report(event)

            return told

    line, _ = await failed(cascade(STORY, stt=Ears()), "Tell me all.", "Die.")
    assert ClearAudio() in line.events
    assert [turn.cut for turn in line.turns if turn.role == "agent"] == [True, False]
    assert line.turns[-1].text == TurnSettings().apology


# --- figures ---------------------------------------------------------------------------------


async def test_metrics_tell_how_long_each_step_took():
    now = 100.0

    def stopwatch():
        nonlocal now
        now += 0.010
        return now

    engine = Cascade(
        stt=ScriptedSTT(), llm=ScriptedLLM(["One."]), tts=ScriptedTTS(), stopwatch=stopwatch
    )
    async with conversation(engine) as line:
        line.session.hear_speech(SpeechBegan())
        await line.frames(10)
        line.session.hear_speech(SpeechPaused())
        await line.frames(16)
        line.session.hear_speech(SpeechEnded("Hello there, who is it?"))
        await line.until_turns(2)
        metrics = line.session.metrics()
    assert metrics["turns"] == 2
    assert metrics["interruptions"] == metrics["underruns"] == 0
    assert metrics["p50_stt_ms"] == 320
    assert metrics["p50_llm_first_token_ms"] == pytest.approx(10)
    assert metrics["p50_tts_first_byte_ms"] == pytest.approx(10)
    assert metrics["p50_latency_ms"] == pytest.approx(320 + 40)
    (reply,) = metrics["replies"]
    assert reply["asked_ms"] == 200


async def test_ears_that_only_tell_how_long_it_was_quiet_are_as_good_for_the_figures():
    async with conversation(cascade("One.")) as line:
        line.session.hear_speech(SpeechBegan())
        await line.frames(40)
        line.session.hear_speech(SpeechEnded("Hello there, who is it?", quiet_ms=500))
        await line.until_turns(2)
        metrics = line.session.metrics()
    assert metrics["p50_stt_ms"] == 500
    assert metrics["p50_latency_ms"] >= 500
    assert metrics["replies"][0]["asked_ms"] == 300


async def test_without_a_reply_there_are_no_latencies():
    async with conversation(cascade(), greeting="Hello.") as line:
        await line.until_turns(1)
        metrics = line.session.metrics()
    assert metrics["p95_latency_ms"] is None
    assert (metrics["turns"], metrics["replies"]) == (1, [])


def test_a_plan_takes_turn_settings():
    plan = SessionPlan(call_id="c", instructions="", turns=TurnSettings(interrupt_after_ms=0))
    assert plan.turns.interrupt_after_ms == 0
