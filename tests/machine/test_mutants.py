"""The property tests are worth their time: each of these mistakes in the engine fails one."""

from __future__ import annotations

import inspect
import textwrap
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

from patter_core.calls.call import Call
from patter_core.ledgers.open_ledger import OpenLedger
from patter_core.switchboard.recover import recover, settle_abandoned
from tests.machine.test_call_and_recovery import CallsThroughCrashes
from tests.machine.test_call_machine import (
    BEGUN,
    EVENTS,
    test_in_any_order_it_moves_forward_dials_once_and_ends_once,
)

# The first failure is enough: it is not made smaller, and not kept.
QUICKLY = settings(
    max_examples=300,
    stateful_step_count=30,
    phases=[Phase.generate],
    database=None,
    deadline=None,
    derandomize=True,
    report_multiple_bugs=False,
    verbosity=Verbosity.quiet,
    suppress_health_check=list(HealthCheck),
)

FOUND_BY_EVENTS_IN_ANY_ORDER = {
    "dials again for an intent that is told of twice": (
        Call._at_the_gates,
        "if self.state is not State.QUEUED:",
        "if self.state.rank >= State.ENDING.rank:",
    ),
    "takes a second id for its leg": (
        Call._dialled,
        "if self.leg not in (Leg.ASKED, Leg.UNCLEAR):",
        "if self.leg is Leg.NONE:",
    ),
    "ends before the carrier has answered": (
        Call._conclude,
        "self.leg in (Leg.ASKED, Leg.UNCLEAR)",
        "self.leg is Leg.UNCLEAR",
    ),
    "ends before an unclear leg is found": (
        Call._conclude,
        "self.leg in (Leg.ASKED, Leg.UNCLEAR)",
        "self.leg is Leg.ASKED",
    ),
    "decides again how it ends": (
        Call._conclude,
        "if self.outcome is None:",
        "if True:",
    ),
    "ends twice": (
        Call._conclude,
        "if self.state is State.ENDING:",
        "if False:",
    ),
    "goes back to an earlier state": (
        Call._advance,
        "if self._under_way and state.rank > self.state.rank:",
        "if self._under_way:",
    ),
    "begins to converse again": (
        Call._media,
        "if self._media_seen:",
        "if False:",
    ),
    "asks after its leg without end": (
        Call._miss_audio,
        "if self._missed is not None or",
        "if",
    ),
}

FOUND_THROUGH_CRASHES = {
    "dials for somebody who has cancelled meanwhile": (
        Call._at_the_gates,
        "if self.outcome is not None:",
        "if False:",
    ),
    "takes an unclear answer for a no": (
        Call._dialled,
        "self.leg = Leg.UNCLEAR",
        "self.leg = Leg.NONE",
    ),
    "does not look an unclear leg up": (
        Call._dialled,
        "return (effects.LookUp(),)",
        "return ()",
    ),
    "ends while the intent is being written": (
        Call._conclude,
        "if self._writing or",
        "if",
    ),
    "never hangs up": (
        Call.hang_up_needed,
        "return self.leg is Leg.KNOWN",
        "return False",
    ),
    "hangs up live calls only": (
        Call.hang_up_needed,
        "return self.leg is Leg.KNOWN",
        "return self.state is State.LIVE",
    ),
    "forgets that a phone rang": (
        Call.may_have_dialed,
        "(Leg.UNASKED, Leg.NONE)",
        "(Leg.UNASKED, Leg.NONE, Leg.LOST, Leg.KNOWN)",
    ),
    "recovers without hanging up": (
        settle_abandoned,
        "await exchange.line.hang_up(leg)",
        "pass",
    ),
    "recovers without asking the carrier": (
        settle_abandoned,
        "if carrier_call_id is not None and",
        "if False and",
    ),
    "recovers without closing the row": (
        settle_abandoned,
        "await exchange.ledger.close_call(row.call_id, ",
        "(row.call_id, ",
    ),
    "recovers only calls whose leg is known": (
        recover,
        "for row in rows:",
        "for row in [each for each in rows if each.carrier_call_id]:",
    ),
    "writes a state that is behind": (
        OpenLedger.move,
        "str(furthest)",
        "str(state)",
    ),
    "closes a call for a second result": (
        OpenLedger.close_call,
        "if _state_under_way(connection, call_id) is None:",
        "if False:",
    ),
}


@contextmanager
def mutated(function, right, wrong):
    """`function` with a mistake in it, for everybody who has it."""
    function = getattr(function, "fget", function)
    source = textwrap.dedent(inspect.getsource(function)).removeprefix("@property\n")
    assert source.count(right) == 1, f"{function.__qualname__} has no longer what this changes"
    made = {}
    text = "from __future__ import annotations\n" + source.replace(right, wrong)
    exec(text, dict(function.__globals__), made)  # noqa: S102 - our own source
    healthy, function.__code__ = function.__code__, made[function.__name__].__code__
    try:
        yield
    finally:
        function.__code__ = healthy


@pytest.mark.parametrize("name", FOUND_BY_EVENTS_IN_ANY_ORDER)
def test_events_in_any_order_find_it(name):
    test = test_in_any_order_it_moves_forward_dials_once_and_ends_once
    found = settings(QUICKLY, max_examples=3_000)(
        given(begun=BEGUN, events=st.lists(EVENTS, max_size=30))(test.hypothesis.inner_test)
    )
    with mutated(*FOUND_BY_EVENTS_IN_ANY_ORDER[name]), pytest.raises(AssertionError):
        found()


@pytest.mark.parametrize("name", FOUND_THROUGH_CRASHES)
def test_crashes_and_recovery_find_it(name):
    with mutated(*FOUND_THROUGH_CRASHES[name]), pytest.raises(AssertionError):
        run_state_machine_as_test(CallsThroughCrashes, settings=QUICKLY)
