"""Anthropic's tool runner with a phone.

    python examples/integrations/anthropic_phone_tool.py

It runs as it is: the call goes over a phone network on this machine to a simulated restaurant, and
a script does the thinking, so no account or key is needed.
"""

import asyncio
from typing import Any

from anthropic import AsyncAnthropic

from patter import Patter, ScriptedLLM, ScriptedSTT, ScriptedTTS
from patter.anthropic import phone_call_tool
from patter.simulator import Callee, PhoneNetwork, ScriptedModelServer, ToolCall

REQUEST = "Ring Trattoria Roma, +14155552671, and book a table for four at eight, for Ada."
RESTAURANT = Callee(says=["Good evening, Trattoria Roma.", "With pleasure. See you at eight!"])

# What the scripted models say.
CALL = {"to": "+14155552671", "goal": "Book a table for four at eight this evening, for Ada."}
VOICE = ["Good evening! A table for four at eight, please, under the name Ada."]
ANSWER = "Done: a table for four at eight, for Ada."


def phone_on(network: PhoneNetwork) -> Patter:
    """To ring people: Patter(), with the carrier's credentials in the environment."""
    return Patter(
        carrier=network.twilio(),
        phone_number="+14155550100",
        ledger=":memory:",
        clock=network.clock,
    )


def voice() -> dict[str, Any]:
    """Who speaks. These ears and this voice know tones only, as the network's callees do."""
    return {"stt": ScriptedSTT(), "llm": ScriptedLLM(VOICE), "tts": ScriptedTTS()}


async def main() -> None:
    script = [ToolCall("make_phone_call", CALL), ANSWER]
    async with PhoneNetwork() as network, ScriptedModelServer(script) as service:
        network.add("+14155552671", RESTAURANT)
        # With a key in the environment: AsyncAnthropic(), and the name of a model.
        client = AsyncAnthropic(base_url=service.url, api_key="none")
        async with phone_on(network) as phone, client:
            runner = client.beta.messages.tool_runner(
                model="scripted",
                max_tokens=1_000,
                messages=[{"role": "user", "content": REQUEST}],
                tools=[phone_call_tool(phone, agent=voice())],
            )
            message = await runner.until_done()
            print(message.content[0].text)


if __name__ == "__main__":
    asyncio.run(main())
