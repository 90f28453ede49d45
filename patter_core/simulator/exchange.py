"""What the parts of a running network share: its calls, its callees and its means."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

    import aiohttp

    from patter_core.clock import SimulatedClock
    from patter_core.simulator.callee import Callee
    from patter_core.simulator.faults import Faults
    from patter_core.simulator.leg import LegRecord
    from patter_core.simulator.pace import Pace
    from patter_core.simulator.twilio.webhooks import WebhookSender


@dataclass(slots=True, kw_only=True, eq=False)
class Switch:
    """The state of a network that lives as long as the network object; readable from any thread."""

    account_sid: str
    auth_token: str = field(repr=False)
    clock: SimulatedClock
    faults: Faults
    callees: dict[str, Callee] = field(default_factory=dict["str", "Callee"])
    legs: list[LegRecord] = field(default_factory=list["LegRecord"])
    violations: list[str] = field(default_factory=list[str])

    def leg(self, sid: str) -> LegRecord | None:
        """The call with this id."""
        return next((leg for leg in self.legs if leg.sid == sid), None)

    def violation(self, sentence: str) -> None:
        """Note what a correct program would not have sent."""
        self.violations.append(sentence)


@dataclass(slots=True, kw_only=True, eq=False)
class Exchange:
    """The same network while it is up, on its own loop."""

    switch: Switch
    pace: Pace
    http: aiohttp.ClientSession
    sender: WebhookSender
    tasks: asyncio.TaskGroup
