"""What README shows works when it is pasted."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"
EXAMPLES = re.findall(r"^```python\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: text.splitlines()[0])
def test_an_example_runs_as_it_is(example, tmp_path):
    script = tmp_path / "pasted.py"
    script.write_text(example)
    run = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=100, cwd=tmp_path
    )
    assert run.returncode == 0, run.stderr
    assert not run.stderr
    if "print(" in example:
        assert '"status":"completed"' in run.stdout


def test_there_are_examples():
    assert EXAMPLES
