"""OpenAI's Responses API with a phone, in a loop of one's own.

    python examples/integrations/responses_phone_tool.py

It runs as it is: the call goes over a phone network on this machine to a simulated restaurant, and
a script does the thinking, so no account or key is needed.
"""

import asyncio
import json
from typing import Any

from openai import AsyncOpenAI

from patter import Patter, PatterTool, ScriptedLLM, ScriptedSTT, ScriptedTTS
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
        # With a key in the environment: AsyncOpenAI(), and the name of a model.
        client = AsyncOpenAI(base_url=f"{service.url}/v1", api_key="none")
        async with phone_on(network) as phone, client:
            tool = PatterTool(phone, voice())
            items: list[Any] = [{"role": "user", "content": REQUEST}]
            while True:
                response = await client.responses.create(
                    model="scripted", input=items, tools=[tool.openai_responses_schema(strict=True)]
                )
                calls = [item for item in response.output if item.type == "function_call"]
                if not calls:
                    break
                items += [item.to_dict() for item in response.output]
                for call in calls:
                    items.append(await tool.dispatch(call))
                    print(f"The call: {json.loads(items[-1]['output'])['status']}")
            print(response.output_text)


if __name__ == "__main__":
    asyncio.run(main())
