"""A phone for Hermes Agent, dropped into its `tools/` folder, or enabled as a plugin.

Either copy this file to `tools/patter.py` of a Hermes checkout, which finds it by the statement
`registry.register(...)` at its end, or install Patter into Hermes' environment and enable the
plugin that comes with it:

    plugins:
      enabled: [patter]

Both take the phone from the environment: TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN,
PATTER_PHONE_NUMBER and PATTER_WEBHOOK_URL. With PATTER_SIMULATE set this file rings a simulated
restaurant instead, +14155552671, on a phone network on this machine.
"""

import os

from tools.registry import registry

from patter import Patter, PatterTool, ScriptedLLM, ScriptedSTT, ScriptedTTS
from patter.simulator import Callee, PhoneNetwork


def _tool() -> PatterTool:
    if not os.environ.get("PATTER_SIMULATE"):
        return PatterTool(Patter())
    network = PhoneNetwork()
    network.__enter__()  # As long as Hermes runs.
    says = ["Good evening, Trattoria Roma.", "With pleasure. See you at eight!"]
    network.add("+14155552671", Callee(says=says))
    phone = Patter(
        carrier=network.twilio(),
        phone_number="+14155550100",
        ledger=":memory:",
        clock=network.clock,
    )
    lines = ["Good evening! A table for four at eight, please."]
    return PatterTool(
        phone, {"stt": ScriptedSTT(), "llm": ScriptedLLM(lines), "tts": ScriptedTTS()}
    )


_phone = _tool()

registry.register(
    name=_phone.name,
    toolset="patter",
    schema=_phone.hermes_schema(),
    handler=_phone.hermes_handler(),
    description=_phone.description,
    emoji="📞",
)
