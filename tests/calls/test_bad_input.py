"""Whole calls in which something comes in that should not: a result, and no other call notices."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

from patter import ScriptedLLM, ScriptedSTT, TurnSettings
from patter.simulator import Callee
from patter_core.audio.frames import FRAME_BYTES
from patter_core.pipeline.language_model import TextPiece
from patter_core.pipeline.speech_to_text import SpeechBegan, SpeechEnded, SpeechPaused
from patter_core.speech import markers
from tests.calls.kit import CALLEE, OTHER_CALLEE, bounded, said, scripted

SAID = ["Hello?", "Four people at eight.", "Bye."]
REPLIES = ["A table, please.", "Thank you, that would be lovely."]
TALK = [
    ("user", "Hello?"),
    ("agent", "A table, please."),
    ("user", "Four people at eight."),
    ("agent", "Thank you, that would be lovely."),
    ("user", "Bye."),
]


@pytest.fixture
async def beside_another(network, new_phone):
    """Makes one call; another, which goes well, is up at the same time on the same phone."""
    phone = new_phone(max_concurrent_calls=2)
    network.add(OTHER_CALLEE, Callee(says=SAID))

    async def call(agent, **arguments):
        with network.clock.hold():  # Both are up before either has got far.
            live = await phone.place_call(CALLEE, agent, **arguments)
            await network.until(lambda: network.dials and network.dials[0].stream_parameters)
            other = await phone.place_call(OTHER_CALLEE, scripted(*REPLIES))
            await network.until(lambda: len(network.live_legs) == 2)
        result, untouched = await bounded(asyncio.gather(live.result(), other.result()), 40)
        assert (untouched.status, untouched.ended_by) == ("completed", "callee")
        assert said(untouched) == TALK
        return result

    return call


def last_words(result):
    return [turn.text for turn in result.transcript if turn.role == "system"][-1]


# --- on the wire ---------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["odd_lengths", "strange_frames", "no_marks"])
async def test_what_is_odd_on_the_wire_changes_nothing_about_the_call(
    network, beside_another, fault
):
    network.faults.media(fault)
    result = await beside_another(scripted(*REPLIES))
    assert (result.status, result.ended_by, result.error) == ("completed", "callee", None)
    assert said(result) == TALK
    assert list(network.dials[0].heard) == REPLIES
    assert not any(turn.cut for turn in result.transcript)


async def test_a_huge_frame_ends_its_call_with_what_was_said_until_then(network, beside_another):
    network.add(CALLEE, Callee(says=["Hello?", *["Go on."] * 20]))
    network.faults.media("huge_frame")
    result = await beside_another(scripted())
    assert result.status in ("completed", "failed")
    assert result.may_have_dialed
    assert said(result)[0] == ("user", "Hello?")
    assert result.duration_seconds < 10


# --- the callee ----------------------------------------------------------------------------------


async def test_a_callee_who_never_stops_talking_is_left_with_a_reason(network, beside_another):
    network.add(CALLEE, Callee(says=["and so on " * 3_000]))
    agent = scripted(turns=TurnSettings(longest_utterance_sec=20))
    result = await beside_another(agent, max_duration_sec=600)
    assert (result.status, result.ended_by) == ("completed", "agent")
    assert "never spoke clear words" in last_words(result)
    assert result.duration_seconds < 120


async def test_a_callee_who_never_stops_talking_cannot_outlast_the_deadline(
    network, beside_another
):
    network.add(CALLEE, Callee(says=["and so on " * 3_000]))
    result = await beside_another(scripted(), max_duration_sec=30)
    assert (result.status, result.error_code) == ("timeout", "deadline")


async def test_a_callee_who_never_speaks_is_left_with_a_reason(network, beside_another):
    network.add(CALLEE, Callee(behave="silent"))
    agent = scripted(turns=TurnSettings())
    result = await beside_another(agent, first_message="Hello.", max_duration_sec=600)
    assert (result.status, result.ended_by) == ("completed", "agent")
    assert "said nothing any more" in last_words(result)
    assert [text for role, text in said(result) if role == "agent"] == [
        "Hello.",
        *[TurnSettings().silence_prompt] * 2,
        TurnSettings().goodbye,
    ]


# --- ears ----------------------------------------------------------------------------------------


class OddEars(ScriptedSTT):
    """Ears that tell what they hear twice, or only when the callee's next line is over."""

    def __init__(self, how):
        object.__setattr__(self, "how", how)

    def listen(self, report, resources):
        held = []

        def odd(event):
            if self.how == "twice" or not isinstance(event, SpeechEnded):
                report(event)
                if isinstance(event, SpeechEnded):
                    report(SpeechEnded(event.text.upper()))
                return
            report(SpeechPaused())
            held.append(event)
            if len(held) > 1:
                report(held.pop(0))

        return super().listen(odd, resources)


async def test_words_that_come_twice_are_said_once(beside_another):
    result = await beside_another(scripted(*REPLIES, stt=OddEars("twice")))
    assert (result.status, said(result)) == ("completed", TALK)


async def test_words_that_come_a_whole_utterance_late_are_still_answered(network, beside_another):
    network.add(CALLEE, Callee(says=[*SAID, "Really, bye."], pause_sec=1.0))
    agent = scripted(
        *REPLIES, stt=OddEars("late"), turns=TurnSettings(silence_prompt_sec=4, silence_prompts=9)
    )
    result = await beside_another(agent, max_duration_sec=120)
    assert result.status == "completed"
    heard = [text for role, text in said(result) if role == "user"]
    assert heard == [*SAID, "Really, bye."][: len(heard)]
    assert REPLIES[0] in [text for role, text in said(result) if role == "agent"]


async def test_ears_that_report_nonsense_end_in_a_result(beside_another):
    class Babbling(ScriptedSTT):
        @asynccontextmanager
        async def listen(self, report, resources):
            async with super().listen(report, resources) as ears:
                yield Jumbled(report, ears)

    class Jumbled:
        def __init__(self, report, ears):
            self.report, self.ears, self.frames = report, ears, 0

        def feed(self, audio):
            self.frames += 1
            order = (SpeechPaused(), SpeechEnded(""), SpeechBegan(), SpeechBegan(), SpeechPaused())
            self.report(order[self.frames % len(order)])
            self.ears.feed(audio)

    agent = scripted(*REPLIES, stt=Babbling(), turns=TurnSettings())
    result = await beside_another(agent, max_duration_sec=120)
    assert result.status in ("completed", "timeout")
    assert ("user", "Hello?") in said(result)


# --- voice and model -----------------------------------------------------------------------------


class Mute:
    """A voice that never gives a sound, or only empty ones."""

    def __init__(self, *chunks):
        self.chunks = chunks

    async def speak(self, text, resources):
        for chunk in self.chunks:
            yield chunk


@pytest.mark.parametrize("chunks", [(), (b"", b"")])
async def test_a_voice_that_gives_no_sound_ends_in_a_result_with_a_reason(beside_another, chunks):
    agent = scripted(*REPLIES, tts=Mute(*chunks), turns=TurnSettings())
    result = await beside_another(agent, max_duration_sec=300)
    assert (result.status, result.ended_by) == ("completed", "agent")
    assert [text for role, text in said(result) if role == "agent"] == []
    assert "said nothing any more" in last_words(result)


async def test_a_voice_in_odd_pieces_is_heard_whole(network, beside_another):
    class Odd:
        async def speak(self, text, resources):
            audio, at, size = markers.encode(text), 0, 1
            while at < len(audio):
                yield audio[at : at + size]
                at, size = at + size, size * 3 % (5 * FRAME_BYTES)

    result = await beside_another(scripted(*REPLIES, tts=Odd()))
    assert said(result) == TALK
    assert list(network.dials[0].heard) == REPLIES


async def test_a_model_that_stalls_in_mid_sentence_ends_its_call_with_an_apology(
    network, beside_another
):
    class Stalling:
        async def reply(self, messages, resources, tools=()):
            yield TextPiece("First of all. And then we ")
            await asyncio.Event().wait()

    network.add(CALLEE, Callee(says=["Hello?", "Yes?"], pause_sec=60.0))
    result = await beside_another(scripted(llm=Stalling()), max_duration_sec=300)
    assert (result.status, result.error_code) == ("failed", "provider_failed")
    assert result.ended_by == "engine"
    spoken = " ".join(text for role, text in said(result) if role == "agent")
    assert spoken.startswith("First of all.")
    assert spoken.endswith(TurnSettings().apology)


async def test_a_model_that_writes_without_end_cannot_outlast_the_deadline(network, beside_another):
    class Endless:
        async def reply(self, messages, resources, tools=()):
            while True:
                yield TextPiece("And so on. ")

    network.add(CALLEE, Callee(says=["Hello?", "Stop."]))
    result = await beside_another(scripted(llm=Endless()), max_duration_sec=20)
    assert (result.status, result.error_code) == ("timeout", "deadline")
    assert result.transcript[-1].cut


async def test_a_script_that_fails_in_the_call_tells_nobody_what_was_said(beside_another):
    def fails(messages):
        raise KeyError(messages[-1].text)

    result = await beside_another(scripted(llm=ScriptedLLM(fails)))
    assert (result.status, result.error_code) == ("failed", "provider_failed")
    assert "Hello" not in (result.error or "")
