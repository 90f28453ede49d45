"""Whole calls in which both sides really speak and are really understood, in a minute altogether.

The local ears know what they are told to expect, and may mishear: only phrases that were chosen
for being understood every time are compared word by word.
"""

from __future__ import annotations

import asyncio

import pytest

from patter import LocalSTT, LocalTTS, Patter, PatterTool, ScriptedLLM, TurnSettings
from patter.simulator import Callee, Digits, PhoneNetwork
from tests.speech.local_extra import PHRASES, needs_ears, plain

pytestmark = needs_ears

NUMBER = "+14155552671"
OTHER = "+14155552672"
HELLO = "Hello."
PEOPLE = "Four people at eight, please."
NAME = "Under the name of Anna."
BYE = "Good bye."
YES = "Yes, please."
BOOKED = "We are fully booked tonight."
DAY = "Which day would you like?"
FRIDAY = "See you on Friday."
THANKS = "Thank you for calling, have a nice day."
GREETING = "Hello, this is the garden kitchen, how can I help you?"
LONG = " ".join([DAY, "Please hold the line.", "That will be forty dollars."] * 3)


@pytest.fixture
async def network():
    """A network in simulated time."""
    async with PhoneNetwork() as network:
        yield network
        assert network.violations == []


@pytest.fixture
async def new_tool(network):
    """Makes a tool whose agent speaks and listens by itself."""
    phones = []

    def make(*replies, phrases=PHRASES, turns=None, **options):
        phone = Patter(
            carrier=network.twilio(),
            phone_number="+14155550100",
            ledger=":memory:",
            clock=network.clock,
            max_concurrent_calls=4,
        )
        phones.append(phone)
        agent = {
            "stt": LocalSTT(phrases=phrases),
            "llm": ScriptedLLM(list(replies) or (lambda _messages: YES)),
            "tts": LocalTTS(),
            "turns": turns or TurnSettings(silence_prompt_sec=0),
        }
        return PatterTool(phone, agent=agent, **options)

    yield make
    for phone in phones:
        await phone.aclose()


def person(*says, **more):
    """A callee who speaks aloud and understands the agent's phrases."""
    return Callee(**{"says": says, "voice": "en-us+f3", "hears": PHRASES, **more})


async def ring(tool, to=NUMBER, **arguments):
    async with asyncio.timeout(60):
        return await tool.execute(to=to, **{"max_duration_sec": 60, **arguments})


def lines(result, role):
    return [turn.text for turn in result.transcript if turn.role == role]


def heard(result):
    """What the agent understood, as the ears write it."""
    return [plain(text).strip() for text in lines(result, "user")]


def understood(network, to=NUMBER):
    [leg] = [leg for leg in network.dials if leg.to == to]
    return leg.heard


async def test_a_table_is_booked(network, new_tool):
    network.add(NUMBER, person(HELLO, DAY, "What name is it for?", THANKS))
    tool = new_tool(PEOPLE, FRIDAY, NAME, BYE)
    result = await ring(tool)
    assert (result.status, result.ended_by) == ("completed", "callee")
    assert lines(result, "agent")[:3] == [PEOPLE, FRIDAY, NAME]
    assert heard(result)[:3] == [plain(HELLO), plain(DAY), "what name is it for"]
    assert understood(network)[:3] == [PEOPLE, FRIDAY, NAME]


async def test_a_greeting_is_heard_by_both(network, new_tool):
    network.add(NUMBER, person(PEOPLE, BYE, speaks_first=False))
    result = await ring(new_tool(FRIDAY), first_message=GREETING)
    assert lines(result, "agent")[0] == GREETING
    assert heard(result)[0] == "four people at eight please"


async def test_a_restaurant_that_is_fully_booked(network, new_tool):
    network.add(NUMBER, person(HELLO, BOOKED, BYE))
    result = await ring(new_tool(PEOPLE, "No, thank you."))
    assert plain(BOOKED) in heard(result)
    assert understood(network)[0] == PEOPLE


async def test_a_menu_that_is_recited_by_a_machine(network, new_tool):
    network.add(NUMBER, person("Please hold the line.", DAY, THANKS, speed_wpm=200))
    result = await ring(new_tool(YES, FRIDAY))
    assert result.status == "completed"
    assert plain(DAY) in heard(result)


async def test_keys_that_a_machine_presses_are_no_speech(network, new_tool):
    network.add(NUMBER, person(HELLO, Digits("12"), BYE))
    result = await ring(new_tool(DAY, YES), max_duration_sec=30)
    assert result.status in ("completed", "timeout")
    assert heard(result)[0] == plain(HELLO)


async def test_an_interruption_of_the_greeting(network, new_tool):
    callee = person(PEOPLE, BYE, speaks_first=False, interrupts_after_sec=3.0)
    network.add(NUMBER, callee)
    result = await ring(new_tool(FRIDAY), first_message=LONG)
    [first, *_] = [turn for turn in result.transcript if turn.role == "agent"]
    assert first.cut
    assert LONG.startswith(first.text)
    assert result.metrics["interruptions"] >= 1


async def test_an_interruption_in_the_middle_of_a_sentence(network, new_tool):
    network.add(NUMBER, person(HELLO, PEOPLE, BYE, interrupts_after_sec=2.5))
    result = await ring(new_tool(LONG, FRIDAY))
    spoken = [turn for turn in result.transcript if turn.role == "agent"]
    assert spoken[0].cut
    assert len(spoken[0].text) < len(LONG)


async def test_a_long_monologue_of_the_agent(network, new_tool):
    network.add(NUMBER, person(HELLO, BYE))
    result = await ring(new_tool(LONG))
    assert lines(result, "agent") == [LONG]
    assert result.metrics["interruptions"] == 0


async def test_a_long_monologue_of_the_callee(network, new_tool):
    network.add(NUMBER, person(f"{GREETING} {PEOPLE}", BYE))
    result = await ring(new_tool(FRIDAY))
    assert result.status == "completed"
    assert FRIDAY in lines(result, "agent")


async def test_silence_is_asked_into_and_given_up(network, new_tool):
    network.add(NUMBER, Callee(behave="silent"))
    turns = TurnSettings(silence_prompt_sec=3)
    result = await ring(new_tool(turns=turns), first_message=HELLO)
    assert (result.status, result.ended_by) == ("completed", "agent")
    assert lines(result, "agent").count("Are you there?") == 2
    assert heard(result) == []


async def test_a_busy_room_behind_the_callee(network, new_tool):
    network.add(NUMBER, person(HELLO, PEOPLE, BYE, noise_rms=100))
    result = await ring(new_tool(DAY, FRIDAY))
    assert "four people at eight please" in heard(result)


async def test_comfort_noise_alone_is_no_speech(network, new_tool):
    network.add(NUMBER, person(behave="silent", noise_rms=40))
    turns = TurnSettings(silence_prompt_sec=3)
    result = await ring(new_tool(turns=turns), first_message=HELLO)
    assert result.status == "completed"
    assert heard(result) == []


async def test_a_callee_who_hangs_up_in_the_middle_of_a_word(network, new_tool):
    network.add(NUMBER, person(HELLO, hangs_up_after_sec=4.3))
    result = await ring(new_tool(LONG))
    assert (result.status, result.ended_by) == ("completed", "callee")
    [turn] = [turn for turn in result.transcript if turn.role == "agent"]
    assert turn.cut
    assert LONG.startswith(turn.text)


async def test_a_voicemail_is_left_a_message_aloud(network, new_tool):
    greeting = "The doctor is not in."
    network.add(NUMBER, person(greeting, behave="voicemail", listens_sec=20.0))
    tool = new_tool("I did not understand that.", voicemail_message="Can you call back later?")
    result = await ring(tool)
    assert (result.status, result.answered_by, result.ended_by) == ("completed", "machine", "agent")
    assert lines(result, "agent")[-1] == "Can you call back later?"
    assert "Can you call back later?" in understood(network)


async def test_two_calls_at_once(network, new_tool):
    network.add(NUMBER, person(HELLO, PEOPLE, BYE))
    network.add(OTHER, person(HELLO, NAME, BYE, voice="en-us"))
    tool = new_tool(DAY, FRIDAY)
    one, other = await asyncio.gather(ring(tool), ring(tool, OTHER))
    assert "four people at eight please" in heard(one)
    assert "under the name of anna" in heard(other)
    assert lines(one, "agent")[:2] == lines(other, "agent")[:2] == [DAY, FRIDAY]


async def test_a_callee_who_speaks_fast(network, new_tool):
    network.add(NUMBER, person(HELLO, YES, BYE, speed_wpm=210))
    result = await ring(new_tool(DAY, FRIDAY))
    assert result.status == "completed"
    assert FRIDAY in lines(result, "agent")


async def test_a_callee_who_takes_their_time(network, new_tool):
    network.add(NUMBER, person(HELLO, YES, BYE, speed_wpm=120, pause_sec=2.0))
    result = await ring(new_tool(DAY, FRIDAY))
    assert (result.status, result.ended_by) == ("completed", "callee")
    assert "yes please" in heard(result)


async def test_the_deadline_ends_a_call_that_would_go_on(network, new_tool):
    network.add(NUMBER, person(*[PEOPLE] * 30))
    result = await ring(new_tool(), max_duration_sec=10)
    assert (result.status, result.error_code) == ("timeout", "deadline")
    assert "four people at eight please" in heard(result)


async def test_back_channels_do_not_interrupt(network, new_tool):
    phrases = [*PHRASES, "Okay."]
    callee = person("Okay.", BYE, speaks_first=False, interrupts_after_sec=3.0)
    network.add(NUMBER, callee)
    result = await ring(new_tool(FRIDAY, phrases=phrases), first_message=LONG)
    assert result.status == "completed"
    assert lines(result, "agent")[0].startswith(DAY)


async def test_a_talk_of_many_turns_is_understood_to_its_end(network, new_tool):
    network.add(NUMBER, person(HELLO, DAY, "What name is it for?", PEOPLE, YES, DAY, THANKS))
    result = await ring(new_tool(PEOPLE, FRIDAY, NAME, YES, FRIDAY, YES))
    assert (result.status, result.ended_by) == ("completed", "callee")
    assert understood(network) == [PEOPLE, FRIDAY, NAME, YES, FRIDAY, YES]
    assert heard(result)[-1] == plain(THANKS)
