"""LlamaIndex's agents, held to what every adapter is held to."""

from __future__ import annotations

import asyncio
import json

import pytest
from llama_index.core.agent.workflow import FunctionAgent, ToolCallResult
from llama_index.core.base.llms.types import ChatMessage, MessageRole, ToolCallBlock
from llama_index.core.llms.mock import MockFunctionCallingLLM
from llama_index.core.workflow import (
    Context,
    HumanResponseEvent,
    JsonPickleSerializer,
    WorkflowTimeoutError,
)

from patter import PatterError
from patter.llama_index import (
    PatterToolSpec,
    PhoneCallApprovalEvent,
    PhoneCallEvent,
    phone_call_tool,
)
from patter.testing import ANSWER, BOOK, FOREVER, HAIRCUT, REQUEST, AdapterSuite, Run

# LlamaIndex's workflows look at every attribute of a pydantic model, the deprecated ones too.
pytestmark = pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning")


def calling(*calls, turns=1):
    def reply(messages, **_options):
        answered = [message for message in messages if message.role == MessageRole.TOOL]
        if len(answered) >= turns * len(calls):
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

    def test_the_workflows_own_timeout_hangs_up(self, paced_network):
        async def run():
            agent = FunctionAgent(llm=calling(FOREVER), tools=[tool], streaming=False, timeout=5)
            with pytest.raises(WorkflowTimeoutError):
                await agent.run(REQUEST)

        with self.phone_tool(paced_network) as everybodys:
            tool = self.make_tool(everybodys)
            asyncio.run(run())
            paced_network.wait_until(lambda: not paced_network.live_legs, what="the hang-up")
        assert len(paced_network.dials) == 1

    # --- approval ----------------------------------------------------------------------------

    async def answered(self, tool, saved, *responses):
        state, asked, calls = saved
        agent = FunctionAgent(llm=calling(*calls), tools=[tool], streaming=False)
        context = Context.from_dict(agent, json.loads(state), serializer=JsonPickleSerializer())
        handler = agent.run(ctx=context)
        for approval_id, response in zip(asked, responses, strict=True):
            context.send_event(HumanResponseEvent(response=response, approval_id=approval_id))
        return await as_run(handler)

    @pytest.mark.parametrize("responses", [("yes", "no"), ("no", "yes")])
    def test_a_yes_to_one_call_is_none_to_another(self, network, responses):
        with self.phone_tool(network, lines=2) as everybodys:
            tool = self.make_asking_tool(everybodys)
            saved = asyncio.run(self.run_until_asked(tool, BOOK, HAIRCUT))
            run = asyncio.run(self.answered(tool, saved, *responses))
        statuses = {"yes": "completed", "no": "rejected"}
        assert [each["status"] for each in run.envelopes] == [statuses[each] for each in responses]
        approved = [BOOK, HAIRCUT][responses.index("yes")]
        assert [leg.to for leg in network.dials] == [approved["to"]]

    def test_a_yes_that_is_said_twice_rings_once(self, network):
        with self.phone_tool(network, lines=2) as everybodys:
            tool = self.make_asking_tool(everybodys)
            state, asked, calls = asyncio.run(self.run_until_asked(tool, BOOK))
            saved = state, asked * 2, calls
            run = asyncio.run(self.answered(tool, saved, "yes", "yes"))
        assert run.answer == ANSWER
        assert len(network.dials) == 1

    def test_a_workflow_that_is_resumed_twice_rings_once(self, network):
        with self.phone_tool(network) as everybodys:
            tool = self.make_asking_tool(everybodys)
            saved = asyncio.run(self.run_until_asked(tool, BOOK))
            runs = [asyncio.run(self.resume(tool, saved, approve=True)) for _ in range(2)]
        assert [run.envelopes[0]["replayed"] for run in runs] == [False, True]
        assert len(network.dials) == 1

    def test_the_same_call_later_in_a_workflow_is_asked_about_and_made_anew(self, network):
        async def run():
            agent = FunctionAgent(llm=calling(BOOK, turns=2), tools=[tool], streaming=False)
            handler = agent.run(REQUEST)
            envelopes = []
            async for event in handler.stream_events():
                if isinstance(event, PhoneCallApprovalEvent):
                    yes = HumanResponseEvent(response="yes", approval_id=event.approval_id)
                    handler.ctx.send_event(yes)
                elif isinstance(event, ToolCallResult):
                    envelopes.append(event.tool_output.raw_output)
            await handler
            return envelopes

        with self.phone_tool(network) as everybodys:
            tool = self.make_asking_tool(everybodys)
            envelopes = asyncio.run(run())
        assert [each["replayed"] for each in envelopes] == [False, False]
        assert len(network.dials) == 2

    def test_plain_code_cannot_go_round_the_approval(self, network):
        with self.phone_tool(network) as everybodys:
            tool = self.make_asking_tool(everybodys)
            outputs = [tool.call(**BOOK), asyncio.run(tool.acall(**BOOK)), tool.call(to="x")]
        codes = [output.raw_output["error_code"] for output in outputs]
        assert codes == ["approval_denied", "approval_denied", "invalid_arguments"]
        assert network.dials == []

    def test_options_are_those_of_the_tool(self, network):
        with self.phone_tool(network) as everybodys, pytest.raises(PatterError, match="its own"):
            phone_call_tool(everybodys, name="ring")
