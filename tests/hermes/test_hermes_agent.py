"""A real Hermes agent, held to what every adapter is held to. Runs where Hermes is installed.

Hermes pins its own packages, so it has an environment of its own: `make test-hermes`.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import pytest

pytest.importorskip("run_agent", reason="Hermes Agent is not in this environment: make test-hermes")

os.environ.setdefault("HERMES_HOME", tempfile.mkdtemp(prefix="hermes-"))

from hermes_cli import plugins
from model_tools import get_tool_definitions
from run_agent import AIAgent
from tools.registry import registry

from patter.hermes import register, register_hermes
from patter.simulator import Callee, PhoneNetwork, ScriptedChatServer, ToolCall
from patter.testing import ANSWER, BOOK, NOBODY, REQUEST, AdapterSuite, Run

ROOT = Path(__file__).parents[2]

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

    @pytest.mark.parametrize(("action", "dials"), [("block", 0), (None, 1)])
    def test_a_hook_decides_before_anybody_is_rung(self, network, monkeypatch, action, dials):
        def decide(**_call):
            return {"action": action, "message": "Not today"} if action else None

        monkeypatch.setitem(plugins.get_plugin_manager()._hooks, "pre_tool_call", [decide])
        with self.phone_tool(network) as everybodys:
            run = self.run_blocking(self.make_tool(everybodys), BOOK)
        assert run.answer == ANSWER
        assert len(network.dials) == dials


ENTRY_POINTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]


def test_the_plugin_manager_finds_the_plugin_and_registers_the_tool(tmp_path):
    """In a process of its own: an installed package is one with a dist-info on the path."""
    installed = tmp_path / "site" / "patter-0.1.0.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: patter\nVersion: 0.1.0\n")
    ((group, names),) = ENTRY_POINTS.items()
    lines = [f"{name} = {module}" for name, module in names.items()]
    (installed / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines]))
    home = tmp_path / "home"
    home.mkdir()
    (home / "config.yaml").write_text("plugins:\n  enabled: [patter]\n")
    ran = python(
        """
from hermes_cli.plugins import discover_plugins
from tools.registry import registry
discover_plugins(force=True)
entry = registry.get_entry("make_phone_call")
print(entry.toolset, entry.is_async, registry.dispatch("make_phone_call", {"to": "nobody"}))
""",
        tmp_path / "site",
        HERMES_HOME=str(home),
        PATTER_STATE_DIR=str(tmp_path / "state"),
        TWILIO_ACCOUNT_SID="AC" + "5" * 32,
        TWILIO_AUTH_TOKEN="a-token",
        PATTER_PHONE_NUMBER="+14155550100",
        PATTER_WEBHOOK_URL="calls.example.com",
        OPENAI_API_KEY="a-key",
    )
    assert ran.stdout.startswith("patter False"), ran.stdout + ran.stderr
    assert "invalid_arguments" in ran.stdout


def test_the_example_dropped_into_tools_is_found_and_rings(tmp_path):
    dropped = tmp_path / "tools" / "patter.py"
    dropped.parent.mkdir()
    shutil.copy(ROOT / "examples" / "integrations" / "hermes_phone_tool.py", dropped)
    ran = python(
        f"""
from pathlib import Path
import tools
from tools.registry import discover_builtin_tools, registry
folder = {str(dropped.parent)!r}
tools.__path__.append(folder)
print(discover_builtin_tools(Path(folder)))
print(registry.dispatch("make_phone_call", {BOOK!r}, task_id="t"))
""",
        HERMES_HOME=str(tmp_path),
        PATTER_SIMULATE="1",
    )
    found, result = ran.stdout.splitlines()[-2:]
    assert found == "['tools.patter']", ran.stderr
    assert json.loads(result)["status"] == "completed"


def python(code, *more, **environment):
    path = os.pathsep.join([*map(str, more), *(entry for entry in sys.path if entry)])
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env=os.environ | {"PYTHONPATH": path} | environment,
    )
