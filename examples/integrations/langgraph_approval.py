"""A LangGraph agent that asks a person before it rings anybody, and waits for days if need be.

    python examples/integrations/langgraph_approval.py

It runs as it is: the call goes over a phone network on this machine to a simulated restaurant, and
a script does the thinking, so no account or key is needed.
"""

import asyncio
from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from patter import Patter, ScriptedLLM, ScriptedSTT, ScriptedTTS
from patter.langchain import phone_call_tool
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
        async with phone_on(network) as phone:
            agent = create_agent(
                ChatOpenAI(model="scripted", base_url=openai.base_url, api_key="none"),
                tools=[phone_call_tool(phone, agent=voice())],
                middleware=[HumanInTheLoopMiddleware(interrupt_on={"make_phone_call": True})],
                checkpointer=InMemorySaver(),  # A database, for answers that come tomorrow.
            )
            thread = {"configurable": {"thread_id": "ada"}}
            asked = {"messages": [{"role": "user", "content": REQUEST}]}
            waiting = await agent.ainvoke(asked, thread)
            (question,) = waiting["__interrupt__"][0].value["action_requests"]
            print(f"May I ring {question['args']['to']}? Calls so far: {len(network.dials)}")

            # The thread and the tool call's id make a key: resumed twice, it still rings once.
            yes = Command(resume={"decisions": [{"type": "approve"}]})
            state = await agent.ainvoke(yes, thread)
            print(f"Yes. Calls now: {len(network.dials)}")
            print(state["messages"][-1].text)


if __name__ == "__main__":
    asyncio.run(main())
