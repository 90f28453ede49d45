"""Agents of the OpenAI Agents SDK, held to what every adapter is held to."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager

from agents import Agent, OpenAIChatCompletionsModel, RunConfig, Runner, RunState
from agents.tool_context import ToolContext
from openai import AsyncOpenAI

from patter.openai_agents import NONCES, phone_call_tool
from patter.simulator import ScriptedChatServer, ToolCall
from patter.testing import ANSWER, BOOK, HAIRCUT, REQUEST, AdapterSuite, Run, in_plain_code

QUIET = RunConfig(tracing_disabled=True)


@asynccontextmanager
async def agent_of(tool, *replies):
    """An agent whose model answers with `replies`, over OpenAI's wire."""
    async with (
        ScriptedChatServer(replies) as server,
        AsyncOpenAI(base_url=server.base_url, api_key="none") as client,
    ):
        model = OpenAIChatCompletionsModel("scripted", client)
        yield Agent(name="Assistant", model=model, tools=[tool])
        assert server.refusals == []


def calling(tool, *calls):
    return agent_of(tool, [ToolCall("make_phone_call", call) for call in calls], ANSWER)


def as_run(result):
    outputs = [item for item in result.new_items if item.type == "tool_call_output_item"]
    by_call = {item.raw_item["call_id"]: item.raw_item["output"] for item in outputs}
    return Run(answer=result.final_output, contents=[by_call[key] for key in sorted(by_call)])


class TestOpenAIAgents(AdapterSuite):
    module, package, extra = "patter.openai_agents", "agents", "openai_agents"
    strict = True

    def make_tool(self, phone, **options):
        return phone_call_tool(phone, **options)

    def shown(self, tool):
        from agents.models.chatcmpl_converter import Converter

        return Converter.tool_to_openai(tool)["function"]

    async def run(self, tool, *calls):
        async with calling(tool, *calls) as agent:
            return as_run(await Runner.run(agent, REQUEST, run_config=QUIET))

    def run_blocking(self, tool, *calls):
        def run(loop):
            opening = calling(tool, *calls)
            agent = loop.run_until_complete(opening.__aenter__())
            try:
                return as_run(Runner.run_sync(agent, REQUEST, run_config=QUIET))
            finally:
                loop.run_until_complete(opening.__aexit__(None, None, None))

        return in_plain_code(run)

    def make_asking_tool(self, phone):
        return phone_call_tool(phone, needs_approval=True)

    async def run_until_asked(self, tool, *calls):
        async with calling(tool, *calls) as agent:
            result = await Runner.run(agent, REQUEST, context={"who": "Ada"}, run_config=QUIET)
        assert result.interruptions
        return result.to_state().to_string()

    async def resume(self, tool, saved, *, approve):
        async with agent_of(tool, ANSWER) as agent:
            state = await RunState.from_string(agent, saved)
            for interruption in state.get_interruptions():
                (state.approve if approve else state.reject)(interruption)
            return as_run(await Runner.run(agent, state, run_config=QUIET))

    # --- the SDK's own -----------------------------------------------------------------------

    def test_a_state_that_is_resumed_twice_rings_once(self, network):
        with self.phone_tool(network) as everybodys:
            tool = self.make_asking_tool(everybodys)
            saved = asyncio.run(self.run_until_asked(tool, BOOK))
            runs = [asyncio.run(self.resume(tool, saved, approve=True)) for _ in range(2)]
        first, second = [run.envelopes[0] for run in runs]
        assert len(network.dials) == 1
        assert (first["replayed"], second["replayed"]) == (False, True)
        assert first["call_id"] == second["call_id"]

    def test_runs_that_share_a_context_and_call_ids_ring_each_on_its_own(self, network):
        shared = {}

        async def approved(call):
            async with calling(tool, call) as agent:
                result = await Runner.run(agent, REQUEST, context=shared, run_config=QUIET)
                state = result.to_state()
                for interruption in state.get_interruptions():
                    state.approve(interruption)
                return as_run(await Runner.run(agent, state, run_config=QUIET))

        with self.phone_tool(network) as everybodys:
            tool = self.make_asking_tool(everybodys)
            runs = [asyncio.run(approved(call)) for call in (BOOK, BOOK, HAIRCUT)]
        assert [run.envelopes[0]["replayed"] for run in runs] == [False] * 3
        assert len(network.dials) == 3
        assert shared.get(NONCES, {}) == {}

    def test_a_function_decides_which_calls_need_approval(self, network):
        def only_the_barber(_context, arguments, _call_id):
            return arguments["to"] == HAIRCUT["to"]

        with self.phone_tool(network) as everybodys:
            tool = phone_call_tool(everybodys, needs_approval=only_the_barber)
            saved = asyncio.run(self.run_until_asked(tool, BOOK, HAIRCUT))
            assert [leg.to for leg in network.dials] == [BOOK["to"]]
            run = asyncio.run(self.resume(tool, saved, approve=True))
        # The call that was made before the run was put away is not made again.
        assert [leg.to for leg in network.dials] == [BOOK["to"], HAIRCUT["to"]]
        assert [envelope["status"] for envelope in run.envelopes] == ["completed"] * 2

    def test_without_a_context_that_keeps_it_there_is_no_key(self, network):
        async def twice():
            context = ToolContext(
                context=None,
                tool_name="make_phone_call",
                tool_call_id="call_1",
                tool_arguments=json.dumps(BOOK),
            )
            return [await tool.on_invoke_tool(context, json.dumps(BOOK)) for _ in range(2)]

        with self.phone_tool(network) as everybodys:
            tool = phone_call_tool(everybodys)
            asyncio.run(twice())
        assert len(network.dials) == 2
