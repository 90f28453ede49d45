"""OpenAI's Assistants API with a phone: a run that asks for the tool gets its output.

    python examples/integrations/openai_assistant_phone_tool.py

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
        # With a key in the environment: AsyncOpenAI(), and the name of a model. OpenAI has
        # deprecated this API: a new program is better off with responses_phone_tool.py.
        client = AsyncOpenAI(base_url=f"{service.url}/v1", api_key="none")
        async with phone_on(network) as phone, client:
            tool = PatterTool(phone, voice())
            threads, runs = client.beta.threads, client.beta.threads.runs
            assistant = await client.beta.assistants.create(
                model="scripted", tools=[tool.openai_schema()]
            )
            thread = await threads.create()
            await threads.messages.create(thread.id, role="user", content=REQUEST)
            run = await runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)
            while run.status == "requires_action" and run.required_action is not None:
                calls = run.required_action.submit_tool_outputs.tool_calls
                # The service cancels a run that waits longer than ten minutes for its outputs.
                outputs: list[Any] = [await tool.dispatch(call) for call in calls]
                print(f"The call: {json.loads(outputs[0]['output'])['status']}")
                run = await runs.submit_tool_outputs_and_poll(
                    run_id=run.id, thread_id=thread.id, tool_outputs=outputs
                )
            said = await threads.messages.list(thread.id)
            print(said.data[0].content[0].text.value)


if __name__ == "__main__":
    asyncio.run(main())
