"""PydanticAI's agents, held to what every adapter is held to."""

from __future__ import annotations

import asyncio
import json

from pydantic_ai import Agent, DeferredToolRequests, DeferredToolResults
from pydantic_ai.messages import (
    ModelMessagesTypeAdapter,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
)
from pydantic_ai.models.function import DeltaToolCall, FunctionModel

from patter.pydantic_ai import PhoneCallEvent, phone_call_tool
from patter.testing import ANSWER, REQUEST, AdapterSuite, Run, in_plain_code


def calling(*calls, seen=None):
    def reply(messages, info):
        if seen is not None:
            seen.append(info.function_tools)
        if any(isinstance(part, ToolReturnPart) for part in messages[-1].parts):
            return ModelResponse([TextPart(ANSWER)])
        return ModelResponse(
            [
                ToolCallPart("make_phone_call", args, tool_call_id=f"call_{number}")
                for number, args in enumerate(calls, 1)
            ]
        )

    async def stream(messages, info):
        for part in reply(messages, info).parts:
            if isinstance(part, TextPart):
                yield part.content
            else:
                number = int(part.tool_call_id.removeprefix("call_"))
                text = json.dumps(part.args)
                yield {number: DeltaToolCall(part.tool_name, text, tool_call_id=part.tool_call_id)}

    return FunctionModel(reply, stream_function=stream)


def as_run(result, told=None):
    parts = [part for message in result.all_messages() for part in message.parts]
    returned = {p.tool_call_id: p.content for p in parts if isinstance(p, ToolReturnPart)}
    contents = [returned[key] for key in sorted(returned)]
    return Run(answer=result.output, contents=contents, told=told)


class TestPydanticAI(AdapterSuite):
    module, package, extra = "patter.pydantic_ai", "pydantic_ai", "pydantic_ai"

    def make_tool(self, phone, **options):
        return phone_call_tool(phone, **options)

    def shown(self, tool):
        seen = []
        asyncio.run(Agent(calling({}, seen=seen), tools=[tool]).run(REQUEST))
        (definition,) = seen[0]
        return {
            "name": definition.name,
            "description": definition.description,
            "parameters": definition.parameters_json_schema,
        }

    async def run(self, tool, *calls):
        told = []

        async def listen(_context, events):
            async for event in events:
                if isinstance(event, PhoneCallEvent):
                    told.append(event.call)

        agent = Agent(calling(*calls), tools=[tool])
        return as_run(await agent.run(REQUEST, event_stream_handler=listen), told)

    def make_asking_tool(self, phone):
        return phone_call_tool(phone, requires_approval=True)

    async def run_until_asked(self, tool, *calls):
        agent = Agent(calling(*calls), tools=[tool], output_type=[str, DeferredToolRequests])
        result = await agent.run(REQUEST)
        assert isinstance(result.output, DeferredToolRequests)
        return result.all_messages_json(), [call.tool_call_id for call in result.output.approvals]

    async def resume(self, tool, saved, *, approve):
        agent = Agent(calling(), tools=[tool], output_type=[str, DeferredToolRequests])
        messages, asked = saved
        decided = DeferredToolResults(approvals=dict.fromkeys(asked, approve))
        history = ModelMessagesTypeAdapter.validate_json(messages)
        return as_run(await agent.run(message_history=history, deferred_tool_results=decided))

    def run_blocking(self, tool, *calls):
        agent = Agent(calling(*calls), tools=[tool])
        return in_plain_code(lambda _loop: as_run(agent.run_sync(REQUEST)))
