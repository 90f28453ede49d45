"""The examples of every framework do what their first lines say, as they are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "examples" / "integrations"
DONE = "Done: a table for four at eight, for Ada."
SPOKEN = [
    "  user: Good evening, Trattoria Roma.",
    " agent: Good evening! A table for four at eight, please, under the name Ada.",
    "  user: With pleasure. See you at eight!",
]
OUTPUTS = {
    "langgraph_approval": [
        "May I ring +14155552671? Calls so far: 0",
        "Yes. Calls now: 1",
        DONE,
    ],
    "llama_index_agent": [*SPOKEN, DONE],
    "openai_agents_phone": [
        "Waiting for approval. Calls so far: 0",
        "Approved. Calls now: 1",
        DONE,
    ],
    "pydantic_ai_phone": [*SPOKEN, DONE],
    "anthropic_phone_tool": [DONE],
    "responses_phone_tool": ["The call: completed", DONE],
    "openai_assistant_phone_tool": ["The call: completed", DONE],
}
ELSEWHERE = {"langchain_agent", "hermes_phone_tool"}  # They have tests of their own.


@pytest.mark.parametrize("name", OUTPUTS)
def test_it_runs_as_it_is(tmp_path, name):
    telling = ("OPENAI_", "ANTHROPIC_", "TWILIO_", "PATTER_", "LANGSMITH_", "LANGCHAIN_")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(telling)}
    path = os.pathsep.join(entry for entry in sys.path if entry)
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", FOLDER / f"{name}.py"],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        cwd=tmp_path,
        env=kept | {"PYTHONPATH": path, "PATTER_STATE_DIR": str(tmp_path / "state")},
    )
    assert (ran.returncode, ran.stdout.splitlines()) == (0, OUTPUTS[name]), ran.stderr
    assert not (tmp_path / "state").exists()


def test_every_example_is_run_and_listed():
    there = {path.stem for path in FOLDER.glob("*.py")}
    assert there == OUTPUTS.keys() | ELSEWHERE
    listed = (FOLDER / "README.md").read_text()
    assert [name for name in there if f"`{name}.py`" not in listed] == []
