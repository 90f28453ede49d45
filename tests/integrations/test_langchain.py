"""A LangChain agent rings people on the phone network."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.utils.function_calling import convert_to_openai_tool
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from patter import Patter, PatterError, PatterTool, ScriptedLLM, ScriptedSTT, ScriptedTTS
from patter.langchain import EVENT_NAME, phone_call_tool
from patter.simulator import Callee, PhoneNetwork, ScriptedChatServer, ToolCall

RESTAURANT = "+14155552671"
BARBER = "+14155552672"
NOBODY = "+14155552673"
SPEED = 4.0

ASK = {"messages": [HumanMessage("Book a table for four at eight.")]}
BOOK = {"to": RESTAURANT, "goal": "Book a table for four at eight."}
ANSWER = "The table is booked."
EVERY_STAGE = ["queued", "dialing", "ringing", "answered", "turn", "ended"]


@pytest.fixture
def network():
    with PhoneNetwork() as network:
        network.add(RESTAURANT, Callee(says=["Trattoria Roma.", "Four at eight, gladly. Bye!"]))
        network.add(BARBER, Callee(says=["Barber's.", "At noon, then. Bye!"]))
        network.add(NOBODY, Callee(behave="silent"))
        yield network


@pytest.fixture
def paced_network():
    """One whose clock tells how long something took: it keeps to real time, at that speed."""
    with PhoneNetwork(speed=SPEED) as network:
        network.add(NOBODY, Callee(behave="silent", rings_sec=0.1))
        yield network


def phone_on(network: PhoneNetwork, **settings: Any) -> Patter:
    return Patter(
        carrier=network.twilio(),
        phone_number="+14155550100",
        ledger=":memory:",
        clock=network.clock,
        **settings,
    )


def speaking(*replies: str) -> dict[str, Any]:
    llm = ScriptedLLM(replies or ["A table for four at eight, please."])
    return {"stt": ScriptedSTT(), "tts": ScriptedTTS(), "llm": llm}


@pytest.fixture
async def phone(network):
    phone = phone_on(network)
    yield phone
    await phone.aclose()


@pytest.fixture
def tool(phone):
    return phone_call_tool(phone, agent=speaking())


class ScriptedChatModel(GenericFakeChatModel):
    """LangChain's fake model, which agents can give tools to."""

    def bind_tools(self, tools, **_options):
        return self


def calling(*arguments: dict[str, Any]) -> ScriptedChatModel:
    """A model that calls the tool, side by side for several arguments, and then answers."""
    calls = [
        {"name": "make_phone_call", "args": args, "id": f"call_{number}", "type": "tool_call"}
        for number, args in enumerate(arguments, 1)
    ]
    messages = iter([AIMessage("", tool_calls=calls), AIMessage(ANSWER)])
    return ScriptedChatModel(messages=messages, disable_streaming=True)


def tool_call(**arguments: Any) -> dict[str, Any]:
    return {"name": "make_phone_call", "args": arguments, "id": "call_1", "type": "tool_call"}


def tool_messages(state: dict[str, Any]) -> list[ToolMessage]:
    return [message for message in state["messages"] if isinstance(message, ToolMessage)]


# --- what the agent sees -------------------------------------------------------------------------


def test_the_model_is_shown_the_schema_that_everybody_gets(phone):
    everybodys = PatterTool(phone, speaking())
    shown = convert_to_openai_tool(phone_call_tool(everybodys))
    assert shown["function"]["name"] == "make_phone_call"
    assert shown["function"]["parameters"]["properties"] == everybodys.schema()["properties"]
    assert shown["function"]["parameters"]["required"] == ["to"]
    assert shown["function"]["description"] == everybodys.description


async def test_content_is_the_envelope_as_text_and_artifact_the_envelope(network, tool):
    message = await tool.ainvoke(tool_call(**BOOK))
    assert json.loads(message.content) == message.artifact
    assert message.status == "success"
    assert message.name == "make_phone_call"
    assert message.artifact["status"] == "completed"
    assert [turn["text"] for turn in message.artifact["transcript"]] == [
        "Trattoria Roma.",
        "A table for four at eight, please.",
        "Four at eight, gladly. Bye!",
    ]
    assert len(network.dials) == 1


def test_a_tool_that_is_made_is_wrapped_as_it_is(phone):
    made = PatterTool(phone, speaking(), name="ring_somebody")
    assert phone_call_tool(made).name == "ring_somebody"
    assert phone_call_tool(made).phone_tool is made
    with pytest.raises(PatterError, match="PatterTool has its own"):
        phone_call_tool(made, agent=speaking())


def test_options_are_those_of_the_tool(phone):
    tool = phone_call_tool(phone, agent=speaking(), name="ring", description="Rings.")
    assert (tool.name, tool.description) == ("ring", "Rings.")
    assert "agent" not in repr(tool)


# --- in agents -----------------------------------------------------------------------------------


async def test_an_agent_rings_and_answers_through_openais_protocol(network, tool):
    async with ScriptedChatServer([ToolCall("make_phone_call", BOOK), ANSWER]) as server:
        model = ChatOpenAI(base_url=server.base_url, api_key="none", model="scripted")
        state = await create_agent(model, tools=[tool]).ainvoke(ASK)
    assert state["messages"][-1].content == ANSWER
    assert [leg.status for leg in network.dials] == ["completed"]
    assert server.refusals == []
    shown_first, shown_second = server.requests
    assert shown_first["tools"][0]["function"]["parameters"]["required"] == ["to"]
    envelope = json.loads(shown_second["messages"][-1]["content"])
    assert envelope["status"] == "completed"
    assert envelope == tool_messages(state)[0].artifact


async def test_an_agent_rings_and_answers_with_langchains_fake_model(network, tool):
    state = await create_agent(calling(BOOK), tools=[tool]).ainvoke(ASK)
    assert state["messages"][-1].content == ANSWER
    assert tool_messages(state)[0].artifact["status"] == "completed"
    assert len(network.dials) == 1


def test_an_agent_can_be_invoked_from_plain_code(network, tool):
    state = create_agent(calling(BOOK), tools=[tool]).invoke(ASK)
    assert state["messages"][-1].content == ANSWER
    assert tool_messages(state)[0].artifact["status"] == "completed"
    assert len(network.dials) == 1


async def test_two_calls_of_one_turn_are_two_calls_with_a_result_each(network):
    phone = phone_on(network, max_concurrent_calls=2)
    tool = phone_call_tool(phone, agent=speaking())
    other = {"to": BARBER, "goal": "A haircut at noon."}
    state = await create_agent(calling(BOOK, other), tools=[tool]).ainvoke(ASK)
    await phone.aclose()
    by_call = {message.tool_call_id: message.artifact for message in tool_messages(state)}
    assert (by_call["call_1"]["to"], by_call["call_2"]["to"]) == (RESTAURANT, BARBER)
    assert {leg.to for leg in network.dials} == {RESTAURANT, BARBER}
    assert {result["status"] for result in by_call.values()} == {"completed"}
    first, second = network.dials
    assert second.created_at < first.ended_at


async def test_two_calls_of_one_turn_on_one_line_come_one_after_the_other(network, tool):
    state = await create_agent(calling(BOOK, BOOK | {"to": BARBER}), tools=[tool]).ainvoke(ASK)
    assert [message.artifact["status"] for message in tool_messages(state)] == ["completed"] * 2
    first, second = network.dials
    assert second.created_at >= first.ended_at


# --- what goes wrong -----------------------------------------------------------------------------

BAD_ARGUMENTS = [
    ({}, "to"),
    ({"to": "415 555 2671"}, "to"),
    ({"to": 14155552671}, "to"),
    ({"to": None}, "to"),
    ({"to": RESTAURANT, "max_duration_sec": "180s"}, "max_duration_sec"),
    ({"to": RESTAURANT, "max_duration_sec": True}, "max_duration_sec"),
    ({"to": RESTAURANT, "goal": ["book"]}, "goal"),
    ({"to": RESTAURANT, "first_message": "x" * 1_001}, "first_message"),
    ({"to": RESTAURANT, "colour": "red"}, "colour"),
    # Names that mean something on the way through LangChain, or to Python.
    ({"to": RESTAURANT, "self": 1}, "self"),
    ({"to": RESTAURANT, "config": {}}, "config"),
    ({"to": RESTAURANT, "run_manager": 1}, "run_manager"),
    ({"to": RESTAURANT, "callbacks": []}, "callbacks"),
    ({"to": RESTAURANT, "tool_call_id": "1"}, "tool_call_id"),
    ({"to": RESTAURANT, "on_event": 1}, "on_event"),
    ({"to": RESTAURANT, "idempotency_key": "k"}, "idempotency_key"),
]


@pytest.mark.parametrize(("arguments", "field"), BAD_ARGUMENTS)
async def test_bad_arguments_are_rejected_by_name_and_nobody_is_rung(
    network, tool, arguments, field
):
    state = await create_agent(calling(arguments), tools=[tool]).ainvoke(ASK)
    (message,) = tool_messages(state)
    assert message.status == "error"
    assert message.artifact["status"] == "rejected"
    assert message.artifact["error_code"] == "invalid_arguments"
    assert field in message.artifact["error"]
    assert state["messages"][-1].content == ANSWER
    assert network.dials == []


@pytest.mark.parametrize(("arguments", "field"), BAD_ARGUMENTS)
def test_bad_arguments_are_rejected_in_plain_code_too(network, tool, arguments, field):
    message = tool.invoke(tool_call(**arguments))
    assert message.status == "error"
    assert field in message.artifact["error"]
    assert network.dials == []


async def test_a_call_that_fails_is_an_error_and_the_run_goes_on(network, tool):
    state = await create_agent(calling({"to": "+14155559999"}), tools=[tool]).ainvoke(ASK)
    (message,) = tool_messages(state)
    assert message.status == "error"
    assert json.loads(message.content)["error"] == message.artifact["error"] != ""
    assert state["messages"][-1].content == ANSWER


async def test_a_busy_line_is_a_result_and_no_error(network, tool):
    network.add(BARBER, Callee(behave="busy"))
    message = await tool.ainvoke(tool_call(to=BARBER))
    assert (message.status, message.artifact["status"]) == ("success", "busy")


def test_a_failure_shows_as_an_error_in_plain_code_too(tool):
    assert tool.invoke(tool_call(to="+14155559999")).status == "error"


async def test_a_closed_phone_is_an_error_and_the_run_goes_on(network, phone, tool):
    await phone.start()
    await phone.aclose()
    state = await create_agent(calling(BOOK), tools=[tool]).ainvoke(ASK)
    assert tool_messages(state)[0].artifact["error_code"] == "phone_closed"
    assert state["messages"][-1].content == ANSWER


async def test_a_deadline_is_a_result_with_what_was_said(network, tool):
    message = await tool.ainvoke(tool_call(to=NOBODY, max_duration_sec=8, first_message="Hello?"))
    assert (message.status, message.artifact["status"]) == ("success", "timeout")
    assert [turn["text"] for turn in message.artifact["transcript"]] == ["Hello?"]


async def test_a_hook_that_fails_fails_no_call(tool):
    def broken(_event: object) -> None:
        raise RuntimeError("a listener of the application")

    hooked = phone_call_tool(tool.phone_tool._phone, agent=speaking(), on_event=broken)
    assert (await hooked.ainvoke(tool_call(**BOOK))).artifact["status"] == "completed"


# --- cancelled -----------------------------------------------------------------------------------


async def test_cancelling_the_agents_run_ends_the_call(paced_network):
    network = paced_network
    phone = phone_on(network)
    tool = phone_call_tool(phone, agent=speaking())
    agent = create_agent(calling({"to": NOBODY, "max_duration_sec": 1800}), tools=[tool])
    run = asyncio.create_task(agent.ainvoke(ASK))
    await network.until(lambda: network.dials and network.dials[0].answered, what="an answer")
    since = network.clock.now()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    await network.until(lambda: not network.live_legs, what="the hang-up")
    (leg,) = network.dials
    assert leg.ended_at - since <= SPEED, "within a second"
    await phone.aclose()


def test_a_loop_that_ends_right_after_the_cancellation_leaves_no_call_up(paced_network):
    network = paced_network
    phone = phone_on(network)
    tool = phone_call_tool(phone, agent=speaking())
    agent = create_agent(calling({"to": NOBODY, "max_duration_sec": 1800}), tools=[tool])

    async def run_until_answered() -> float:
        async with asyncio.TaskGroup() as group:
            run = group.create_task(agent.ainvoke(ASK))
            await network.until(lambda: network.dials and network.dials[0].answered)
            run.cancel()

            return network.clock.now()

    since = asyncio.run(run_until_answered())
    network.wait_until(lambda: not network.live_legs, what="the hang-up")
    (leg,) = network.dials
    assert leg.ended_at - since <= SPEED, "within a second"
    asyncio.run(phone.aclose())


# --- asked first ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("decision", "dials"), [("approve", 1), ("reject", 0)])
async def test_a_human_in_the_loop_decides_before_anybody_is_rung(network, tool, decision, dials):
    asking = HumanInTheLoopMiddleware(
        interrupt_on={"make_phone_call": {"allowed_decisions": ["approve", "reject"]}}
    )
    agent = create_agent(
        calling(BOOK), tools=[tool], middleware=[asking], checkpointer=InMemorySaver()
    )
    thread = {"configurable": {"thread_id": "1"}}
    waiting = await agent.ainvoke(ASK, thread)
    assert "__interrupt__" in waiting
    assert network.dials == []
    state = await agent.ainvoke(Command(resume={"decisions": [{"type": decision}]}), thread)
    assert state["messages"][-1].content == ANSWER
    assert len(network.dials) == dials


# --- plain code ----------------------------------------------------------------------------------


def test_it_can_be_invoked_from_plain_code(network, tool):
    message = tool.invoke(tool_call(**BOOK))
    assert (message.status, message.artifact["status"]) == ("success", "completed")
    assert json.loads(message.content) == message.artifact
    assert len(network.dials) == 1


async def test_it_can_be_invoked_from_plain_code_inside_a_running_loop(network, phone, tool):
    async with phone:  # Its loop is the one that hooks prefer, and the one that is blocked.
        message = tool.invoke(tool_call(**BOOK))
    assert message.artifact["status"] == "completed"
    assert len(network.dials) == 1


def test_without_a_tool_call_it_returns_the_text_alone(tool):
    assert json.loads(tool.invoke(BOOK))["status"] == "completed"


# --- what is told meanwhile ----------------------------------------------------------------------


def stages(told: list[dict[str, Any]]) -> list[str]:
    """The types of what was told, several turns as one."""
    types = [data["type"] for data in told]
    return [kind for kind, before in zip(types, [None, *types], strict=False) if kind != before]


def check_told(told: list[dict[str, Any]]) -> None:
    """The call was told whole, in order, and as JSON has it."""
    assert json.loads(json.dumps(told)) == told
    assert stages(told) == EVERY_STAGE
    assert {data["call_id"] for data in told} == {told[-1]["result"]["call_id"]}
    turns = [data["turn"] for data in told if data["type"] == "turn"]
    assert turns == told[-1]["result"]["transcript"]


async def test_custom_events_tell_of_the_call_in_order(tool):
    agent = create_agent(calling(BOOK), tools=[tool])
    told, ended = [], []
    async for event in agent.astream_events(ASK, version="v2"):
        if event["event"] == "on_custom_event" and event["name"] == EVENT_NAME:
            told.append(event["data"])
        if event["event"] == "on_tool_end":
            ended.append(event["data"]["output"].artifact)
    check_told(told)
    assert ended == [told[-1]["result"]]


async def test_whoever_listens_sees_that_a_call_failed(tool):
    agent = create_agent(calling({"to": "no number"}), tools=[tool])
    ended = [
        event["data"]["output"].status
        async for event in agent.astream_events(ASK, version="v2")
        if event["event"] == "on_tool_end"
    ]
    assert ended == ["error"]


async def test_the_custom_stream_tells_of_the_call_in_order(tool):
    agent = create_agent(calling(BOOK), tools=[tool])
    check_told([data async for data in agent.astream(ASK, stream_mode="custom")])


def test_the_custom_stream_tells_of_the_call_in_plain_code_too(tool):
    agent = create_agent(calling(BOOK), tools=[tool])
    check_told(list(agent.stream(ASK, stream_mode="custom")))


async def test_custom_events_need_no_graph(tool):
    told = [
        event["data"]
        async for event in tool.astream_events(BOOK, version="v2")
        if event["event"] == "on_custom_event"
    ]
    check_told(told)


def test_custom_events_reach_callbacks_in_plain_code(tool):
    from langchain_core.callbacks import BaseCallbackHandler

    class Listener(BaseCallbackHandler):
        def __init__(self) -> None:
            self.told: list[dict[str, Any]] = []

        def on_custom_event(self, name, data, **_more):
            assert name == EVENT_NAME
            self.told.append(data)

    listener = Listener()
    tool.invoke(tool_call(**BOOK), {"callbacks": [listener]})
    check_told(listener.told)


async def test_two_calls_of_one_turn_are_told_apart(network):
    phone = phone_on(network, max_concurrent_calls=2)
    tool = phone_call_tool(phone, agent=speaking())
    agent = create_agent(calling(BOOK, BOOK | {"to": BARBER}), tools=[tool])
    told = [data async for data in agent.astream(ASK, stream_mode="custom")]
    await phone.aclose()
    by_call: dict[str, list[dict[str, Any]]] = {}
    for data in told:
        by_call.setdefault(data["call_id"], []).append(data)
    assert len(by_call) == 2
    for one in by_call.values():
        check_told(one)


# --- what it costs -------------------------------------------------------------------------------

WITHOUT = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {package!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
"""


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=False
    )


def test_without_langchain_the_import_says_what_to_install():
    ran = python(WITHOUT.format(package="langchain_core") + "import patter.langchain")
    assert "MissingExtra: 'langchain_core' is not installed" in ran.stderr
    assert "pip install 'patter[langchain]'" in ran.stderr


def test_langgraph_is_not_needed_and_not_loaded():
    ran = python(
        WITHOUT.format(package="langgraph")
        + f"""
from patter import Patter, ScriptedLLM, ScriptedSTT, ScriptedTTS
from patter.langchain import phone_call_tool
from patter.simulator import Callee, PhoneNetwork
with PhoneNetwork() as network:
    network.add({RESTAURANT!r}, Callee(says=["Hello?", "Bye."]))
    phone = Patter(carrier=network.twilio(), phone_number="+14155550100", ledger=":memory:",
                   clock=network.clock)
    voice = dict(stt=ScriptedSTT(), tts=ScriptedTTS(), llm=ScriptedLLM(["Hello."]))
    print(phone_call_tool(phone, agent=voice).invoke({{"to": {RESTAURANT!r}}}))
"""
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["status"] == "completed"
