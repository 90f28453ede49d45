"""Calls that a machine answers: a message after the beep, that call's alone; and call screening."""

from __future__ import annotations

import asyncio

import pytest

from patter import ScriptedLLM
from patter.simulator import Callee
from tests.calls.kit import CALLEE, OTHER_CALLEE, bounded, creates, said, scripted

MESSAGE = "This is Ann. Please call me back about the table on Friday."
LEFT = ("system", "The agent ended the call: It left a message on the voicemail")


def recorded(network, number):
    """What the voicemail at `number` heard, its greeting over."""
    [leg] = [leg for leg in network.dials if leg.to == number]
    return " ".join(leg.heard)


async def test_a_voicemail_is_left_the_message_after_its_beep(network, new_phone):
    network.add(CALLEE, Callee(behave="voicemail", listens_sec=30.0))
    live = await new_phone().place_call(CALLEE, scripted(), voicemail_message=MESSAGE)
    result = await bounded(live.result())
    assert (result.status, result.answered_by, result.ended_by) == ("completed", "machine", "agent")
    assert said(result)[-2:] == [("agent", MESSAGE), LEFT]
    assert recorded(network, CALLEE).endswith(MESSAGE)
    [create] = creates(network)
    assert create.form["MachineDetection"] == ["DetectMessageEnd"]


async def test_whatever_the_agent_says_when_the_verdict_comes_is_broken_off(network, new_tool):
    network.add(CALLEE, Callee(behave="voicemail", says=["Beep follows."], listens_sec=60.0))
    speech = "I speak at such length that the voicemail is done long before me. " * 8
    tool = new_tool(voicemail_message=MESSAGE)
    result = await bounded(tool.execute(to=CALLEE, first_message=speech))
    assert said(result)[-2:] == [("agent", MESSAGE), LEFT]
    [greeting, *_] = [turn for turn in result.transcript if turn.role == "agent"]
    assert greeting.cut
    assert len(greeting.text) < len(speech) / 2
    assert recorded(network, CALLEE).endswith(MESSAGE)


async def test_a_message_to_a_machine_is_not_interrupted(network, new_phone):
    callee = Callee(says=["Hello?", *["Press one to go on."] * 9], answered_by="machine_end_other")
    network.add(CALLEE, callee)
    live = await new_phone().place_call(CALLEE, scripted(), voicemail_message=MESSAGE)
    result = await bounded(live.result())
    assert said(result)[-1] == LEFT
    message = [turn for turn in result.transcript if turn.role == "agent"][-1]
    assert (message.text, message.cut) == (MESSAGE, False)


async def test_somebody_who_answers_is_talked_with_and_hears_no_message(network, new_tool):
    result = await bounded(new_tool(voicemail_message=MESSAGE).execute(to=CALLEE))
    assert result.status == "completed"
    assert MESSAGE not in [text for _, text in said(result)]


async def test_each_voicemail_gets_the_message_of_its_own_call(network, new_phone):
    phone = new_phone(max_concurrent_calls=2)
    for number in (CALLEE, OTHER_CALLEE):
        network.add(number, Callee(behave="voicemail", listens_sec=30.0))

    async def leave(number, message):
        return await phone.call(number, scripted(), voicemail_message=message)

    await bounded(asyncio.gather(leave(CALLEE, "For one."), leave(OTHER_CALLEE, "For two.")))
    assert recorded(network, CALLEE).endswith("For one.")
    assert recorded(network, OTHER_CALLEE).endswith("For two.")
    assert "For two." not in recorded(network, CALLEE)
    assert "For one." not in recorded(network, OTHER_CALLEE)


@pytest.mark.parametrize(
    "options",
    [
        {"voicemail_message": "x" * 1_001},
        {"voicemail_message": 7},
        {"voicemail_message": MESSAGE, "machine_detection": False},
    ],
    ids=["too long", "no text", "undetected"],
)
async def test_a_message_that_cannot_be_left_is_refused_before_anybody_is_rung(
    network, new_phone, options
):
    result = await bounded(new_phone().call(CALLEE, scripted(), **options))
    assert (result.status, result.error_code) == ("rejected", "invalid_arguments")
    assert "voicemail_message" in result.error
    assert creates(network) == []


async def test_an_assistant_that_screens_the_call_is_told_name_and_purpose_once(network, new_tool):
    network.add(
        CALLEE,
        Callee(
            says=[
                "Please state your name and the reason for your call.",
                "Joe speaking.",
                "Fine, Friday it is.",
            ]
        ),
    )

    def reply(messages):
        [system, *talk] = messages
        assert "screens the call" in system.text
        heard = talk[-1].text
        if "state your name" in heard:
            return "This is Ann's assistant, about a table on Friday."
        return "A table for two on Friday, please."

    agent = {**scripted(), "llm": ScriptedLLM(reply)}
    tool = new_tool(agent=agent)
    result = await bounded(tool.execute(to=CALLEE, goal="Book a table on Friday"))
    spoken = [text for role, text in said(result) if role == "agent"]
    assert spoken.count("This is Ann's assistant, about a table on Friday.") == 1
    assert ("user", "Joe speaking.") in said(result)
