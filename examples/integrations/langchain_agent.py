"""A LangChain agent that rings a restaurant to book a table.

    python examples/integrations/langchain_agent.py

It runs as it is: the call goes over a phone network on this machine to a simulated restaurant, so
nobody is rung, and no account or key is needed. A script does the thinking; with OPENAI_API_KEY
set, OpenAI's models do, that of the agent and that of its voice on the phone.
"""

import asyncio
import os

from langchain.agents import create_agent
from langchain_openai import ChatOpenAI

from patter import OpenAILLM, Patter, ScriptedLLM, ScriptedSTT, ScriptedTTS
from patter.langchain import phone_call_tool
from patter.simulator import Callee, PhoneNetwork, ScriptedChatServer, ToolCall

REQUEST = "Ring Trattoria Roma, +14155552671, and book a table for four at eight, for Ada."
RESTAURANT = Callee(says=["Good evening, Trattoria Roma.", "With pleasure. See you at eight!"])

# What the scripted models say.
CALL = {"to": "+14155552671", "goal": "Book a table for four at eight this evening, for Ada."}
ASSISTANT = [ToolCall("make_phone_call", CALL), "Done: a table for four at eight, for Ada."]
VOICE = ["Good evening! A table for four at eight, please, under the name Ada."]


async def main() -> None:
    async with PhoneNetwork() as network, ScriptedChatServer(ASSISTANT) as script:
        network.add("+14155552671", RESTAURANT)

        if os.environ.get("OPENAI_API_KEY"):
            model, voice = ChatOpenAI(model="gpt-4.1-mini"), OpenAILLM("gpt-4.1-mini")
        else:
            model = ChatOpenAI(model="scripted", base_url=script.base_url, api_key="none")
            voice = ScriptedLLM(VOICE)

        # To ring people: Patter(), with Twilio's credentials, PATTER_PHONE_NUMBER and
        # PATTER_WEBHOOK_URL in the environment, and an stt and a tts that people understand.
        # Those below speak in tones, which only the network's callees do.
        phone = Patter(
            carrier=network.twilio(),
            phone_number="+14155550100",
            ledger=":memory:",
            clock=network.clock,
        )
        tool = phone_call_tool(
            phone, agent={"stt": ScriptedSTT(), "llm": voice, "tts": ScriptedTTS()}
        )

        async with phone:
            agent = create_agent(model, tools=[tool])
            asked = {"messages": [{"role": "user", "content": REQUEST}]}
            async for mode, data in agent.astream(asked, stream_mode=["custom", "values"]):
                if mode == "values":
                    answer = data["messages"][-1].text
                elif data["type"] == "turn":
                    print(f"{data['turn']['role']:>6}: {data['turn']['text']}")
                else:
                    print(f"        ({data['type']})")
        print(answer)


if __name__ == "__main__":
    asyncio.run(main())
