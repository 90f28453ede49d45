"""A phone network on loopback, which speaks the carriers' wire and rings simulated callees."""

from __future__ import annotations

from patter_core.simulator.callee import Callee, Digits
from patter_core.simulator.chat_server import ScriptedChatServer, ToolCall
from patter_core.simulator.faults import Faults
from patter_core.simulator.leg import Leg
from patter_core.simulator.models.server import ScriptedModelServer
from patter_core.simulator.network import PhoneNetwork
from patter_core.simulator.realtime.server import ScriptedRealtimeServer

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
