"""A process that makes a call, says by lines how it goes, and then ends in the way it was told.

Its arguments are one JSON object: the carrier's account and address, the ledger, whom to ring, and
`then`: what to do once somebody has answered.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading

from patter import Patter, PatterTool, ScriptedToolCall
from patter_core.config import Limits
from patter_core.telephony.twilio.account import simulated_account
from tests.calls.kit import PHONE, scripted

GIVEN = json.loads(sys.argv[1])


def tell(**line):
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def agent():
    """One that has the same to say to everything, or one that transfers calls."""
    number = GIVEN.get("transfer_to")
    if number is None:
        return scripted()
    asked = ScriptedToolCall("transfer_call", {"number": number})
    return scripted(lambda _messages: asked, transfer_to=number)


def make_tool(answered=None):
    def on_event(event):
        tell(event=event.type, call_id=event.call_id)
        if event.type == "answered" and answered is not None:
            answered.set()

    account = simulated_account(
        account_sid=GIVEN["account_sid"],
        auth_token=GIVEN["auth_token"],
        api_base_url=GIVEN["api_base_url"],
    )
    phone = Patter(
        carrier=account,
        phone_number=PHONE,
        ledger=GIVEN.get("ledger", ":memory:"),
        limits=Limits(**GIVEN.get("limits", {})),
    )
    recording = GIVEN.get("recording", False)
    return PatterTool(phone, agent(), on_event=on_event, recording=recording), phone


ARGUMENTS = {"to": GIVEN.get("to"), "max_duration_sec": 60, "first_message": "Hi."}
KEY = GIVEN.get("key")


async def end_with_the_call_awaited():
    """`asyncio.run` cancels the task; nobody waits for what follows."""
    answered = threading.Event()
    tool, _ = make_tool(answered)
    task = asyncio.create_task(tool.execute(ARGUMENTS))
    await asyncio.get_running_loop().run_in_executor(None, answered.wait)
    assert not task.done()


async def end_with_the_call_submitted():
    """Nothing is cancelled: only the interpreter's exit can end the call."""
    answered = threading.Event()
    tool, _ = make_tool(answered)
    await tool.start()
    live = await tool.submit(ARGUMENTS)
    async for event in live.events():
        tell(event=event.type, call_id=event.call_id)
        if event.type == "answered":
            return


async def end_by_an_exception():
    await end_with_the_call_submitted()
    raise RuntimeError("the program has a mistake")


async def end_while_dialling():
    """The interpreter ends before the carrier has answered the request that dials."""
    tool, _ = make_tool()
    await tool.start()
    live = await tool.submit(ARGUMENTS)
    async for event in live.events():
        tell(event=event.type, call_id=event.call_id)
        if event.type == "dialing":
            return


async def stay():
    """Make the call, and live until told otherwise."""
    tool, _ = make_tool()
    result = await tool.execute(ARGUMENTS, idempotency_key=KEY)
    tell(result=result.to_dict())


async def serve():
    tool, phone = make_tool()

    async def call_once_open():
        result = await tool.execute(ARGUMENTS)
        tell(result=result.to_dict())

    async with asyncio.TaskGroup() as group:
        group.create_task(call_once_open())
        await phone.serve(handle_signals=True)
        tell(served=True)


def leave_a_daemon_thread():
    answered = threading.Event()
    tool, _ = make_tool()
    threading.Thread(
        target=lambda: tool.execute_blocking(
            ARGUMENTS, on_event=lambda event: event.type == "answered" and answered.set()
        ),
        daemon=True,
    ).start()
    answered.wait()


def interrupt():
    tool, _ = make_tool()
    try:
        tool.execute_blocking(ARGUMENTS)
    except KeyboardInterrupt:
        tell(interrupted=True)
        sys.stdin.readline()


def only_open():
    tool, phone = make_tool()

    async def main():
        await tool.start()
        tell(url=phone.url)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        await tool.stop()

    asyncio.run(main())


THEN = {
    "end awaited": lambda: asyncio.run(end_with_the_call_awaited()),
    "end submitted": lambda: asyncio.run(end_with_the_call_submitted()),
    "end by exception": lambda: asyncio.run(end_by_an_exception()),
    "end dialling": lambda: asyncio.run(end_while_dialling()),
    "end with a daemon thread": leave_a_daemon_thread,
    "interrupt": interrupt,
    "stay": lambda: asyncio.run(stay()),
    "serve": lambda: asyncio.run(serve()),
    "open": only_open,
}

if __name__ == "__main__":
    THEN[GIVEN["then"]]()
