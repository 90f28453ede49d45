"""Each tenant's agent has the tools that its configuration says, and no others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "tenant_tools.py"


def test_it_runs_as_it_is(tmp_path):
    telling = ("OPENAI_", "TWILIO_", "PATTER_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(telling)}
    ran = subprocess.run(
        [sys.executable, EXAMPLE],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        cwd=tmp_path,
        env=kept | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.splitlines() == [
        "north: completed, ended by agent",
        "    user: My bill is wrong.",
        "  system: The call was transferred to +14155550142",
        "south: completed, ended by agent",
        "    user: My bill is wrong.",
        "   agent: May I connect you with billing?",
        "    user: Yes, please.",
        "  system: The call was transferred to +14155550142",
        "west: completed, ended by callee",
        "    user: My bill is wrong.",
        "   agent: That I cannot do.",
        "    user: Yes, please.",
        "   agent: That I cannot do.",
        "    user: Bye.",
    ]
