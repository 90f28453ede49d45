"""What holds a whole call's tools in: a budget, sizes, the phone's settings, and its secrets."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest

from patter import Patter, ScriptedToolCall, ToolError, Toolset
from patter.simulator import Callee
from patter_core.calls.redaction import HIDDEN
from patter_core.config import Limits
from patter_core.errors import ConfigError
from tests.calls.kit import CALLEE, PHONE, Events, bounded, look_up, said, scripted

SECRET = "4711-0815"
ASK = ScriptedToolCall("look_up")


async def fine(arguments, context):
    return "fine"


async def test_a_call_that_has_spent_its_budget_can_still_be_ended(network, new_tool, speaking):
    network.add(CALLEE, Callee(says=["All of it.", "Well?", "Bye."], pause_sec=5.0))
    ending = ScriptedToolCall("end_call", {"reason": "Nothing is left."})
    agent = await speaking.agent([ASK] * 3, ["Goodbye.", ending], tools=[look_up(fine)])
    phone = {"limits": Limits(tool_uses_per_call=2)}
    result = await bounded(new_tool(agent=agent, phone=phone).execute(to=CALLEE))
    answers = [answer for answer in speaking.answers if "call_ending" not in answer]
    assert answers.count("fine") == 2
    (refused,) = (json.loads(answer) for answer in answers if answer != "fine")
    assert (refused["error"], refused["fallback"]) == ("budget_spent", True)
    assert result.ended_by == "agent"
    assert ("system", "The agent ended the call: Nothing is left.") in said(result)


async def test_each_call_has_a_budget_of_its_own(network, new_phone):
    network.add(CALLEE, Callee(says=["Where is it?", "Thanks."]))
    phone = new_phone(limits=Limits(tool_uses_per_call=1))
    for _ in range(2):
        answers = []

        def model(messages, answers=answers):
            if messages[-1].role == "tool":
                answers.append(messages[-1].text)
                return "There."
            return ASK

        await bounded(phone.call(CALLEE, scripted(model, tools=[look_up(fine)])))
        assert answers[0] == "fine"


async def test_the_phones_limits_hold_for_what_tools_take_and_answer(network, new_tool):
    async def long(arguments, context):
        return "x" * 101

    answers = []

    def model(messages):
        if messages[-1].role == "tool":
            answers.extend(message.text for message in messages[-2:])
            return "I see."
        return [ASK, ScriptedToolCall("look_up", {"order": "x" * 50})]

    network.add(CALLEE, Callee(says=["Where is it?", "Thanks."]))
    agent = scripted(model, tools=[look_up(long)])
    limits = Limits(tool_argument_bytes=50, tool_result_bytes=100)
    await bounded(new_tool(agent=agent, phone={"limits": limits}).execute(to=CALLEE))
    codes = [json.loads(answer)["error"] for answer in answers[:2]]
    assert codes == ["result_too_large", "invalid_arguments"]


async def test_secrets_are_in_no_event_log_or_result_of_a_tool(network, new_tool, speaking, caplog):
    caplog.set_level(logging.DEBUG)

    async def handler(arguments, context):
        raise ToolError(f"The door's code is {SECRET}.", code=f"code {SECRET}")

    network.add(CALLEE, Callee(says=["What is it?", "Bye."], pause_sec=5.0))
    asks = [
        ScriptedToolCall("look_up", {SECRET: SECRET}),
        ScriptedToolCall("tell_4711_0815"),
        ScriptedToolCall("end_call", {"reason": f"They know {SECRET}."}),
    ]
    agent = await speaking.agent(asks, "Goodbye.", tools=[look_up(handler)])
    events = Events()
    tool = new_tool(agent=agent, phone={"secrets": [SECRET]}, on_event=events)
    result = await bounded(tool.execute(to=CALLEE))
    names = {event.name for event in events.heard if event.type == "tool_started"}
    assert names == {"look_up", f"tell_{HIDDEN}", "end_call"}
    assert any(HIDDEN in answer for answer in speaking.answers)
    assert ("system", f"The agent ended the call: They know {HIDDEN}.") in said(result)
    ours = [record for record in caplog.records if record.name.startswith("patter_core")]
    told = [str(events.heard), result.to_json(), *speaking.answers]
    for text in (*told, *(record.getMessage() for record in ours)):
        assert "4711" not in text


async def test_a_secret_in_what_a_tool_says_meanwhile_is_not_heard(network, new_tool, speaking):
    heard = asyncio.Event()

    async def handler(arguments, context):
        yield {"progress": f"It is {SECRET}, I believe."}
        await heard.wait()
        yield {"result": "Monday"}

    def on_event(event):
        if event.type == "turn" and "believe" in event.turn.text:
            heard.set()

    network.add(CALLEE, Callee(says=["Where is it?", "Thanks."], pause_sec=8.0))
    agent = await speaking.agent(ASK, "On Monday.", tools=[look_up(handler)])
    tool = new_tool(agent=agent, phone={"secrets": [SECRET]}, on_event=on_event)
    result = await bounded(tool.execute(to=CALLEE))
    (leg,) = network.dials
    assert " ".join(leg.heard) == f"It is {HIDDEN}, I believe. On Monday."
    assert "4711" not in result.to_json()


async def test_a_tools_own_hand_on_the_call_says_what_is_no_key(network, new_tool):
    tried = []

    async def handler(arguments, context):
        control = context.dependencies["call_control"]
        control.send_digits("12")
        try:
            control.send_digits("twelve")
        except ValueError as error:
            tried.append(str(error))
        return "pressed"

    network.add(CALLEE, Callee(says=["Press your number.", "Thank you."], pause_sec=3.0))
    agent = scripted(ASK, "There you are.", tools=[look_up(handler, needs="call_control")])
    await bounded(new_tool(agent=agent).execute(to=CALLEE))
    (leg,) = network.dials
    assert leg.digits == "12"
    assert tried == ["'t' is no key of a telephone"]


async def test_a_threshold_of_none_never_rests_a_tool(network, new_phone):
    runs = []

    async def handler(arguments, context):
        runs.append(1)
        raise OSError

    network.add(CALLEE, Callee(says=["All of them.", "Thanks."]))
    agent = scripted([ASK] * 9, "None works.", tools=[look_up(handler, max_retries=0)])
    await bounded(new_phone(breaker_threshold=0).call(CALLEE, agent))
    assert len(runs) == 9


@pytest.mark.parametrize(
    ("options", "said_of"),
    [
        ({"allow_hosts": "localhost"}, "allow_hosts"),
        ({"allow_hosts": [80]}, "allow_hosts"),
        ({"allow_ports": ["80"]}, "allow_ports"),
        ({"allow_ports": [0]}, "allow_ports"),
        ({"breaker_threshold": -1}, "breaker_threshold"),
        ({"breaker_threshold": 2.5}, "breaker_threshold"),
        ({"breaker_cooldown_sec": 0}, "breaker_cooldown_sec"),
        ({"breaker_cooldown_sec": float("nan")}, "breaker_cooldown_sec"),
    ],
)
def test_a_phone_that_is_described_wrongly_is_refused_at_once(network, options, said_of):
    with pytest.raises(ConfigError, match=said_of):
        Patter(carrier=network.twilio(), phone_number=PHONE, **options)


def test_a_host_that_is_none_is_refused_with_the_agent(new_phone):
    with pytest.raises(ConfigError, match="allow_hosts"):
        new_phone(allow_hosts=["http://127.0.0.1:8000"]).agent(**scripted())


def test_what_is_no_toolset_is_refused(new_phone):
    with pytest.raises(ConfigError, match="Toolset"):
        new_phone().agent(**scripted(toolset=[look_up(fine)]))
    new_phone().agent(**scripted(toolset=Toolset()))
