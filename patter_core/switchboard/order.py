"""One order for a call: what is wanted, by whom, and who wants to hear of it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from patter_core.agent import Agent
    from patter_core.calls.arguments import CallArguments
    from patter_core.calls.request import CallRequest
    from patter_core.guest_loop import Guest


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What one call should be.

    Attributes:
        arguments: Checked. Of a call to us, `to` is our own number.
        from_: The number that rings, E.164; of a call to us, whatever the carrier says.
        agent: Who speaks.
        key: The caller's idempotency key.
        approve: Asked before a line is taken.
        guest: Runs this call's hooks where they belong.
        ring_timeout_sec: How long it rings.
        machine_detection: Whether the carrier should tell who or what answers.
        recording: Whether the call is recorded.
        voicemail_message: What is said to a machine that answers, before the call is ended.
        arriving: The carrier's id of a call that somebody made to us; None for one that we make.
    """

    arguments: CallArguments
    from_: str
    agent: Agent
    key: str | None
    approve: Callable[[CallRequest], Awaitable[bool | str] | bool | str] | None
    guest: Guest
    ring_timeout_sec: int = 25
    machine_detection: bool = True
    recording: bool = False
    voicemail_message: str | None = None
    arriving: str | None = None

    @property
    def fingerprint(self) -> str:
        """Equal for orders that ask for the same thing: what a key may be used for again."""
        text = json.dumps(self.arguments.model_dump(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()
