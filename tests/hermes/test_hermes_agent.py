"""A real Hermes agent, held to what every adapter is held to. Runs where Hermes is installed.

Hermes pins its own packages, so it has an environment of its own: `make test-hermes`.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile

import pytest

pytest.importorskip("run_agent", reason="Hermes Agent is not in this environment: make test-hermes")

os.environ.setdefault("HERMES_HOME", tempfile.mkdtemp(prefix="hermes-"))

from model_tools import get_tool_definitions
from run_agent import AIAgent
from tools.registry import registry

from patter.hermes import register, register_hermes
from patter.simulator import Callee, PhoneNetwork, ScriptedChatServer, ToolCall
from patter.testing import ANSWER, BOOK, NOBODY, REQUEST, AdapterSuite, Run

pytestmark = pytest.mark.filterwarnings("ignore")  # Hermes' own.


def agent_at(server):
    return AIAgent(
        base_url=server.base_url,
        api_key="none",
        model="scripted",
        enabled_toolsets=["patter"],
        skip_memory=True,
        skip_context_files=True,
        quiet_mode=True,
    )


class TestHermes(AdapterSuite):
    module = "patter.hermes"
    side_by_side = False

    @pytest.fixture(autouse=True)
    def _unregistered(self):
        yield
        if registry.get_entry("make_phone_call") is not None:
            registry.deregister("make_phone_call")

    def make_tool(self, phone, **options):
        register_hermes(registry, phone, **options)
        return phone

    def shown(self, tool):
        definitions = get_tool_definitions(enabled_toolsets=["patter"], quiet_mode=True)
        (definition,) = [each["function"] for each in definitions]
        return definition

    async def run(self, tool, *calls):
        script = [[ToolCall("make_phone_call", call) for call in calls], ANSWER]
        with ScriptedChatServer(script) as server:
            agent = agent_at(server)
            running = asyncio.get_running_loop().run_in_executor(
                None, agent.run_conversation, REQUEST
            )
            try:
                outcome = await asyncio.shield(running)
            except asyncio.CancelledError:
                agent.interrupt("stop")
                raise
            assert server.refusals == []
            messages = server.requests[-1]["messages"]
        contents = [m["content"] for m in messages if m["role"] == "tool"]
        return Run(answer=outcome["final_response"], contents=contents)

    def run_blocking(self, tool, *calls):
        script = [[ToolCall("make_phone_call", call) for call in calls], ANSWER]
        with ScriptedChatServer(script) as server:
            outcome = agent_at(server).run_conversation(REQUEST)
            messages = server.requests[-1]["messages"]
        contents = [m["content"] for m in messages if m["role"] == "tool"]
        return Run(answer=outcome["final_response"], contents=contents)

    # --- Hermes' own -------------------------------------------------------------------------

    def test_dispatch_returns_the_envelope(self, network):
        with self.phone_tool(network) as everybodys:
            self.make_tool(everybodys)
            done = registry.dispatch("make_phone_call", BOOK, task_id="t", session_id="s")
            failed = registry.dispatch("make_phone_call", {"to": "nobody"}, task_id="t")
        assert json.loads(done)["status"] == "completed"
        assert json.loads(failed)["error"]

    def test_a_call_shows_that_it_lives(self):
        """In real seconds, as Hermes counts them: it looks every ten."""
        from tools.environments.base import set_activity_callback

        signs = []
        with PhoneNetwork(speed=10) as network, self.phone_tool(network) as everybodys:
            network.add(NOBODY, Callee(behave="silent", rings_sec=0.1))
            set_activity_callback(signs.append)
            try:
                everybodys.hermes_handler()({"to": NOBODY, "max_duration_sec": 115})
            finally:
                set_activity_callback(None)
        assert any("phone call in progress" in sign for sign in signs)

    def test_the_plugin_without_a_phone_logs_what_is_missing(self, monkeypatch, caplog):
        for name in [name for name in os.environ if name.startswith(("TWILIO_", "PATTER_"))]:
            monkeypatch.delenv(name)
        register(None)
        assert "TWILIO_ACCOUNT_SID" in caplog.text

    def test_the_plugin_manager_finds_and_loads_the_plugin(self):
        from importlib.metadata import entry_points

        found = [
            each for each in entry_points(group="hermes_agent.plugins") if each.name == "patter"
        ]
        if not found:
            pytest.skip("patter is on the path, not installed, so it has no entry points")
        assert found[0].load().register is register
