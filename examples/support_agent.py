"""A shop's agent on the phone: it looks orders up, and takes things back.

    python examples/support_agent.py

It runs as it is: the call goes over a phone network on this machine to a simulated customer, so
nobody is rung, and no account or key is needed. Orders are behind a web service, here a small one
on this machine, returns are a function in this process; the agent does not see the difference. A
script does the thinking; with OPENAI_API_KEY set, OpenAI's model does.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal

from aiohttp import web

from patter import (
    OpenAILLM,
    Patter,
    ScriptedLLM,
    ScriptedSTT,
    ScriptedToolCall,
    ScriptedTTS,
    ToolError,
    tool,
)
from patter.simulator import Callee, PhoneNetwork

PROMPT = """You speak for Kettle & Cup, a shop for tea things, with a customer who asked to be rung.
You tell how far an order is, and you take things back. Ask for the order's number first.
Say goodbye and hang up once the customer wants nothing more."""
CUSTOMER = Callee(
    says=[
        "Hello?",
        "It is about order ORD-104233. Where is it?",
        "It leaks! Can I send the kettle back?",
        "No, that is all. Thank you!",
        "Bye.",
    ]
)
ORDERS = {"ORD-104233": {"status": "delivered", "day": "Tuesday", "items": {"K-7": "kettle"}}}


@tool
async def start_return(
    order_id: Annotated[str, "The order's number, as in ORD-104233"],
    item_id: Annotated[str, "Which of its items, by the item_id that find_order tells"],
    reason: Literal["defective", "wrong_item", "changed_mind", "other"],
) -> dict[str, str]:
    """Take one item of an order back. Returns the number that goes on the parcel."""
    if item_id not in ORDERS.get(order_id, {}).get("items", {}):
        raise ToolError("This order has no such item. Ask the customer which one they mean.")
    return {"parcel_number": f"R{order_id[-3:]}", "reason": reason}


def find_order(url: str) -> dict[str, object]:
    """The tool that asks the shop's web service; a plain dict will do."""
    return {
        "name": "find_order",
        "description": "Look an order up: how far it is, and the item_id of everything in it.",
        "parameters": {
            "type": "object",
            "properties": {"order_id": {"type": "string", "description": "As in ORD-104233"}},
            "required": ["order_id"],
        },
        "webhook_url": url,
        "reassurance": "One moment, I am looking for it.",
    }


@asynccontextmanager
async def web_service() -> AsyncIterator[str]:
    """The shop's orders by HTTP; yields the address, host and port."""

    async def answer(request: web.Request) -> web.Response:
        asked = await request.json()  # The arguments, and which call it is, and whose.
        return web.json_response(ORDERS.get(asked["arguments"]["order_id"], {"status": "unknown"}))

    app = web.Application()
    app.router.add_post("/orders", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def script(messages: list[Any]) -> object:
    """What the scripted model says, or asks for, after the last of `messages`."""
    said, answer = messages[-1].text, {}
    if messages[-1].role == "tool":
        answer = json.loads(said)
    if "ORD-104233" in said:
        return ScriptedToolCall("find_order", {"order_id": "ORD-104233"})
    if "send the kettle back" in said:
        item = {"order_id": "ORD-104233", "item_id": "K-7", "reason": "defective"}
        return ["I am sorry.", ScriptedToolCall("start_return", item)]
    if "status" in answer:
        return f"It was {answer['status']} on {answer['day']}. Is anything wrong with it?"
    if "parcel_number" in answer:
        return f"Please write {answer['parcel_number']} on the parcel. Anything else?"
    if "that is all" in said:
        return ["Goodbye!", ScriptedToolCall("end_call", {"reason": "The customer is content."})]
    return "Which order is it about?" if messages[-1].role == "user" else ""


async def main() -> None:
    async with PhoneNetwork() as network, web_service() as host:
        network.add("+14155552671", CUSTOMER)
        phone = Patter(
            carrier=network.twilio(),
            phone_number="+14155550100",
            ledger=":memory:",
            clock=network.clock,
            allow_hosts=[host],  # Only because it is on this machine: public addresses need none.
        )
        agent = phone.agent(
            system_prompt=PROMPT,
            first_message="Hello, this is Kettle and Cup. You asked us to ring you.",
            tools=[find_order(f"http://{host}/orders"), start_return],
            stt=ScriptedSTT(),
            llm=OpenAILLM() if os.environ.get("OPENAI_API_KEY") else ScriptedLLM(script),
            tts=ScriptedTTS(),
        )
        async with phone:
            result = await phone.call("+14155552671", agent)
        for turn in result.transcript:
            print(f"{turn.role:>6}: {turn.text}")
        print(f"{result.status}, ended by {result.ended_by}")


if __name__ == "__main__":
    asyncio.run(main())
