"""An agent of the OpenAI Agents SDK that asks for approval, is put away, and rings when resumed.

    python examples/integrations/openai_agents_phone.py

It runs as it is: the call goes over a phone network on this machine to a simulated restaurant, and
a script does the thinking, so no account or key is needed.
"""

import asyncio
from typing import Any

from agents import Agent, RunConfig, Runner, RunState
from agents.testing import ScriptedModel, assistant_message, function_call

from patter import Patter, ScriptedLLM, ScriptedSTT, ScriptedTTS
from patter.openai_agents import phone_call_tool
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


async def main() -> None:
    call = function_call("make_phone_call", CALL, call_id="call_1")
    model = ScriptedModel([[call], [assistant_message(ANSWER)]])
    quiet = RunConfig(tracing_disabled=True)
    async with PhoneNetwork() as network:
        network.add("+14155552671", RESTAURANT)
        async with phone_on(network) as phone:
            tool = phone_call_tool(phone, agent=voice(), needs_approval=True)
            assistant = Agent(name="Assistant", model=model, tools=[tool])

            # With a dict as its context the run keeps the call's key: it never rings twice.
            stopped = await Runner.run(assistant, REQUEST, context={}, run_config=quiet)
            saved = stopped.to_state().to_string()
            print(f"Waiting for approval. Calls so far: {len(network.dials)}")

            state = await RunState.from_string(assistant, saved)
            for question in state.get_interruptions():
                state.approve(question)
            done = await Runner.run(assistant, state, run_config=quiet)
            print(f"Approved. Calls now: {len(network.dials)}")
            print(done.final_output)


if __name__ == "__main__":
    asyncio.run(main())
