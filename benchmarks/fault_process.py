"""A process that makes one call and is then ended, or ends: what `fault_list` starts."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import sys
from typing import Any

from patter import Limits, Patter, PatterTool
from patter_core.telephony.twilio.account import simulated_account
from tests.calls.kit import PHONE, scripted

GIVEN = json.loads(sys.argv[1])
ARGUMENTS = {"to": GIVEN["to"], "max_duration_sec": 60, "first_message": "Hi."}
KEY = GIVEN.get("key")


def tell(**line: Any) -> None:
    """Say one line."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def make() -> tuple[PatterTool, Patter]:
    """The phone, and the tool on it."""
    account = simulated_account(
        account_sid=GIVEN["account_sid"],
        auth_token=GIVEN["auth_token"],
        api_base_url=GIVEN["api_base_url"],
    )
    phone = Patter(
        carrier=account,
        phone_number=PHONE,
        ledger=GIVEN["ledger"],
        limits=Limits(carrier_request_sec=1.0),
    )
    return PatterTool(phone, scripted(), on_event=lambda event: tell(event=event.type)), phone


async def stay() -> None:
    """Make the call and stay for its result."""
    tool, _ = make()
    tell(ready=True)
    tell(result=(await tool.execute(ARGUMENTS, idempotency_key=KEY)).to_dict())


async def serve() -> None:
    """Serve until told to end."""
    tool, phone = make()

    async def call() -> None:
        tell(result=(await tool.execute(ARGUMENTS, idempotency_key=KEY)).to_dict())

    async with asyncio.TaskGroup() as group:
        group.create_task(call())
        await phone.serve(handle_signals=True)


async def leave(*, fork: bool = False) -> None:
    """Make the call, and let the interpreter end with it up."""
    tool, _ = make()
    live = await tool.submit(ARGUMENTS, idempotency_key=KEY)
    async for event in live.events():
        if event.type == "answered":
            break
    if fork and os.fork() == 0:
        sys.exit(0)
    if fork:
        os.wait()  # noqa: ASYNC222 - the child has nothing to do


async def full() -> None:
    """Call while no file may grow, and once more when they may."""
    tool, phone = make()
    await tool.start()
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    tell(result=(await tool.execute(ARGUMENTS, idempotency_key=KEY)).to_dict())
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    arguments = {**ARGUMENTS, "max_duration_sec": 4}
    result = await tool.execute(arguments, idempotency_key="after")
    tell(result={**result.to_dict(), "status": "completed" if result.may_have_dialed else "none"})
    await phone.aclose()


THEN = {
    "stay": stay,
    "serve": serve,
    "exit": leave,
    "fork": lambda: leave(fork=True),
    "full": full,
}

if __name__ == "__main__":
    asyncio.run(THEN[GIVEN["then"]]())
