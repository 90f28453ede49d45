"""When to stop asking a tool that keeps failing: plain numbers in, plain values out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Hashable

Outcome = Literal["success", "failure", "neutral"]
"""How an admitted invocation ended. Neutral says nothing about the tool: cancelled, or its author
answered with a refusal of their own."""

_PROBE_WAIT_SEC = 1.0
_KEPT_BREAKERS = 4_096


@dataclass(frozen=True, slots=True)
class Ticket:
    """Leave to go ahead once, good for the state in which it was given."""

    era: int
    probe: bool = False


@dataclass(slots=True, kw_only=True)
class Breaker:
    """Stops asking what keeps failing.

    Closed until `threshold` failures in a row; then open for `cooldown_sec`; then half open: one
    probe decides, whoever else asks meanwhile is turned away. A threshold of 0 never opens.
    """

    threshold: int = 5
    cooldown_sec: float = 30.0
    _failures: int = 0
    _opened_at: float | None = None
    _probing: bool = False
    _era: int = 0
    _ticket: Ticket = field(default=Ticket(0))

    @property
    def pristine(self) -> bool:
        """Whether there is nothing to remember."""
        return self._opened_at is None and not self._failures

    def admit(self, now: float) -> Ticket | None:
        """A ticket to go ahead, or None while resting. Every ticket is settled exactly once."""
        if self._opened_at is None:
            return self._ticket
        if self._probing or now - self._opened_at < self.cooldown_sec:
            return None
        self._probing = True
        return Ticket(self._era, probe=True)

    def settle(self, ticket: Ticket, outcome: Outcome, now: float) -> None:
        """Take a ticket back. One from before the last change of state changes nothing."""
        if ticket.era != self._era or not self.threshold:
            return
        if ticket.probe:
            self._settle_probe(outcome, now)
        elif outcome == "success":
            self._failures = 0
        elif outcome == "failure":
            self._failures += 1
            if self._failures >= self.threshold:
                self._open(now)

    def retry_after_sec(self, now: float) -> float:
        """How long to wait before asking again makes sense; 0 when it does at once."""
        if self._opened_at is None:
            return 0.0
        # Nobody knows how long the probe will take; its answer may come at any moment.
        rest = self._opened_at + self.cooldown_sec - now
        return max(rest, _PROBE_WAIT_SEC if self._probing else 0.0)

    def _settle_probe(self, outcome: Outcome, now: float) -> None:
        self._probing = False
        if outcome == "failure":
            self._open(now)
            return
        self._era += 1
        if outcome == "success":
            self._failures = 0
            self._opened_at = None
            self._ticket = Ticket(self._era)

    def _open(self, now: float) -> None:
        self._opened_at = now
        self._era += 1


class BreakerBoard:
    """The breakers of one phone, shared by all of its calls. Used on one loop only."""

    def __init__(self, *, threshold: int = 5, cooldown_sec: float = 30.0) -> None:
        """Give breakers these numbers unless their tool brings its own; threshold 0 disables."""
        self._threshold = threshold
        self._cooldown_sec = cooldown_sec
        self._breakers: dict[Hashable, Breaker] = {}

    def breaker(
        self, key: Hashable, *, threshold: int | None = None, cooldown_sec: float | None = None
    ) -> Breaker:
        """The one breaker of `key`; with other numbers, another breaker."""
        threshold = self._threshold if threshold is None else threshold
        cooldown_sec = self._cooldown_sec if cooldown_sec is None else cooldown_sec
        whole_key = (key, threshold, cooldown_sec)
        found = self._breakers.get(whole_key)
        if found is None:
            self._forget_pristine()
            found = Breaker(threshold=threshold, cooldown_sec=cooldown_sec)
            self._breakers[whole_key] = found
        return found

    def _forget_pristine(self) -> None:
        # Tenants bring URLs of their own, so that keys may never stop coming.
        if len(self._breakers) >= _KEPT_BREAKERS:
            self._breakers = {k: b for k, b in self._breakers.items() if not b.pristine}
