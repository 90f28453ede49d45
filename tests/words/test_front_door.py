"""`import patter`: cheap, complete, and helpful about what is missing."""

from __future__ import annotations

import subprocess
import sys

import patter


def run_python(code: str) -> str:
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=True
    )
    return run.stdout.strip()


def test_the_names_are_sorted_complete_and_there():
    assert patter.__all__ == sorted(patter.__all__)
    assert dir(patter) == patter.__all__
    for name in patter.__all__:
        assert getattr(patter, name) is not None


def test_importing_and_naming_everything_loads_nothing_heavy():
    heavy = (
        *("aiohttp", "twilio", "openai", "numpy", "phonenumbers"),
        *("langchain_core", "llama_index", "agents"),
    )
    loaded = run_python(
        "import sys, patter\n"
        "for name in patter.__all__: getattr(patter, name)\n"
        f"print([module for module in {heavy!r} if module in sys.modules])"
    )
    assert loaded == "[]"


def test_an_unknown_name_is_an_attribute_error():
    assert (
        run_python("import patter\ntry: patter.Phone\nexcept AttributeError as error: print(error)")
        == "module 'patter' has no attribute 'Phone'"
    )


def test_a_missing_framework_is_one_helpful_sentence():
    said = run_python(
        "import sys\n"
        "sys.modules['langchain_core'] = None\n"
        "from patter.extras import needs_extra\n"
        "try:\n"
        "    with needs_extra('langchain', 'nowhere_to_be_found'): import nowhere_to_be_found\n"
        "except ImportError as error: print(error)"
    )
    assert said == (
        "'nowhere_to_be_found' is not installed. "
        "It comes with an extra: pip install 'patter[langchain]'"
    )
