"""The breaker held to a model of it, by hypothesis, on a clock that moves when told."""

from __future__ import annotations

from typing import ClassVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from patter_core.tools.breaker import Breaker, Outcome, Ticket

OUTCOMES = st.sampled_from(["success", "failure", "neutral"])


class BreakerMachine(RuleBasedStateMachine):
    """The breaker beside a plainer account of the same: three states, told by name.

    Attributes:
        kind: The breaker that is looked at.
    """

    kind: ClassVar[type[Breaker]] = Breaker

    def __init__(self):
        super().__init__()
        self.now = 0.0
        self.state = "closed"
        self.opened_at = 0.0
        self.failures = 0
        self.current: list[Ticket] = []
        self.stale: list[Ticket] = []
        self.probe: Ticket | None = None
        self.returned: list[Ticket] = []

    @initialize(threshold=st.integers(0, 3), cooldown_sec=st.sampled_from([1.0, 30.0]))
    def start(self, threshold: int, cooldown_sec: float):
        self.breaker = self.kind(threshold=threshold, cooldown_sec=cooldown_sec)

    @rule(rests=st.sampled_from([0.25, 0.5, 1.0]))
    def wait(self, rests: float):
        self.now += rests * self.breaker.cooldown_sec

    @precondition(lambda self: self.state == "closed")
    @rule(outcomes=st.lists(OUTCOMES, min_size=1, max_size=6))
    def use(self, outcomes: list[Outcome]):
        for outcome in outcomes:
            if self.state == "closed":
                self.ask()
                self.settle_one(-1, outcome)

    @precondition(lambda self: self.state == "closed" and self.breaker.threshold)
    @rule()
    def fail_until_it_opens(self):
        while self.state == "closed":
            self.ask()
            self.settle_one(-1, "failure")

    @rule()
    def ask(self):
        ticket = self.breaker.admit(self.now)
        rested = self.now - self.opened_at >= self.breaker.cooldown_sec
        if self.state == "closed":
            assert ticket is not None
            self.current.append(ticket)
        elif self.state == "open" and rested:
            assert ticket is not None
            self.state, self.probe = "half-open", ticket
        else:
            assert ticket is None

    @precondition(lambda self: self.current)
    @rule(data=st.data(), outcome=OUTCOMES)
    def settle(self, data: st.DataObject, outcome: Outcome):
        self.settle_one(data.draw(st.integers(0, len(self.current) - 1)), outcome)

    def settle_one(self, index: int, outcome: Outcome):
        self.breaker.settle(self.current.pop(index), outcome, self.now)
        if outcome == "success":
            self.failures = 0
        elif outcome == "failure":
            self.failures += 1
            if self.breaker.threshold and self.failures >= self.breaker.threshold:
                self.open()

    @precondition(lambda self: self.probe)
    @rule(outcome=OUTCOMES)
    def settle_probe(self, outcome: Outcome):
        self.breaker.settle(self.probe, outcome, self.now)
        self.returned.append(self.probe)
        self.probe = None
        if outcome == "failure":
            self.open()
        elif outcome == "success":
            self.state, self.failures = "closed", 0
        else:
            self.state = "open"

    @precondition(lambda self: self.stale)
    @rule(outcome=OUTCOMES)
    def settle_late(self, outcome: Outcome):
        self.breaker.settle(self.stale.pop(), outcome, self.now)

    @precondition(lambda self: self.returned)
    @rule(data=st.data(), outcome=OUTCOMES)
    def settle_a_probe_again(self, data: st.DataObject, outcome: Outcome):
        self.breaker.settle(data.draw(st.sampled_from(self.returned)), outcome, self.now)

    def open(self):
        self.state, self.opened_at = "open", self.now
        self.stale += self.current
        self.current = []

    @invariant()
    def the_wait_it_tells_is_true(self):
        if not hasattr(self, "breaker"):
            return
        wait_sec = self.breaker.retry_after_sec(self.now)
        if self.state == "closed":
            assert wait_sec == 0
        elif self.state == "open":
            rest_sec = self.opened_at + self.breaker.cooldown_sec - self.now
            assert wait_sec == pytest.approx(max(rest_sec, 0.0))
        else:
            assert wait_sec > 0
