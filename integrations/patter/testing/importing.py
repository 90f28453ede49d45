"""What an adapter costs whoever does not use it, and what its import says without its framework."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from patter.testing.adapter import Adapter

_NO_FRAMEWORK = "the adapter imports no framework"
_WITHOUT = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {package!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
"""


class Importing(Adapter):
    """In processes of their own."""

    def test_patter_itself_does_not_load_the_framework(self) -> None:
        if not self.package:
            pytest.skip(_NO_FRAMEWORK)
        ran = _python(
            "import sys, patter\nfor name in patter.__all__: getattr(patter, name)\n"
            f"import patter_core.contract.phone_tool\nassert {self.package!r} not in sys.modules"
        )
        assert ran.returncode == 0, ran.stderr

    def test_without_the_framework_the_import_says_what_to_install(self) -> None:
        if not self.package:
            pytest.skip(_NO_FRAMEWORK)
        ran = _python(_WITHOUT.format(package=self.package) + f"import {self.module}")
        assert f"MissingExtra: '{self.package}' is not installed" in ran.stderr
        assert f"pip install 'patter[{self.extra}]'" in ran.stderr


def _python(code: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(entry for entry in sys.path if entry)
    return subprocess.run(  # noqa: S603 - this interpreter, our own code
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env=os.environ | {"PYTHONPATH": path},
    )
