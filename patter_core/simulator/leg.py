"""One call as the network has it."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from patter_core.simulator.callee import Callee
    from patter_core.simulator.handset import Handset

Status = Literal[
    "queued",
    "initiated",
    "ringing",
    "in-progress",
    "completed",
    "busy",
    "no-answer",
    "failed",
    "canceled",
]
FINAL = frozenset({"completed", "busy", "no-answer", "failed", "canceled"})

Direction = Literal["outbound-api", "inbound"]

EndedBy = Literal["callee", "caller", "instructions", "time_limit", "network"]
"""Who ended a call. "callee": the simulated person, whichever way it went; "caller": REST;
"instructions": when the TwiML ran out, hung up or refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """A snapshot of one call.

    Attributes:
        direction: "inbound" when the simulated person called.
        live: Whether it has not ended: it rings, or may still ring, or somebody talks.
        answered: Whether somebody, or something, picked up.
        heard: What the callee understood of the agent, utterance by utterance, as it was played.
        said: The callee's lines that were sent to their end.
        digits: All keys that were played to the callee.
        parameters: What the create request carried.
        stream_parameters: What the answer's `<Parameter>` elements carried.
        transferred_to: Numbers that a redirect's `<Dial>` named.
        created_at: Seconds on the network's clock; so are `answered_at` and `ended_at`.
    """

    sid: str
    to: str
    from_: str
    direction: Direction
    status: Status
    live: bool
    answered: bool
    answered_by: str | None
    heard: list[str]
    said: list[str]
    digits: str
    ended_by: EndedBy | None
    time_limit_sec: int | None
    ring_timeout_sec: int
    duration_sec: int | None
    parameters: Mapping[str, list[str]]
    stream_parameters: Mapping[str, str]
    transferred_to: list[str]
    created_at: float
    answered_at: float | None
    ended_at: float | None


@dataclass(slots=True, kw_only=True, eq=False)
class LegRecord:
    """The same call while it goes on: changed on the network's loop only."""

    sid: str = field(default_factory=lambda: "CA" + secrets.token_hex(16))
    to: str
    from_: str
    callee: Callee
    direction: Direction = "outbound-api"
    parameters: dict[str, list[str]]
    time_limit_sec: int | None
    ring_timeout_sec: int
    created_at: float
    status: Status = "queued"
    updated_at: float = 0.0
    started_at: float | None = None
    answered_at: float | None = None
    ended_at: float | None = None
    answered_by: str | None = None
    ended_by: EndedBy | None = None
    handset: Handset | None = None
    stream_parameters: dict[str, str] = field(default_factory=dict[str, str])
    transferred_to: list[str] = field(default_factory=list[str])
    sequence: int = 0
    over: asyncio.Event = field(default_factory=asyncio.Event)
    limit_changed: asyncio.Event = field(default_factory=asyncio.Event)
    redirected: asyncio.Event = field(default_factory=asyncio.Event)
    redirect: str | None = None

    @property
    def live(self) -> bool:
        """Whether it has not ended."""
        return self.status not in FINAL

    def move(self, status: Status, now: float) -> None:
        """Reach `status`; a call that has ended stays as it ended."""
        if self.live:
            self.status = status
            self.updated_at = now

    def end(self, status: Status, ended_by: EndedBy, now: float) -> None:
        """Be over. The first ending counts."""
        if not self.live:
            return
        if self.handset is not None:
            self.handset.put_down()  # Whoever sees that it is over sees all that was heard.
        self.ended_at = now
        self.ended_by = ended_by
        self.move(status, now)
        self.over.set()

    def hang_up(self, now: float) -> None:
        """The simulated person puts the telephone down, answered or not."""
        self.end("canceled" if self.answered_at is None else "completed", "callee", now)

    def parameter(self, name: str, default: str = "") -> str:
        """The create request's `name`, or `default`."""
        values = self.parameters.get(name)
        return values[0] if values else default

    @property
    def duration_sec(self) -> int | None:
        """Whole seconds that were talked, rounded as carriers do; None before the end."""
        if self.ended_at is None:
            return None
        if self.answered_at is None:
            return 0
        return round(self.ended_at - self.answered_at)

    def snapshot(self) -> Leg:
        """The call as it is now. Safe from any thread."""
        handset = self.handset
        return Leg(
            sid=self.sid,
            to=self.to,
            from_=self.from_,
            direction=self.direction,
            status=self.status,
            live=self.live,
            answered=self.answered_at is not None,
            answered_by=self.answered_by,
            heard=list(handset.heard) if handset else [],
            said=list(handset.said) if handset else [],
            digits=handset.digits if handset else "",
            ended_by=self.ended_by,
            time_limit_sec=self.time_limit_sec,
            ring_timeout_sec=self.ring_timeout_sec,
            duration_sec=self.duration_sec,
            parameters=dict(self.parameters),
            stream_parameters=dict(self.stream_parameters),
            transferred_to=list(self.transferred_to),
            created_at=self.created_at,
            answered_at=self.answered_at,
            ended_at=self.ended_at,
        )
