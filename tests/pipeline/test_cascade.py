"""Whole conversations of the cascade, by bytes."""

from __future__ import annotations

from patter_core.calls.transcript import Turn
from patter_core.pipeline.cascade import Cascade
from patter_core.pipeline.language_model import Message
from patter_core.pipeline.providers.scripted import ScriptedLLM, ScriptedSTT, ScriptedTTS
from patter_core.pipeline.session import PlayAudio
from tests.pipeline.in_process_line import conversation


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
