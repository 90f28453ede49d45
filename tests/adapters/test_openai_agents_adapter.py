"""Agents of the OpenAI Agents SDK, held to what every adapter is held to."""

from __future__ import annotations

import asyncio
import json

import pytest
from agents import Agent, RunConfig, Runner, RunState
from agents.testing import ScriptedModel, assistant_message, function_call
from agents.tool_context import ToolContext

from patter.openai_agents import NONCES, phone_call_tool
from patter.testing import ANSWER, BOOK, HAIRCUT, REQUEST, AdapterSuite, Run

QUIET = RunConfig(tracing_disabled=True)


def calling(*calls):
    asked = [
        function_call("make_phone_call", args, call_id=f"call_{number}")
        for number, args in enumerate(calls, 1)
    ]
    return ScriptedModel([asked, [assistant_message(ANSWER)]])


def agent_of(tool, model):
    return Agent(name="Assistant", model=model, tools=[tool])


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
        agent = agent_of(tool, calling(*calls))
        return as_run(await Runner.run(agent, REQUEST, run_config=QUIET))

    def run_blocking(self, tool, *calls):
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            agent = agent_of(tool, calling(*calls))
            return as_run(Runner.run_sync(agent, REQUEST, run_config=QUIET))
        pytest.skip("Runner.run_sync refuses to run inside a running loop")

    def make_asking_tool(self, phone):
        return phone_call_tool(phone, needs_approval=True)

    async def run_until_asked(self, tool, *calls):
        agent = agent_of(tool, calling(*calls))
        result = await Runner.run(agent, REQUEST, context={"who": "Ada"}, run_config=QUIET)
        assert result.interruptions
        return result.to_state().to_string()

    async def resume(self, tool, saved, *, approve):
        agent = agent_of(tool, ScriptedModel([[assistant_message(ANSWER)]]))
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
            agent = agent_of(tool, calling(call))
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

        async def run(call):
            agent = agent_of(tool, calling(call))
            return await Runner.run(agent, REQUEST, run_config=QUIET)

        with self.phone_tool(network) as everybodys:
            tool = phone_call_tool(everybodys, needs_approval=only_the_barber)
            assert asyncio.run(run(HAIRCUT)).interruptions
            assert not asyncio.run(run(BOOK)).interruptions
        assert [leg.to for leg in network.dials] == [BOOK["to"]]

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
