"""A LlamaIndex agent that rings a restaurant, and tells of the call while it goes on.

    python examples/integrations/llama_index_agent.py

It runs as it is: the call goes over a phone network on this machine to a simulated restaurant, and
a script does the thinking, so no account or key is needed.
"""

import asyncio
from typing import Any

from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage, MessageRole, ToolCallBlock
from llama_index.core.llms.mock import MockFunctionCallingLLM

from patter import Patter, ScriptedLLM, ScriptedSTT, ScriptedTTS
from patter.llama_index import PhoneCallEvent, phone_call_tool
from patter.simulator import Callee, PhoneNetwork

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


def think(messages: list[ChatMessage], **_options: Any) -> ChatMessage:
    """The script; `llama_index.llms.openai.OpenAI(...)` thinks for itself."""
    if any(message.role == MessageRole.TOOL for message in messages):
        return ChatMessage(role="assistant", content=ANSWER)
    call = ToolCallBlock(tool_call_id="call_1", tool_name="make_phone_call", tool_kwargs=CALL)
    return ChatMessage(role="assistant", blocks=[call])


async def main() -> None:
    async with PhoneNetwork() as network:
        network.add("+14155552671", RESTAURANT)
        async with phone_on(network) as phone:
            agent = FunctionAgent(
                llm=MockFunctionCallingLLM(response_generator=think, is_chat_model=True),
                tools=[phone_call_tool(phone, agent=voice())],
                streaming=False,
            )
            running = agent.run(REQUEST)
            async for event in running.stream_events():
                if isinstance(event, PhoneCallEvent) and event.type == "turn":
                    turn = event.data["turn"]
                    print(f"{turn['role']:>6}: {turn['text']}")
            print((await running).response.content)


if __name__ == "__main__":
    asyncio.run(main())
