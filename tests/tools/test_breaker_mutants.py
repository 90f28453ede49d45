"""Breakers with one mistake each: the machine that guards the real one must find every one."""

from __future__ import annotations

import inspect

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from patter_core.tools import breaker
from tests.tools.breaker_machine import BreakerMachine

SETTINGS = settings(
    max_examples=300,
    stateful_step_count=40,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
)
COUNT = """        elif outcome == "success":
            self._failures = 0
        elif"""
CLOSE = """        if outcome == "success":
            self._failures = 0
            self._opened_at = None
            self._ticket = Ticket(self._era)"""
OPEN = """        self._opened_at = now
        self._era += 1"""

MUTANTS = {
    "opens one failure late": (">= self.threshold", "> self.threshold"),
    "opens one failure early": (">= self.threshold", ">= self.threshold - 1"),
    "opens although the threshold is 0": (" or not self.threshold:", ":"),
    "never opens": ("                self._open(now)\n\n", "                pass\n\n"),
    "a success does not start the count anew": (
        COUNT,
        COUNT.replace("self._failures = 0", "pass"),
    ),
    "a neutral outcome counts as a failure": ('elif outcome == "failure":', "else:"),
    "a neutral outcome starts the count anew": (
        COUNT,
        COUNT.replace("==", "!=").replace("success", "failure"),
    ),
    "rests a moment too long": ("now - self._opened_at < ", "now - self._opened_at <= "),
    "rests half as long": ("now - self._opened_at < ", "2 * (now - self._opened_at) < "),
    "never probes": ("if self._probing or", "if True or self._probing or"),
    "everybody probes": ("if self._probing or", "if"),
    "nobody is turned away": (
        "            return None\n        self._probing",
        "            pass\n        self._probing",
    ),
    "a cancelled probe keeps its place": (
        "        self._probing = False\n",
        '        self._probing = outcome == "neutral"\n',
    ),
    "a cancelled probe closes it": (CLOSE, CLOSE.replace('== "success"', '!= "failure"')),
    "a cancelled probe opens it anew": (
        'if outcome == "failure":\n            self._open(now)\n            return',
        'if outcome != "success":\n            self._open(now)\n            return',
    ),
    "a failed probe closes it": (
        'if outcome == "failure":\n            self._open(now)\n            return\n',
        'if outcome == "failure":\n            outcome = "success"\n',
    ),
    "a failed probe does not begin another rest": (
        OPEN,
        "        self._opened_at = self._opened_at or now\n        self._era += 1",
    ),
    "a probe that succeeded leaves it open": (
        CLOSE,
        CLOSE.replace("_opened_at = None", "_opened_at = now"),
    ),
    "a probe that succeeded leaves the count": (
        CLOSE,
        CLOSE.replace("_failures = 0", "_failures += 0"),
    ),
    "what comes after a probe is not counted": (
        CLOSE,
        CLOSE.replace("self._ticket = Ticket(self._era)", "pass"),
    ),
    "a probe may be given back twice": (
        "        self._era += 1\n        if outcome",
        "        if outcome",
    ),
    "late results count": ("if ticket.era != self._era or not", "if not"),
    "what was asked before it opened counts when it comes": (OPEN, OPEN.replace("+= 1", "+= 0")),
    "it says that it may be asked at once": (
        "return max(rest, _PROBE_WAIT_SEC if",
        "return max(0.0, _PROBE_WAIT_SEC if",
    ),
    "it says so while one probes": ("_PROBE_WAIT_SEC if self._probing else 0.0", "0.0"),
    "it says to wait although it is closed": (
        "            return 0.0\n",
        "            return 1.0\n",
    ),
}


def broken(before: str, after: str) -> type[breaker.Breaker]:
    """The breaker with one piece of its text changed."""
    source = inspect.getsource(breaker)
    assert source.count(before) == 1, "the breaker's text has changed, and its mutants must follow"
    namespace = {"__name__": breaker.__name__}
    exec(compile(source.replace(before, after), breaker.__file__, "exec"), namespace)  # noqa: S102
    return namespace["Breaker"]


@pytest.mark.parametrize("name", MUTANTS)
def test_a_breaker_with_a_mistake_is_found_out(name: str):
    class Mutant(BreakerMachine):
        kind = broken(*MUTANTS[name])

    with pytest.raises(AssertionError):
        run_state_machine_as_test(Mutant, settings=SETTINGS)
