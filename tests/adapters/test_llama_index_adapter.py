"""LlamaIndex's agents, held to what every adapter is held to."""

from __future__ import annotations

import asyncio
import json

import pytest
from llama_index.core.agent.workflow import FunctionAgent, ToolCallResult
from llama_index.core.base.llms.types import ChatMessage, MessageRole, ToolCallBlock
from llama_index.core.llms.mock import MockFunctionCallingLLM
from llama_index.core.workflow import Context, HumanResponseEvent, JsonPickleSerializer

from patter import PatterError
from patter.llama_index import (
    PatterToolSpec,
    PhoneCallApprovalEvent,
    PhoneCallEvent,
    phone_call_tool,
)
from patter.testing import ANSWER, BOOK, HAIRCUT, REQUEST, AdapterSuite, Run

# LlamaIndex's workflows look at every attribute of a pydantic model, the deprecated ones too.
pytestmark = pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning")


def calling(*calls):
    def reply(messages, **_options):
        if any(message.role == MessageRole.TOOL for message in messages):
            return ChatMessage(role="assistant", content=ANSWER)
        blocks = [
            ToolCallBlock(tool_call_id=f"call_{number}", tool_name="make_phone_call", tool_kwargs=a)
            for number, a in enumerate(calls, 1)
        ]
        return ChatMessage(role="assistant", blocks=blocks)

    return MockFunctionCallingLLM(response_generator=reply, is_chat_model=True)


async def as_run(handler):
    told, results = [], {}
    async for event in handler.stream_events():
        if isinstance(event, PhoneCallEvent):
            told.append(event.data)
        elif isinstance(event, ToolCallResult):
            results[event.tool_id] = event.tool_output.content
    answer = (await handler).response.content
    return Run(answer=answer, contents=[results[key] for key in sorted(results)], told=told)


class TestLlamaIndex(AdapterSuite):
    module, package, extra = "patter.llama_index", "llama_index", "llama_index"

    def make_tool(self, phone, **options):
        return phone_call_tool(phone, **options)

    def shown(self, tool):
        return tool.metadata.to_openai_tool()["function"]

    async def run(self, tool, *calls):
        handler = FunctionAgent(llm=calling(*calls), tools=[tool], streaming=False).run(REQUEST)
        try:
            return await as_run(handler)
        finally:
            # The handler is a workflow of its own: who leaves it, cancels it.
            if not handler.is_done():
                await handler.cancel_run()

    def run_blocking(self, tool, *calls):
        """LlamaIndex's agents need a loop; what it has for plain code asks a model for one turn."""
        turn = calling(*calls).predict_and_call([tool], REQUEST)
        return Run(answer=ANSWER, contents=[source.content for source in turn.sources])

    def make_asking_tool(self, phone):
        return phone_call_tool(phone, needs_approval=True)

    async def run_until_asked(self, tool, *calls):
        agent = FunctionAgent(llm=calling(*calls), tools=[tool], streaming=False)
        context = Context(agent)
        handler = agent.run(REQUEST, ctx=context)
        asked = []
        async for event in handler.stream_events():
            if isinstance(event, PhoneCallApprovalEvent):
                asked.append(event.approval_id)
            if len(asked) == len(calls):
                break
        saved = json.dumps(context.to_dict(serializer=JsonPickleSerializer()))
        await handler.cancel_run()
        return saved, asked, calls

    async def resume(self, tool, saved, *, approve):
        state, asked, calls = saved
        agent = FunctionAgent(llm=calling(*calls), tools=[tool], streaming=False)
        context = Context.from_dict(agent, json.loads(state), serializer=JsonPickleSerializer())
        handler = agent.run(ctx=context)
        response = "yes" if approve else "Not today"
        for approval_id in asked:
            context.send_event(HumanResponseEvent(response=response, approval_id=approval_id))
        return await as_run(handler)

    # --- LlamaIndex's own --------------------------------------------------------------------

    def test_a_tool_output_has_the_envelope_as_text_and_as_data(self, network):
        with self.phone_tool(network) as everybodys:
            output = phone_call_tool(everybodys).call(**BOOK)
            failed = phone_call_tool(everybodys).call(to="nobody")
        assert json.loads(output.content) == output.raw_output
        assert (output.is_error, failed.is_error) == (False, True)
        assert (output.tool_name, output.raw_input) == ("make_phone_call", BOOK)

    def test_it_can_be_called_without_a_workflow(self, network):
        with self.phone_tool(network) as everybodys:
            output = asyncio.run(phone_call_tool(everybodys).acall(**BOOK))
        assert output.raw_output["status"] == "completed"

    def test_the_tool_spec_has_the_one_tool(self, network):
        with self.phone_tool(network) as everybodys:
            (tool,) = PatterToolSpec(everybodys).to_tool_list()
            assert tool.metadata.get_name() == "make_phone_call"
            assert tool.call(**HAIRCUT).raw_output["status"] == "completed"

    def test_options_are_those_of_the_tool(self, network):
        with self.phone_tool(network) as everybodys, pytest.raises(PatterError, match="its own"):
            phone_call_tool(everybodys, name="ring")
