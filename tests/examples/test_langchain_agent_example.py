"""The LangChain example does what its first lines say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from patter.simulator import ScriptedChatServer, ToolCall

EXAMPLE = Path(__file__).parents[2] / "examples" / "integrations" / "langchain_agent.py"
RESTAURANT = "+14155552671"


def run(tmp_path: Path, **more: str) -> subprocess.CompletedProcess[str]:
    telling = ("OPENAI_", "TWILIO_", "PATTER_", "LANGSMITH_", "LANGCHAIN_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(telling)}
    return subprocess.run(
        [sys.executable, EXAMPLE],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        cwd=tmp_path,
        env=kept
        | {"PYTHONPATH": os.pathsep.join(sys.path), "PATTER_STATE_DIR": str(tmp_path / "state")}
        | more,
    )


def test_it_runs_as_it_is(tmp_path):
    ran = run(tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.splitlines() == [
        "        (queued)",
        "        (dialing)",
        "        (ringing)",
        "        (answered)",
        "  user: Good evening, Trattoria Roma.",
        " agent: Good evening! A table for four at eight, please, under the name Ada.",
        "  user: With pleasure. See you at eight!",
        "        (ended)",
        "Done: a table for four at eight, for Ada.",
    ]
    assert not (tmp_path / "state").exists()


def test_with_a_key_openais_models_do_the_thinking(tmp_path):
    call = ToolCall("make_phone_call", {"to": RESTAURANT, "goal": "Book a table."})

    def service(request):
        offered = {tool["function"]["name"] for tool in request["tools"]}
        if call.name not in offered:  # The agent on the phone, with tools of its own.
            return "I would like to book a table."
        return "Booked!" if request["messages"][-1]["role"] == "tool" else call

    with ScriptedChatServer(service) as openai:
        ran = run(tmp_path, OPENAI_API_KEY="a-key", OPENAI_BASE_URL=openai.base_url)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert openai.refusals == []
    assert {request["model"] for request in openai.requests} == {"gpt-4.1-mini"}
    assert " agent: I would like to book a table." in ran.stdout.splitlines()
    assert ran.stdout.splitlines()[-1] == "Booked!"
