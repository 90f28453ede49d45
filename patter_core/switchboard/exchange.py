"""What all calls of one open phone share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from patter_core.calls.redaction import Redaction
from patter_core.telephony.callref import sign
from patter_core.telephony.carrier import scope_of

if TYPE_CHECKING:
    from patter_core.calls.ledger import CallLedger
    from patter_core.calls.policy import DialPolicy
    from patter_core.clock import Clock
    from patter_core.config import Limits
    from patter_core.guest_loop import GuestLoops
    from patter_core.pipeline.resources import Resources
    from patter_core.switchboard.call_tools import Toolbox
    from patter_core.switchboard.pace import Pace
    from patter_core.switchboard.recordings import Recordings
    from patter_core.switchboard.slots import Slots
    from patter_core.telephony.carrier import Carrier, Line


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """The equipment behind every call of one open phone.

    Attributes:
        phone_number: The number that rings people, E.164.
        public_url: Where the carrier reaches our door: scheme and host, no slash at the end.
        redaction: What must not get out.
    """

    carrier: Carrier
    line: Line
    phone_number: str
    public_url: str
    policy: DialPolicy
    ledger: CallLedger
    clock: Clock
    limits: Limits
    slots: Slots
    pace: Pace
    guests: GuestLoops
    resources: Resources
    recordings: Recordings
    toolbox: Toolbox
    redaction: Redaction = field(default_factory=Redaction)

    @property
    def scope(self) -> str:
        """Within which a key means one call, and caps count."""
        return scope_of(self.carrier, self.phone_number)

    def callref(self, call_id: str) -> str:
        """The signed reference that proves that a request is about this call."""
        return sign(call_id, self.ledger.signing_key)

    def webhook_url(self, kind: str, call_id: str) -> str:
        """Where the carrier reports on a call; `kind` is answer, status or machine."""
        return f"{self.public_url}/{self.carrier.name}/{kind}/{self.callref(call_id)}"

    @property
    def media_url(self) -> str:
        """Where the carrier connects the audio: the same place, as a socket."""
        return f"ws{self.public_url.removeprefix('http')}/{self.carrier.name}/media"
