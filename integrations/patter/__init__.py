"""Patter gives any text agent a phone.

    from patter import Patter, PatterTool, Twilio

Names are imported on first use, so that `import patter` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from patter_core.calls.cost import Prices
    from patter_core.calls.policy import DialPolicy
    from patter_core.calls.request import CallRequest
    from patter_core.calls.result import CallResult
    from patter_core.config import Limits
    from patter_core.contract.phone_tool import PatterTool
    from patter_core.errors import PatterError, ToolSchemaError
    from patter_core.phone import Patter
    from patter_core.pipeline.providers.local import LocalSTT, LocalTTS
    from patter_core.pipeline.providers.openai import OpenAILLM
    from patter_core.pipeline.providers.scripted import (
        ScriptedLLM,
        ScriptedSTT,
        ScriptedToolCall,
        ScriptedTTS,
    )
    from patter_core.pipeline.realtime.engine import OpenAIRealtime, SemanticVad, ServerVad
    from patter_core.pipeline.realtime.usage import RealtimePrices
    from patter_core.pipeline.turn_settings import TurnSettings
    from patter_core.switchboard.live_call import LiveCall
    from patter_core.telephony.twilio.account import Twilio
    from patter_core.tools.definition import Tool, tool
    from patter_core.tools.invocation import ToolError, ToolInvocation, ToolResult
    from patter_core.tools.toolset import Toolset

__all__ = [
    "CallRequest",
    "CallResult",
    "DialPolicy",
    "Limits",
    "LiveCall",
    "LocalSTT",
    "LocalTTS",
    "OpenAILLM",
    "OpenAIRealtime",
    "Patter",
    "PatterError",
    "PatterTool",
    "Prices",
    "RealtimePrices",
    "ScriptedLLM",
    "ScriptedSTT",
    "ScriptedTTS",
    "ScriptedToolCall",
    "SemanticVad",
    "ServerVad",
    "Tool",
    "ToolError",
    "ToolInvocation",
    "ToolResult",
    "ToolSchemaError",
    "Toolset",
    "TurnSettings",
    "Twilio",
    "tool",
]

_HOMES = {
    "CallRequest": "patter_core.calls.request",
    "CallResult": "patter_core.calls.result",
    "DialPolicy": "patter_core.calls.policy",
    "Limits": "patter_core.config",
    "LiveCall": "patter_core.switchboard.live_call",
    "LocalSTT": "patter_core.pipeline.providers.local",
    "LocalTTS": "patter_core.pipeline.providers.local",
    "OpenAILLM": "patter_core.pipeline.providers.openai",
    "OpenAIRealtime": "patter_core.pipeline.realtime.engine",
    "Patter": "patter_core.phone",
    "PatterError": "patter_core.errors",
    "PatterTool": "patter_core.contract.phone_tool",
    "Prices": "patter_core.calls.cost",
    "RealtimePrices": "patter_core.pipeline.realtime.usage",
    "ScriptedLLM": "patter_core.pipeline.providers.scripted",
    "ScriptedSTT": "patter_core.pipeline.providers.scripted",
    "ScriptedTTS": "patter_core.pipeline.providers.scripted",
    "ScriptedToolCall": "patter_core.pipeline.providers.scripted",
    "SemanticVad": "patter_core.pipeline.realtime.engine",
    "ServerVad": "patter_core.pipeline.realtime.engine",
    "Tool": "patter_core.tools.definition",
    "ToolError": "patter_core.tools.invocation",
    "ToolInvocation": "patter_core.tools.invocation",
    "ToolResult": "patter_core.tools.invocation",
    "ToolSchemaError": "patter_core.errors",
    "Toolset": "patter_core.tools.toolset",
    "TurnSettings": "patter_core.pipeline.turn_settings",
    "Twilio": "patter_core.telephony.twilio.account",
    "tool": "patter_core.tools.definition",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'patter' has no attribute {name!r}")
    value: object = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
