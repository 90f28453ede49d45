"""A process that makes one call and is then ended, or ends: what `fault_processes` starts."""

from __future__ import annotations

import asyncio
import faulthandler
import json
import os
import resource
import signal
import sys
from typing import Any

from benchmarks.fault_moments import Moments, count_awaits, writes_counted
from patter import Limits, Patter, PatterTool
from patter_core.telephony.twilio.account import simulated_account
from tests.calls.kit import PHONE, scripted


def tell(**line: Any) -> None:
    """Say one line."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


class OneCall:
    """The phone, the tool on it, and the call that is made; as `given` has it."""

    def __init__(self, given: dict[str, Any]) -> None:
        account = simulated_account(
            account_sid=given["account_sid"],
            auth_token=given["auth_token"],
            api_base_url=given["api_base_url"],
        )
        self.phone = Patter(
            carrier=account,
            phone_number=PHONE,
            ledger=given["ledger"],
            limits=Limits(carrier_request_sec=1.0),
        )
        self.tool = PatterTool(
            self.phone, scripted(), on_event=lambda event: tell(event=event.type)
        )
        self.arguments = {"to": given["to"], "max_duration_sec": 60, "first_message": "Hi."}
        self.key = given.get("key")
        self.at = given.get("at", 0)

    async def stay(self) -> None:
        """Make the call and stay for its result."""
        tell(ready=True)
        tell(result=(await self.tool.execute(self.arguments, idempotency_key=self.key)).to_dict())

    async def serve(self) -> None:
        """Serve until told to end."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.stay())
            await self.phone.serve(handle_signals=True)

    async def leave(self, *, fork: bool = False) -> None:
        """Make the call, and let the interpreter end with it up."""
        live = await self.tool.submit(self.arguments, idempotency_key=self.key)
        async for event in live.events():
            if event.type == "answered":
                break
        if not fork:
            return
        faulthandler.cancel_dump_traceback_later()  # A child would wait for its thread for ever.
        if os.fork() == 0:
            sys.exit(0)
        os.wait()

    async def full(self) -> None:
        """Call while no file may grow, and once more when they may."""
        await self.tool.start()
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
        tell(result=(await self.tool.execute(self.arguments, idempotency_key=self.key)).to_dict())
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        arguments = {**self.arguments, "max_duration_sec": 4}
        tell(result=(await self.tool.execute(arguments, idempotency_key="after")).to_dict())
        await self.phone.aclose()

    async def die(self) -> None:
        """Make the call, and die at one moment of it; or tell how many there were."""
        moments = Moments()
        await self.tool.start()
        with writes_counted(moments):
            await count_awaits(self.phone, moments)
            moments.arm(self.at, lambda: os.kill(os.getpid(), signal.SIGKILL))
            await self.stay()
        tell(moments=moments.count)


def breed() -> None:
    """Fork a process that dies for each line that is read: nothing has to be imported again."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            asyncio.run(OneCall(json.loads(line)).die())
            sys.exit(0)
        tell(ended=os.waitpid(child, 0)[1])


def main(given: dict[str, Any]) -> None:
    """Do what is to be done, and log where every thread is when that takes too long."""
    if given["then"] == "breed":
        breed()
        return
    faulthandler.dump_traceback_later(18)
    call = OneCall(given)
    then = {
        "stay": call.stay,
        "serve": call.serve,
        "exit": call.leave,
        "fork": lambda: call.leave(fork=True),
        "full": call.full,
    }
    asyncio.run(then[given["then"]]())


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
