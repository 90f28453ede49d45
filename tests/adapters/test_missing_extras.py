"""What does without a framework says which extra brings it, in one sentence."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

MODULES = [
    ("patter.mcp", "mcp", "mcp"),
    ("patter.brains.langchain", "langchain_core", "langchain"),
    ("patter.brains.llama_index", "llama_index", "llama_index"),
    ("patter.brains.openai_agents", "agents", "openai_agents"),
    ("patter.in_call.langchain", "langchain_core", "langchain"),
    ("patter.in_call.llama_index", "llama_index", "llama_index"),
    ("patter.in_call.openai_agents", "agents", "openai_agents"),
]
WITHOUT = """
import importlib, sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {packages!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
for module in {modules!r}:
    try:
        importlib.import_module(module)
    except ImportError as error:
        print(f"{{module}}: {{type(error).__name__}}: {{error}}")
"""


@pytest.fixture(scope="module")
def said():
    packages = sorted({package for _, package, _ in MODULES})
    code = WITHOUT.format(packages=packages, modules=[module for module, _, _ in MODULES])
    path = os.pathsep.join(entry for entry in sys.path if entry)
    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
        env=os.environ | {"PYTHONPATH": path},
    )
    return ran.stdout.splitlines()


@pytest.mark.parametrize(("module", "package", "extra"), MODULES)
def test_it_is_one_helpful_sentence(said, module, package, extra):
    (line,) = [each for each in said if each.startswith(f"{module}: ")]
    assert line == (
        f"{module}: MissingExtra: '{package}' is not installed. "
        f"It comes with an extra: pip install 'patter[{extra}]'"
    )
