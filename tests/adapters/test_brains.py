"""Agents of the frameworks lead the conversation on the phone, their own tools included."""

from __future__ import annotations

import asyncio
import json
import threading

import pytest
from agents import Agent, RunConfig, function_tool
from langchain.agents import create_agent
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.tools import tool as langchain_tool
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage, MessageRole, ToolCallBlock
from llama_index.core.llms.mock import MockFunctionCallingLLM
from llama_index.core.tools import FunctionTool
from llama_index.core.workflow import StartEvent, StopEvent, Workflow, step
from pydantic import Field

from patter import Patter, PatterError, PatterTool, ScriptedSTT, ScriptedTTS
from patter.brains.langchain import LangChainLLM
from patter.brains.llama_index import LlamaIndexLLM
from patter.brains.openai_agents import OpenAIAgentsLLM
from patter.simulator import Callee, PhoneNetwork

pytestmark = pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning")

RESTAURANT = "+14155552671"
CALL = {"to": RESTAURANT, "goal": "Book a table for as many as the guest list has."}
QUESTION = "Hello, for how many?"
REPLY = "For 4 people, please."


@pytest.fixture
def network():
    with PhoneNetwork() as network:
        network.add(RESTAURANT, Callee(says=[QUESTION, "Done. Bye!"]))
        yield network


async def rung(network, llm):
    phone = Patter(
        carrier=network.twilio(),
        phone_number="+14155550100",
        ledger=":memory:",
        clock=network.clock,
    )
    async with phone:
        voice = {"stt": ScriptedSTT(), "tts": ScriptedTTS(), "llm": llm}
        return await PatterTool(phone, voice).execute(CALL)


def spoken(result):
    assert result.status == "completed", result.error
    return [turn.text for turn in result.transcript]


USED: list[int] = []


def count_guests() -> str:
    """How many guests are on the list."""
    USED.append(threading.get_ident())
    return "4"


class ScriptedChatModel(GenericFakeChatModel):
    """LangChain's fake model, which agents can give tools to."""

    seen: list = Field(default_factory=list)

    def bind_tools(self, tools, **_options):
        return self

    def _generate(self, messages, *args, **kwargs):
        self.seen.append(messages)
        return super()._generate(messages, *args, **kwargs)


def graph():
    asked = [{"name": "count_guests", "args": {}, "id": "call_1", "type": "tool_call"}]
    messages = iter([AIMessage("", tool_calls=asked), AIMessage(REPLY), AIMessage("")])
    model = ScriptedChatModel(messages=messages, disable_streaming=True)
    return LangChainLLM(create_agent(model, tools=[langchain_tool(count_guests)]))


def function_agent():
    def think(messages, **_options):
        if any(message.role == MessageRole.TOOL for message in messages):
            return ChatMessage(role="assistant", content=REPLY)
        block = ToolCallBlock(tool_call_id="call_1", tool_name="count_guests", tool_kwargs={})
        return ChatMessage(role="assistant", blocks=[block])

    model = MockFunctionCallingLLM(response_generator=think, is_chat_model=True)
    tools = [FunctionTool.from_defaults(count_guests)]
    return LlamaIndexLLM(FunctionAgent(llm=model, tools=tools, streaming=False))


def sdk_agent():
    testing = pytest.importorskip("agents.testing", reason="the SDK has it from 0.21 on")
    asked = testing.function_call("count_guests", {}, call_id="call_1")
    said = [testing.assistant_message(REPLY)], [testing.assistant_message("Bye.")]
    model = testing.ScriptedModel([[asked], *said])
    agent = Agent(name="Caller", model=model, tools=[function_tool(count_guests)])
    return OpenAIAgentsLLM(agent, run_config=RunConfig(tracing_disabled=True))


@pytest.mark.parametrize("make", [graph, function_agent, sdk_agent])
async def test_an_agent_answers_the_callee_and_uses_its_own_tools_meanwhile(network, make):
    USED.clear()
    said = spoken(await rung(network, make()))
    assert said[:2] == [QUESTION, REPLY]
    assert len(USED) >= 1


@pytest.mark.parametrize("make", [graph, function_agent, sdk_agent])
def test_a_brain_that_was_made_without_a_loop_thinks_on_one_of_ours(network, make):
    brain = make()
    assert spoken(asyncio.run(rung(network, brain)))[1] == REPLY


async def test_a_chat_model_and_a_chain_are_brains_too(network):
    for chain in (False, True):
        model = ScriptedChatModel(messages=iter([AIMessage(REPLY), AIMessage("")]))
        runnable = model | StrOutputParser() if chain else model
        assert spoken(await rung(network, LangChainLLM(runnable)))[1] == REPLY
        first = model.seen[0]
        assert "Book a table" in first[0].content
        assert isinstance(first[-1], HumanMessage)
        assert first[-1].content == QUESTION


class Echo(Workflow):
    @step
    async def answer(self, ev: StartEvent) -> StopEvent:
        return StopEvent(result=f"You asked: {ev.query}")


async def test_any_workflow_answers_with_its_result(network):
    brain = LlamaIndexLLM(Echo(), to_input=lambda messages: {"query": messages[-1].content})
    assert spoken(await rung(network, brain))[1] == f"You asked: {QUESTION}"


async def test_a_brain_that_fails_ends_the_call_and_is_named(network):
    def broken(_messages):
        raise ValueError("a secret of the application")

    brain = LangChainLLM(ScriptedChatModel(messages=iter([])), to_input=broken)
    result = await rung(network, brain)
    assert (result.status, result.error_code) == ("failed", "provider_failed")
    assert "secret" not in json.dumps(result.to_dict())
    assert len(network.dials) == 1


async def test_a_brain_that_is_silent_is_not_waited_for_for_ever(network):
    class Stuck(Workflow):
        @step
        async def answer(self, ev: StartEvent) -> StopEvent:
            await asyncio.Event().wait()
            return StopEvent()

    result = await rung(network, LlamaIndexLLM(Stuck(), stall_sec=0.3))
    assert result.error_code == "provider_failed"
    assert network.live_legs == []


@pytest.mark.parametrize("kind", [LangChainLLM, LlamaIndexLLM, OpenAIAgentsLLM])
async def test_what_is_no_agent_is_refused_when_the_agent_is_made(network, kind):
    with pytest.raises(PatterError, match=kind.__name__):
        await rung(network, kind("an agent"))
