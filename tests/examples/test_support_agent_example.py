"""The shop's agent does what its first lines say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from patter.simulator import ScriptedChatServer, ToolCall

EXAMPLE = Path(__file__).parents[2] / "examples" / "support_agent.py"


def run(tmp_path, **more):
    telling = ("OPENAI_", "TWILIO_", "PATTER_")
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
        " agent: Hello, this is Kettle and Cup. You asked us to ring you.",
        "  user: Hello?",
        " agent: Which order is it about?",
        "  user: It is about order ORD-104233. Where is it?",
        " agent: It was delivered on Tuesday. Is anything wrong with it?",
        "  user: It leaks! Can I send the kettle back?",
        " agent: I am sorry.",
        " agent: Please write R233 on the parcel. Anything else?",
        "  user: No, that is all. Thank you!",
        " agent: Goodbye!",
        "system: The agent ended the call: The customer is content.",
        "completed, ended by agent",
    ]


def test_with_a_key_openais_model_uses_the_same_tools(tmp_path):
    def service(request):
        message = request["messages"][-1]
        if message["role"] == "tool":
            return f"I found this: {message['content']}"
        if "ORD-104233" in message["content"]:
            return ToolCall("find_order", {"order_id": "ORD-104233"})
        if "send the kettle back" in message["content"]:
            item = {"order_id": "ORD-104233", "item_id": "cup", "reason": "defective"}
            return ToolCall("start_return", item)
        return "I see."

    with ScriptedChatServer(service) as openai:
        ran = run(tmp_path, OPENAI_API_KEY="a-key", OPENAI_BASE_URL=openai.base_url)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert openai.refusals == []
    offered = {tool["function"]["name"] for tool in openai.requests[0]["tools"]}
    assert {"find_order", "start_return", "end_call", "transfer_call"} <= offered
    answers = [
        json.loads(message["content"])
        for message in openai.requests[-1]["messages"]
        if message["role"] == "tool"
    ]
    assert answers[0] == {"status": "delivered", "day": "Tuesday", "items": {"K-7": "kettle"}}
    assert answers[1]["error"] == "tool_error"
    assert "no such item" in answers[1]["detail"]
