"""A framework's tools work for the agent on the phone."""

from __future__ import annotations

import pytest
from agents import function_tool
from langchain_core.tools import tool as langchain_tool
from llama_index.core.tools import FunctionTool

from patter import Patter, PatterError, ScriptedLLM, ScriptedSTT, ScriptedTTS
from patter.in_call import langchain, llama_index, openai_agents
from patter.simulator import PhoneNetwork
from patter_core.tools.definition import ToolContext


def count_guests(day: str) -> str:
    """How many guests come on a day."""
    return f"4 guests on {day}"


def fails(day: str) -> str:
    """How many guests come on a day."""
    raise ValueError(f"no list for {day}")


MAKERS = [
    lambda function: langchain.in_call_tool(langchain_tool(function), max_retries=0),
    lambda function: llama_index.in_call_tool(FunctionTool.from_defaults(function), max_retries=0),
    lambda function: openai_agents.in_call_tool(function_tool(function), max_retries=0),
]
NAMES = ["langchain", "llama_index", "openai_agents"]


CONTEXT = ToolContext({"idempotency_key": "k"})


@pytest.fixture
def phone():
    with PhoneNetwork() as network:
        yield Patter(carrier=network.twilio(), phone_number="+14155550100", ledger=":memory:")


@pytest.mark.parametrize("make", MAKERS, ids=NAMES)
async def test_an_agent_takes_it_and_it_answers_with_its_text(phone, make):
    tool = make(count_guests)
    parts = {"stt": ScriptedSTT(), "tts": ScriptedTTS(), "llm": ScriptedLLM(["Hello."])}
    phone.agent(tools=[tool], **parts)
    assert tool.name == "count_guests"
    assert "How many guests" in tool.description
    assert tool.parameters["required"] == ["day"]
    assert await tool.handler({"day": "Monday"}, CONTEXT) == "4 guests on Monday"


@pytest.mark.parametrize("make", MAKERS[:2], ids=NAMES[:2])
async def test_what_it_raises_is_a_failure(make):
    with pytest.raises(Exception, match="no list for Monday"):
        await make(fails).handler({"day": "Monday"}, CONTEXT)


async def test_the_agents_sdk_puts_a_failure_into_words():
    answer = await MAKERS[2](fails).handler({"day": "Monday"}, CONTEXT)
    assert "error occurred" in answer  # The SDK keeps the reason to itself.


@pytest.mark.parametrize("module", [langchain, llama_index, openai_agents])
def test_what_is_no_tool_is_refused(module):
    with pytest.raises(PatterError, match="in_call_tool takes a"):
        module.in_call_tool(count_guests)
