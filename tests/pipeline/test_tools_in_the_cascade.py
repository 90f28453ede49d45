"""Whole conversations of the cascade in which the model uses tools, by bytes."""

from __future__ import annotations

import asyncio

from patter_core.pipeline.cascade import Cascade
from patter_core.pipeline.providers.scripted import (
    ScriptedLLM,
    ScriptedSTT,
    ScriptedToolCall,
    ScriptedTTS,
)
from patter_core.pipeline.speech_to_text import SpeechBegan, SpeechEnded
from patter_core.pipeline.tool_use import ToolFace
from patter_core.pipeline.turn_settings import TurnSettings
from tests.pipeline.in_process_line import conversation, settle

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
