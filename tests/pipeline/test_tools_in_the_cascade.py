"""Whole conversations of the cascade in which the model uses tools, by bytes."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import math
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patter_core.audio import mulaw
from patter_core.pipeline.cascade import Cascade
from patter_core.pipeline.language_model import Message
from patter_core.pipeline.plan import SessionPlan
from patter_core.pipeline.providers.scripted import (
    ScriptedLLM,
    ScriptedSTT,
    ScriptedToolCall,
    ScriptedTTS,
)
from patter_core.pipeline.record import STILL_RUNNING
from patter_core.pipeline.session import ClearAudio, ConversationOver, PlayAudio
from patter_core.pipeline.speech_to_text import SpeechBegan, SpeechEnded
from patter_core.pipeline.tool_use import ToolFace
from patter_core.pipeline.turn_settings import TurnSettings
from patter_core.speech import markers
from patter_core.tools.checked_tool import check_tools
from patter_core.tools.definition import Tool
from patter_core.tools.executor import ToolExecutor
from patter_core.tools.invocation import ToolInvocation
from patter_core.tools.url_guard import UrlGuard
from tests.pipeline.in_process_line import conversation, resources, settle

FACE = ToolFace(name="look_up", description="Looks it up.", parameters={"type": "object"})


class Tools:
    """A `ToolUse` whose answers come when the test lets them."""

    faces = (FACE,)

    def __init__(self, *, at_once=None):
        self.at_once = at_once
        self.requests = []
        self.said = []
        self.cancelled = []
        self._answers = {}

    async def run(self, request, say):
        number = len(self.requests)
        self.requests.append(request)
        self.said.append(say)
        if self.at_once is not None:
            return self.at_once
        self._answers[number] = asyncio.get_running_loop().create_future()
        try:
            return await self._answers[number]
        except asyncio.CancelledError:
            self.cancelled.append(request)
            raise

    def answer(self, number, output):
        self._answers[number].set_result(output)


class Model:
    """A scripted model that keeps what it was asked with."""

    def __init__(self, *replies):
        self.script = ScriptedLLM(replies)
        self.asked = []
        self.offered = []

    def reply(self, messages, resources, tools=()):
        self.asked.append(tuple(messages))
        self.offered.append(tools)
        assert_every_request_has_one_answer(messages)
        return self.script.reply(messages, resources, tools)


def assert_every_request_has_one_answer(messages):
    """One tool's message for each request, right behind them, in order; and no other."""
    wanted = []
    for message in messages:
        if message.role == "tool":
            assert wanted, "an answer to nothing"
            assert message.function_call_id == wanted.pop(0)
            continue
        assert not wanted, "a request without an answer"
        wanted = [request.function_call_id for request in message.requests]
    assert not wanted, "a request without an answer"
    assert messages[-1].role != "assistant", "nothing that calls for an answer"


def cascade(*replies, llm=None, tts=None):
    return Cascade(stt=ScriptedSTT(), llm=llm or Model(*replies), tts=tts or ScriptedTTS())


def call(**arguments):
    return ScriptedToolCall("look_up", arguments)


def told(messages):
    """Messages, shortly."""
    return [
        (message.role, message.text, *(request.arguments for request in message.requests))
        for message in messages
    ]


def texts(line):
    return [(turn.role, turn.text) for turn in line.turns]


async def ask(line, text):
    """The callee says something that is understood at once."""
    line.session.hear_speech(SpeechBegan())
    line.session.hear_speech(SpeechEnded(text))
    await settle()


# --- rounds ----------------------------------------------------------------------------------


async def test_a_tool_is_run_and_its_answer_is_spoken():
    model, tools = Model(["Let me see.", call(order=7)], "It ships on Monday."), Tools()
    async with conversation(cascade(llm=model), tools=tools) as line:
        line.speak("Where is my order?")
        await line.until_turns(2)
        assert texts(line)[-1] == ("agent", "Let me see.")
        await line.frames(100)
        assert [request.arguments for request in tools.requests] == ['{"order": 7}']
        tools.answer(0, "Monday")
        await line.until_turns(3)
        assert texts(line) == [
            ("user", "Where is my order?"),
            ("agent", "Let me see."),
            ("agent", "It ships on Monday."),
        ]
    assert model.offered == [(FACE,), (FACE,)]
    assert told(model.asked[1]) == [
        ("user", "Where is my order?"),
        ("assistant", "Let me see.", '{"order": 7}'),
        ("tool", "Monday"),
    ]


async def test_tools_of_one_reply_run_side_by_side_and_are_answered_together():
    model = Model([call(n=1), call(n=2), call(n=3)], "All three are there.")
    tools = Tools()
    async with conversation(cascade(llm=model), tools=tools) as line:
        await ask(line, "What of these three?")
        assert len(tools.requests) == 3
        tools.answer(2, "c")
        tools.answer(0, "a")
        await line.frames(10)
        assert len(model.asked) == 1
        tools.answer(1, "b")
        await line.until_turns(2)
    assert [message.text for message in model.asked[1] if message.role == "tool"] == ["a", "b", "c"]


async def test_one_tool_after_the_other_with_words_between():
    model = Model(["First this.", call(n=1)], ["Now that.", call(n=2)], "Done.", "Yes, done.")
    async with conversation(cascade(llm=model), tools=Tools(at_once="fine")) as line:
        await ask(line, "Go on.")
        await line.until_turns(4)
        await ask(line, "Done?")
        await line.until_turns(6)
    assert texts(line)[1:4] == [
        ("agent", "First this."),
        ("agent", "Now that."),
        ("agent", "Done."),
    ]
    assert line.heard() == ["First", "this.", "Now", "that.", "Done.", "Yes,", "done."]
    assert told(model.asked[3]) == [
        ("user", "Go on."),
        ("assistant", "First this.", '{"n": 1}'),
        ("tool", "fine"),
        ("assistant", "Now that.", '{"n": 2}'),
        ("tool", "fine"),
        ("assistant", "Done."),
        ("user", "Done?"),
    ]


async def test_the_model_is_asked_while_its_words_are_still_being_heard():
    long = "One moment, I will look that up for you, it will not take long."
    model, tools = Model([long, call()], "It ships on Monday."), Tools()
    async with conversation(cascade(llm=model), tools=tools) as line:
        await ask(line, "Where is it?")
        await line.frames(5)
        tools.answer(0, "Monday")
        await line.frames(1)
        assert len(model.asked) == 2
        assert line.turns[-1].role == "user"
        await line.until_turns(3)
    assert line.heard() == f"{long} It ships on Monday.".split()


async def test_after_ten_rounds_the_model_answers_without_tools():
    model, tools = (
        Model(*[call(n=number) for number in range(10)], "That is all."),
        Tools(at_once="-"),
    )
    async with conversation(cascade(llm=model), tools=tools) as line:
        await ask(line, "Search everywhere.")
        await line.until_turns(2)
        assert texts(line)[-1] == ("agent", "That is all.")
    assert len(tools.requests) == 10
    assert model.offered == [(FACE,)] * 10 + [()]


async def test_a_model_that_asks_for_what_it_was_not_offered_gets_nothing():
    endless = Model(*[call()] * 30)
    tools = Tools(at_once="-")
    turns = TurnSettings(tool_rounds=2)
    async with conversation(cascade(llm=endless), tools=tools, turns=turns) as line:
        await ask(line, "Search everywhere.")
        await line.frames(50)
        assert len(endless.asked) == 3
        assert len(tools.requests) == 2
        await ask(line, "Once more.")
        assert len(tools.requests) > 2


async def test_without_tools_a_request_is_ignored():
    async with conversation(cascade(["Well.", call()], "Yes?")) as line:
        await ask(line, "Look it up.")
        await line.until_turns(2)
        await ask(line, "And?")
        await line.until_turns(4)
    assert [text for _, text in texts(line)] == ["Look it up.", "Well.", "And?", "Yes?"]


async def test_arguments_that_are_no_json_go_to_the_tool_which_says_so():
    async def look_up(arguments, context):
        raise AssertionError("it must not run")

    tool = Tool(name="look_up", description="", parameters=FACE.parameters, handler=look_up)
    model = Model(ScriptedToolCall("look_up", '{"order": 7'), "Which order was it?")
    async with conversation(cascade(llm=model), tools=Executed(tool)) as line:
        await ask(line, "Where is my order?")
        await line.until_turns(2)
    answer = json.loads(model.asked[1][-1].text)
    assert (answer["error"], answer["fallback"]) == ("invalid_arguments", True)
    assert texts(line)[-1] == ("agent", "Which order was it?")


class Executed:
    """A `ToolUse` with the executor that ships."""

    def __init__(self, tool, clock=None):
        self.faces = (FACE,)
        self._executor = ToolExecutor(tools=check_tools([tool], guard=UrlGuard()), clock=clock)

    async def run(self, request, say):
        invocation = ToolInvocation(
            "call", request.function_call_id, request.name, request.arguments
        )
        result = await self._executor.execute(invocation, on_progress=say)
        return result.output


# --- what is said while a tool runs ----------------------------------------------------------


async def test_progress_is_heard_in_order_and_no_silence_is_broken_while_the_tool_runs():
    model, tools = Model(["Let me see.", call()], "It ships on Monday.", "Yes."), Tools()
    async with conversation(cascade(llm=model), tools=tools) as line:
        await ask(line, "Where is it?")
        tools.said[0]("I am in the warehouse.")
        tools.said[0]("I have found the shelf.")
        await line.until_turns(4)
        await line.frames(2_000)
        tools.answer(0, "Monday")
        await line.until_turns(5)
        await ask(line, "Sure?")
        await line.until_turns(7)
    assert texts(line)[1:5] == [
        ("agent", "Let me see."),
        ("agent", "I am in the warehouse."),
        ("agent", "I have found the shelf."),
        ("agent", "It ships on Monday."),
    ]
    assert told(model.asked[2])[1:3] == [
        ("assistant", "Let me see. I am in the warehouse. I have found the shelf.", "{}"),
        ("tool", "Monday"),
    ]


async def test_what_a_tool_says_is_withdrawn_when_it_answers_first():
    model, tools = Model(["Let me see.", call()], "It ships on Monday."), Tools()
    async with conversation(cascade(llm=model), tools=tools) as line:
        await ask(line, "Where is it?")
        tools.said[0]("I am in the warehouse.")
        await line.frames(2)
        tools.answer(0, "Monday")
        await line.until_turns(3)
        tools.said[0]("I found it!")
        await line.frames(50)
    assert texts(line)[1:] == [("agent", "Let me see."), ("agent", "It ships on Monday.")]


class SlowVoice:
    """A voice that says nothing of what begins with "Slowly" until it is let."""

    def __init__(self):
        self.let = asyncio.Event()

    async def speak(self, text, resources):
        if text.startswith("Slowly"):
            await self.let.wait()
        yield markers.encode(text)


async def test_what_a_tool_says_is_withdrawn_while_the_voice_has_not_begun():
    model, tools, voice = Model(call(), "It ships on Monday."), Tools(), SlowVoice()
    async with conversation(cascade(llm=model, tts=voice), tools=tools) as line:
        await ask(line, "Where is it?")
        tools.said[0]("Slowly, I look.")
        await line.frames(5)
        tools.answer(0, "Monday")
        await line.until_turns(2)
        voice.let.set()
        await line.frames(50)
    assert texts(line)[1:] == [("agent", "It ships on Monday.")]


async def test_what_a_tool_says_is_heard_to_its_end_once_it_can_be_heard():
    model, tools = Model(call(), "It ships on Monday."), Tools()
    async with conversation(cascade(llm=model), tools=tools) as line:
        await ask(line, "Where is it?")
        tools.said[0]("I am in the warehouse.")
        await line.frames(5)
        tools.answer(0, "Monday")
        await line.until_turns(3)
    assert line.heard() == ["I", "am", "in", "the", "warehouse.", "It", "ships", "on", "Monday."]


async def test_progress_waits_while_the_callee_speaks_and_is_dropped_for_their_words():
    model, tools = Model(call(), "Still looking.", "It ships on Monday."), Tools()
    async with conversation(cascade(llm=model), tools=tools) as line:
        await ask(line, "Where is it?")
        line.session.hear_speech(SpeechBegan())
        tools.said[0]("I am in the warehouse.")
        await line.frames(30)
        assert line.heard() == []
        line.session.hear_speech(SpeechEnded("Are you there at all?"))
        await line.until_turns(3)
        await line.frames(30)
        assert texts(line)[1:] == [("user", "Are you there at all?"), ("agent", "Still looking.")]
        line.session.hear_speech(SpeechBegan())
        tools.said[0]("I have found the shelf.")
        await line.frames(30)
        line.session.hear_speech(SpeechEnded(""))
        await line.until_turns(4)
        assert texts(line)[-1] == ("agent", "I have found the shelf.")


async def test_reassurance_is_spoken_when_the_tool_takes_its_time():
    done = asyncio.Event()

    async def look_up(arguments, context):
        await done.wait()
        return "Monday"

    tool = Tool(
        name="look_up",
        description="",
        parameters=FACE.parameters,
        handler=look_up,
        reassurance={"message": "One moment.", "after_ms": 20},
    )
    model = Model(call(), "It ships on Monday.")
    async with conversation(cascade(llm=model), tools=Executed(tool)) as line:
        await ask(line, "Where is it?")
        await asyncio.sleep(0.1)
        await line.until_turns(2)
        done.set()
        await line.until_turns(3)
    assert texts(line)[1:] == [("agent", "One moment."), ("agent", "It ships on Monday.")]


# --- the callee speaks -----------------------------------------------------------------------


async def test_the_callee_is_answered_while_a_tool_runs_and_told_its_answer_when_it_comes():
    model = Model(
        ["Let me see.", call()], "I am still looking.", "It ships on Monday.", "You are welcome."
    )
    tools = Tools()
    async with conversation(cascade(llm=model), tools=tools) as line:
        await ask(line, "Where is it?")
        await line.until_turns(2)
        await line.frames(50)
        await ask(line, "Are you still there?")
        await line.until_turns(4)
        await line.frames(1_000)
        assert tools.cancelled == []
        tools.answer(0, "Monday")
        await line.until_turns(5)
        await ask(line, "Thank you very much.")
        await line.until_turns(7)
    assert texts(line)[3:] == [
        ("agent", "I am still looking."),
        ("agent", "It ships on Monday."),
        ("user", "Thank you very much."),
        ("agent", "You are welcome."),
    ]
    assert told(model.asked[1]) == [
        ("user", "Where is it?"),
        ("assistant", "Let me see.", "{}"),
        ("tool", STILL_RUNNING),
        ("user", "Are you still there?"),
    ]
    assert told(model.asked[2]) == [
        ("user", "Where is it?"),
        ("assistant", "Let me see."),
        ("user", "Are you still there?"),
        ("assistant", "I am still looking."),
        ("assistant", "", "{}"),
        ("tool", "Monday"),
    ]


async def test_an_interruption_ends_the_words_and_not_the_tool():
    story = " ".join(f"This is sentence {number}." for number in range(20))
    model, tools = Model([story, call()], "Yes?"), Tools()
    async with conversation(cascade(llm=model), tools=tools) as line:
        await ask(line, "Where is it?")
        await line.frames(60)
        before = len(line.events)
        line.session.hear_speech(SpeechBegan())
        tools.answer(0, "Monday")
        await settle()
        line.session.hear_speech(SpeechEnded("Wait, stop it."))
        assert line.events[before] == ClearAudio()
        await line.until_turns(4)
        assert texts(line)[-1] == ("agent", "Yes?")
        heard = line.turns[1]
    assert heard.cut
    assert story.startswith(heard.text)
    assert tools.cancelled == []
    assert told(model.asked[-1])[:4] == [
        ("user", "Where is it?"),
        ("assistant", heard.text, "{}"),
        ("tool", "Monday"),
        ("user", "Wait, stop it."),
    ]


async def test_words_before_anything_was_heard_leave_the_tool_and_drop_the_words():
    model, tools, voice = Model(["Slowly now.", call()], "Yes?"), Tools(), SlowVoice()
    async with conversation(cascade(llm=model, tts=voice), tools=tools) as line:
        await ask(line, "Where is it?")
        assert len(tools.requests) == 1
        await ask(line, "And my invoice?")
        await line.until_turns(3)
    assert told(model.asked[1]) == [
        ("user", "Where is it?"),
        ("assistant", "", "{}"),
        ("tool", STILL_RUNNING),
        ("user", "And my invoice?"),
    ]


async def test_an_okay_while_a_tool_runs_is_answered_with_what_the_tool_says():
    model, tools = Model(["Let me see.", call()], "It ships on Monday."), Tools()
    async with conversation(cascade(llm=model), tools=tools) as line:
        await ask(line, "Where is it?")
        await line.until_turns(2)
        await ask(line, "Okay.")
        await line.frames(30)
        assert len(model.asked) == 1
        tools.answer(0, "Monday")
        await line.until_turns(4)
    assert told(model.asked[1])[1:] == [
        ("assistant", "Let me see.", "{}"),
        ("tool", "Monday"),
        ("user", "Okay."),
    ]


async def test_words_drop_an_answer_that_was_thought_of_ahead():
    long = "One moment, I will look that up for you, it will not take long."
    model, tools = Model([long, call()], "It ships on Monday.", "Of course."), Tools(at_once="-")
    async with conversation(cascade(llm=model), tools=tools) as line:
        await ask(line, "Where is it?")
        await line.frames(20)
        assert len(model.asked) == 2
        await ask(line, "Could you hurry up?")
        await line.until_turns(4)
    assert len(model.asked) == 3
    assert model.asked[2][-1] == Message("user", "Could you hurry up?")
    assert line.turns[1].cut


async def test_the_end_of_the_call_cancels_what_runs():
    tools = Tools()
    async with conversation(cascade([call(n=1), call(n=2)]), tools=tools) as line:
        await ask(line, "Where is it?")
        assert len(tools.requests) == 2
    assert len(tools.cancelled) == 2


async def test_a_tool_that_is_slow_to_leave_does_not_let_the_agent_speak_again():
    class Stubborn(Tools):
        async def run(self, request, say):
            with contextlib.suppress(asyncio.CancelledError):
                await super().run(request, say)
            say("I am still here.")
            await self.left.wait()
            return "late"

    tools = Stubborn()
    tools.left = asyncio.Event()
    async with conversation(cascade(call(), "What?"), tools=tools) as line:
        await ask(line, "Where is it?")
        line.running.cancel()
        await settle()
        count = len(line.events)
        await ask(line, "Hello?")
        tools.left.set()
        await line.frames(30)
        assert line.running.done()
        assert len(line.events) == count
        assert line.session.transcript()[-1].text == "Hello?"


# --- the end, and keys -----------------------------------------------------------------------


class Ending(Tools):
    """`end_call`, as a tool does it."""

    session = None

    async def run(self, request, say):
        self.requests.append(request)
        self.session.finish("The agent was done")
        return "The call ends."


def over(line):
    return isinstance(line.events[-1], ConversationOver)


async def test_finish_with_a_goodbye_is_over_when_it_was_heard():
    model, tools = Model(["Goodbye, and thank you.", call()], "Nothing more."), Ending()
    async with conversation(cascade(llm=model), tools=tools) as line:
        tools.session = line.session
        await ask(line, "That is all.")
        assert not over(line)
        await line.until(lambda: over(line))
        assert line.heard() == ["Goodbye,", "and", "thank", "you."]
        assert line.events[-1].reason == "The agent was done"
        assert len(model.asked) == 1


async def test_finish_without_a_word_lets_the_model_say_goodbye():
    model, tools = Model(call(), ["Goodbye.", call()], "Nothing more."), Ending()
    async with conversation(cascade(llm=model), tools=tools) as line:
        tools.session = line.session
        await ask(line, "That is all.")
        await line.until(lambda: over(line))
        assert line.heard() == ["Goodbye."]
        await line.frames(50)
    assert model.offered == [(FACE,), ()]
    assert sum(isinstance(event, ConversationOver) for event in line.events) == 1


async def test_finish_without_a_word_of_a_model_that_has_none_is_over_all_the_same():
    tools = Ending()
    async with conversation(cascade(call()), tools=tools) as line:
        tools.session = line.session
        await ask(line, "That is all.")
        assert over(line)


async def test_finish_is_over_at_once_when_nothing_is_being_said():
    async with conversation(cascade(), greeting="Hello.") as line:
        await line.until_turns(1)
        line.session.finish("Enough")
        assert line.events[-1] == ConversationOver("Enough")
        count = len(line.events)
        line.session.say("Wait!")
        await line.frames(2_000)
        assert len(line.events) == count


async def test_words_after_finish_interrupt_and_are_not_answered():
    model, tools = Model(["Goodbye, and thank you for your patience.", call()], "What?"), Ending()
    async with conversation(cascade(llm=model), tools=tools) as line:
        tools.session = line.session
        await ask(line, "That is all.")
        await line.frames(15)
        await ask(line, "Wait, one more thing.")
        assert [type(event).__name__ for event in line.events[-4:]] == [
            "ClearAudio",
            "TurnFinished",
            "TurnFinished",
            "ConversationOver",
        ]
    assert len(model.asked) == 1


async def test_a_cough_into_the_goodbye_does_not_swallow_it():
    model, tools = Model(["Goodbye, and thank you. For your patience.", call()]), Ending()
    async with conversation(cascade(llm=model), tools=tools) as line:
        tools.session = line.session
        await ask(line, "That is all.")
        await line.frames(10)
        line.session.hear_speech(SpeechBegan())
        await line.frames(25)
        assert ClearAudio() in line.events
        assert not over(line)
        line.session.hear_speech(SpeechEnded(""))
        await line.until(lambda: over(line))
        assert line.turns[-1].text.endswith("For your patience.")


async def test_finish_before_the_call_is_heard_ends_it_when_it_is():
    plan = SessionPlan(call_id="call", instructions="", greeting="Hello.")
    async with resources() as lent, cascade().open(plan, lent) as session:
        session.finish("Enough")
        events = []
        running = asyncio.create_task(session.run(events.append))
        await settle()
        running.cancel()
        assert events == [ConversationOver("Enough")]


def keys_in(frames):
    """The keys whose tones are in played audio, by Goertzel's filter, 20 ms at a time."""
    keys = [key_of(frame) for frame in frames]
    return "".join(key for key, _ in itertools.groupby(keys) if key)


def key_of(frame):
    pcm = mulaw.decode(frame)
    samples = struct.unpack(f"<{len(pcm) // 2}h", pcm)
    low, high = (697, 770, 852, 941), (1_209, 1_336, 1_477, 1_633)
    powers = {hertz: power(samples, hertz) for hertz in (*low, *high)}
    row, column = max(low, key=powers.get), max(high, key=powers.get)
    total = sum(sample * sample for sample in samples)
    if total < 1e6 or powers[row] + powers[column] < 0.35 * total * len(samples):
        return ""
    return "123A456B789C*0#D"[low.index(row) * 4 + high.index(column)]


def power(samples, hertz):
    before = earlier = 0.0
    factor = 2 * math.cos(2 * math.pi * hertz / 8_000)
    for sample in samples:
        before, earlier = sample + factor * before - earlier, before
    return before * before + earlier * earlier - factor * before * earlier


async def test_keys_are_pressed_after_what_is_being_said_and_before_what_follows():
    class Pressing(Tools):
        async def run(self, request, say):
            self.session.send_digits("1590#")
            return "pressed"

    model, tools = Model(["Let me choose.", call()], "I have pressed it."), Pressing()
    async with conversation(cascade(llm=model), tools=tools) as line:
        tools.session = line.session
        await ask(line, "For sales press one.")
        await line.until_turns(3)
        assert keys_in(line.played) == "1590#"
        first = next(at for at, frame in enumerate(line.played) if key_of(frame))
        assert markers_in(line.played[:first]) == ["Let me choose."]
        assert markers_in(line.played[first:]) == ["I have pressed it."]
    assert [text for _, text in texts(line)][1:] == ["Let me choose.", "I have pressed it."]


def markers_in(frames):
    events = markers.MarkerDetector().feed(b"".join(frames))
    return [event.text for event in events if isinstance(event, markers.Ended)]


async def test_a_voice_that_goes_on_does_not_keep_keys_from_being_pressed():
    async with conversation(cascade()) as line:
        line.session.hear_speech(SpeechBegan())
        line.session.send_digits("0123456789")
        await line.frames(110)
        assert keys_in(line.played) == "0123456789"
        assert ClearAudio() not in line.events


async def test_what_is_no_key_is_refused():
    async with conversation(cascade()) as line:
        with pytest.raises(ValueError, match="no key"):
            line.session.send_digits("12x")


# --- how soon --------------------------------------------------------------------------------


@pytest.mark.parametrize("running", [False, True])
async def test_a_running_tool_delays_neither_reply_nor_clear(running):
    story = " ".join(f"This is sentence {number}." for number in range(20))

    def answer(messages):
        if messages[-1].text == "Where is it?":
            return ["Here.", call()] if running else "Here."
        return story

    tools = Tools()
    async with conversation(cascade(llm=ScriptedLLM(answer)), tools=tools) as line:
        await ask(line, "Where is it?")
        assert len(tools.requests) == running
        for number in range(2):
            sent = len(line.events)
            line.session.hear_speech(SpeechEnded(f"Tell me story number {number}."))
            await settle()
            assert any(isinstance(event, PlayAudio) for event in line.events[sent:])
            await line.frames(10)
            sent = len(line.events)
            line.session.hear_speech(SpeechEnded(f"Stop it right now, {number}."))
            assert line.events[sent] == ClearAudio()
            await line.frames(5)


# --- whatever happens ------------------------------------------------------------------------

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("says"), st.sampled_from(["Yes.", "Okay", "And what of the other?"])),
        st.tuples(st.just("begins"), st.none()),
        st.tuples(st.just("coughs"), st.none()),
        st.tuples(st.just("answers"), st.integers(0, 5)),
        st.tuples(st.just("tells"), st.integers(0, 5)),
        st.tuples(st.just("waits"), st.integers(1, 60)),
        st.tuples(st.just("presses"), st.none()),
    ),
    max_size=25,
)
REPLY = st.lists(
    st.sampled_from(["One moment. ", "This is a sentence that takes a while. ", call(), call(n=1)]),
    max_size=4,
)


@given(STEPS, st.lists(REPLY, max_size=12), st.booleans(), st.booleans())
@settings(max_examples=150, deadline=None)
async def test_whatever_happens_every_request_has_one_answer(steps, replies, at_once, finishes):
    tools = Tools(at_once="-" if at_once else None)
    taken = iter(replies)
    script = Model()
    script.script = ScriptedLLM(lambda messages: next(taken, "Yes."))
    async with conversation(cascade(llm=script), tools=tools) as line:
        await ask(line, "Hello, who is there?")
        for what, detail in steps:
            open_tools = [n for n, future in tools._answers.items() if not future.done()]
            match what:
                case "says":
                    await ask(line, detail)
                case "begins":
                    line.session.hear_speech(SpeechBegan())
                case "coughs":
                    line.session.hear_speech(SpeechEnded(""))
                case "answers" if open_tools:
                    tools.answer(open_tools[detail % len(open_tools)], "answer")
                case "tells" if open_tools:
                    tools.said[open_tools[detail % len(open_tools)]]("Still at it.")
                case "presses":
                    line.session.send_digits("1")
            await line.frames(detail if what == "waits" else 1)
        for number, future in list(tools._answers.items()):
            if not future.done():
                tools.answer(number, "at last")
        line.session.hear_speech(SpeechEnded(""))
        if finishes:
            line.session.finish("Enough")
            await line.until(lambda: over(line))
        else:
            tools.at_once = "-"
            await line.frames(600)
            given = {m.function_call_id: m.text for m in script.asked[-1] if m.role == "tool"}
            assert STILL_RUNNING not in given.values()
        assert not line.running.done(), line.running.exception()
