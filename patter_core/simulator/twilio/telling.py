"""What the engine is told about one call: its callbacks, in turn, or spoilt on command."""

from __future__ import annotations

import asyncio
from email.utils import format_datetime
from typing import TYPE_CHECKING

from patter_core.simulator.twilio.webhooks import Webhook

if TYPE_CHECKING:
    from patter_core.simulator.exchange import Exchange
    from patter_core.simulator.leg import LegRecord

_REORDERED_SEC = 1.0
_SIP_CODES = {"busy": "486", "no-answer": "487", "failed": "404", "canceled": "487"}


class Telling:
    """Makes and sends the callbacks of one call, one after the other."""

    def __init__(self, exchange: Exchange, leg: LegRecord) -> None:
        """Begin with nothing told."""
        self._exchange = exchange
        self._switch = exchange.switch
        self._clock = exchange.switch.clock
        self._leg = leg
        self._turn = asyncio.Lock()
        self._held_back: Webhook | None = None

    def basics(self, status: str | None = None) -> dict[str, str]:
        """What every webhook about the call carries."""
        leg = self._leg
        return {
            "CallSid": leg.sid,
            "AccountSid": self._switch.account_sid,
            "From": leg.from_,
            "To": leg.to,
            "Caller": leg.from_,
            "Called": leg.to,
            "CallStatus": status or leg.status,
            "ApiVersion": "2010-04-01",
            "Direction": leg.direction,
            "FromCity": "",
            "FromCountry": "US",
            "ToCity": "",
            "ToCountry": "US",
        }

    def progress(self, event: str, status: str | None = None) -> Webhook | None:
        """The callback for `event`; None when nobody asked for it."""
        leg = self._leg
        url = leg.parameter("StatusCallback")
        if not url or event not in leg.parameters.get("StatusCallbackEvent", ["completed"]):
            return None
        form = self.basics(status) | {
            "CallbackSource": "call-progress-events",
            "SequenceNumber": str(leg.sequence),
            "Timestamp": format_datetime(self._clock.wall()),
        }
        leg.sequence += 1
        if event == "completed":
            seconds = leg.duration_sec or 0
            form["CallDuration"] = str(seconds)
            form["Duration"] = str(-(-seconds // 60))
            form["SipResponseCode"] = _SIP_CODES.get(leg.status, "200")
        method = leg.parameter("StatusCallbackMethod", "POST")
        return Webhook(kind=event, url=url, form=form, method=method)

    async def send(self, webhook: Webhook) -> None:
        """Send a callback, in turn, with what goes wrong on command."""
        async with self._turn:
            fault = self._switch.faults.strike("callback")
            kind = fault.kind if fault else None
            if kind == "lost":
                self._exchange.sender.lose(webhook)
                return
            if kind == "reordered" and self._held_back is None and webhook.kind != "completed":
                self._held_back = webhook
                self._exchange.tasks.create_task(self._release_later())
                return
            await self._exchange.sender.send(webhook)
            if kind == "doubled":
                await self._exchange.sender.send(webhook)
            await self.send_held_back()

    async def _release_later(self) -> None:
        await self._clock.sleep(_REORDERED_SEC)
        await self.send_held_back()

    async def send_held_back(self) -> None:
        """Send what was kept back to come out of order."""
        webhook, self._held_back = self._held_back, None
        if webhook is not None:
            await self._exchange.sender.send(webhook)
