"""A PydanticAI agent that rings a restaurant.

    python examples/integrations/pydantic_ai_phone.py

It runs as it is: the call goes over a phone network on this machine to a simulated restaurant, and
a script does the thinking, so no account or key is needed.
"""

import asyncio
from typing import Any

from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from patter import Patter, ScriptedLLM, ScriptedSTT, ScriptedTTS
from patter.pydantic_ai import PhoneCallEvent, phone_call_tool
from patter.simulator import Callee, PhoneNetwork, ScriptedChatServer, ToolCall

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
    async with PhoneNetwork() as network, ScriptedChatServer(script) as openai:
        network.add("+14155552671", RESTAURANT)
        provider = OpenAIProvider(base_url=openai.base_url, api_key="none")
        async with phone_on(network) as phone:
            tool = phone_call_tool(phone, agent=voice())
            agent = Agent(OpenAIChatModel("scripted", provider=provider), tools=[tool])

            async def watch(_context: Any, events: Any) -> None:
                async for event in events:
                    if isinstance(event, PhoneCallEvent) and event.type == "turn":
                        turn = event.call["turn"]
                        print(f"{turn['role']:>6}: {turn['text']}")

            print((await agent.run(REQUEST, event_stream_handler=watch)).output)


if __name__ == "__main__":
    asyncio.run(main())
