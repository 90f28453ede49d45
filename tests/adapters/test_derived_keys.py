"""Keys from what a framework knows: the same when a run is resumed, none when a part is missing."""

from __future__ import annotations

import operator
from typing import Annotated, TypedDict

import pytest
from langchain.agents import create_agent
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.tools import tool as langchain_tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import Command, RetryPolicy, interrupt

from patter import Patter, ScriptedLLM, ScriptedSTT, ScriptedTTS
from patter.langchain import phone_call_tool
from patter.simulator import Callee, PhoneNetwork
from patter.testing import BOOK, RESTAURANT
from patter_core.contract.keys import derived_key


class State(TypedDict):
    messages: Annotated[list, operator.add]


class ScriptedChatModel(GenericFakeChatModel):
    """LangChain's fake model, which agents can give tools to."""

    def bind_tools(self, tools, **_options):
        return self


@pytest.fixture
def network():
    with PhoneNetwork() as network:
        network.add(RESTAURANT, Callee(says=["Hello?", "Gladly. Bye!"]))
        yield network


@pytest.fixture
async def tool(network):
    phone = Patter(
        carrier=network.twilio(),
        phone_number="+14155550100",
        ledger=":memory:",
        clock=network.clock,
    )
    voice = {"stt": ScriptedSTT(), "tts": ScriptedTTS(), "llm": ScriptedLLM(["Four, please."])}
    yield phone_call_tool(phone, agent=voice)
    await phone.aclose()


def asking():
    call = {"name": "make_phone_call", "args": BOOK, "id": "call_1", "type": "tool_call"}
    return {"messages": [AIMessage("", tool_calls=[call])]}


def graph_of(node, checkpointer=None):
    graph = StateGraph(State)
    graph.add_node("tools", node, retry_policy=RetryPolicy(max_attempts=2, initial_interval=0.01))
    graph.add_edge(START, "tools")
    graph.add_edge("tools", END)
    return graph.compile(checkpointer=checkpointer)


class FailsOnce:
    """A node that rings, and then fails the first time: LangGraph runs it again."""

    def __init__(self, tool):
        self.node = ToolNode([tool])
        self.results = []

    async def __call__(self, state, config):
        done = await self.node.ainvoke(state, config)
        self.results.append(done["messages"][0].artifact)
        if len(self.results) == 1:
            raise ConnectionError("something after the call")
        return done


async def test_a_node_that_langgraph_runs_again_does_not_ring_again(network, tool):
    node = FailsOnce(tool)
    graph = graph_of(node.__call__, InMemorySaver())
    await graph.ainvoke(asking(), {"configurable": {"thread_id": "1"}})
    first, second = node.results
    assert len(network.dials) == 1
    assert (first["replayed"], second["replayed"]) == (False, True)


async def test_a_call_is_not_made_again_when_its_sibling_is_resumed(network, tool):
    @langchain_tool
    def ask_somebody() -> str:
        """Ask."""
        return interrupt("Well?")

    asked = asking()
    asked["messages"][0].tool_calls.append(
        {"name": "ask_somebody", "args": {}, "id": "call_2", "type": "tool_call"}
    )
    tools = [tool, ask_somebody]
    model = ScriptedChatModel(messages=iter([asked["messages"][0], AIMessage("Done.")]))
    agent = create_agent(model, tools=tools, checkpointer=InMemorySaver())
    thread = {"configurable": {"thread_id": "1"}}
    waiting = await agent.ainvoke({"messages": []}, thread)
    assert "__interrupt__" in waiting
    assert len(network.dials) == 1
    state = await agent.ainvoke(Command(resume="Fine."), thread)
    assert state["messages"][-1].content == "Done."
    assert len(network.dials) == 1


async def test_without_a_thread_there_is_no_key(network, tool):
    node = FailsOnce(tool)
    await graph_of(node.__call__).ainvoke(asking())
    assert [result["replayed"] for result in node.results] == [False, False]
    assert len(network.dials) == 2


async def test_the_same_call_id_later_in_a_thread_is_another_call(network, tool):
    graph = graph_of(ToolNode([tool]), InMemorySaver())
    thread = {"configurable": {"thread_id": "1"}}
    for _ in range(2):
        await graph.ainvoke(asking(), thread)
    assert len(network.dials) == 2


async def test_the_same_call_id_outside_of_graphs_is_another_call(network, tool):
    call = {"name": "make_phone_call", "args": BOOK, "id": "call_1", "type": "tool_call"}
    for _ in range(2):
        assert not (await tool.ainvoke(call)).artifact["replayed"]
    assert len(network.dials) == 2


def test_a_key_needs_every_part():
    whole = derived_key("langgraph", "thread", "ns", "call_1")
    assert whole is not None
    assert whole == derived_key("langgraph", "thread", "ns", "call_1")
    assert derived_key("langgraph", "threadns", "", "call_1") is None
    assert derived_key("langgraph", "thread", None, "call_1") is None
    assert derived_key("langgraph", "thread", 7, "call_1") is None
    assert derived_key("agents", "thread", "ns", "call_1") != whole
    assert derived_key("langgraph", "thre", "adns", "call_1") != whole
