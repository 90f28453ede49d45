"""A phone network on loopback: try an agent, and test it, without a carrier, a key or a phone.

    async with PhoneNetwork() as network:
        network.add("+14155552671", Callee(says=["Hello?", "Four people at eight.", "Bye."]))
        phone = Patter(carrier=network.twilio(), phone_number="+14155550100",
                       ledger=":memory:", clock=network.clock)

The network moves its clock; a phone that is given it makes a call as fast as the machine computes.
"""

from __future__ import annotations

from patter_core import simulator
from patter_core.simulator import (
    Callee,
    Digits,
    Faults,
    Leg,
    ScriptedChatServer,
    ScriptedModelServer,
    ScriptedRealtimeServer,
    ToolCall,
)
from patter_core.telephony.twilio.account import Twilio, simulated_account

__all__ = [
    "Callee",
    "Digits",
    "Faults",
    "Leg",
    "PhoneNetwork",
    "ScriptedChatServer",
    "ScriptedModelServer",
    "ScriptedRealtimeServer",
    "ToolCall",
]


class PhoneNetwork(simulator.PhoneNetwork):
    """The engine-blind phone network, with an account that the engine can use."""

    def twilio(self) -> Twilio:
        """A Twilio account at this network. Only while it runs."""
        return simulated_account(
            account_sid=self.account_sid,
            auth_token=self.auth_token,
            api_base_url=self.api_base_url,
        )
