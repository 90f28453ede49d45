"""A process with a ledger, told by lines and answering by lines.

`ledger_process.py <what> <path>`, `what` being a function of this file.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import resource
import sys
from datetime import UTC, datetime

from patter_core.calls.ledger import CallRow
from patter_core.calls.result import CallResult
from patter_core.calls.status import State
from patter_core.calls.transcript import Turn
from patter_core.clock import SystemClock
from patter_core.errors import LedgerError
from patter_core.ledgers.sqlite import SqliteLedger

NOBODY = 65534


def say(*words):
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def listen():
    return sys.stdin.readline().strip()


def row(ledger, call_id, key=None):
    return CallRow(
        call_id=call_id,
        owner=ledger.owner,
        scope="scope",
        key=key,
        fingerprint="f",
        state=State.INTENT,
        to="+14155552671",
        from_="+14155550100",
        intended_at=datetime.now(UTC),
    )


async def agree(ledger):
    """Open when told, and say the signing key."""
    say("ready")
    listen()
    await ledger.open()
    say(ledger.signing_key.hex())
    listen()
    await ledger.aclose()


async def race(ledger):
    """Intend a call under each key that is given, and say who has it."""
    await ledger.open()
    say("ready")
    while key := listen():
        holder = await ledger.intend(row(ledger, f"{key}-{os.getpid()}", key))
        say("won" if holder is None else holder.call_id)
    await ledger.aclose()


async def carry(ledger):
    """Carry a call until told to stop, or killed."""
    await ledger.open()
    call_id = f"call_{os.getpid()}"
    await ledger.intend(row(ledger, call_id))
    await ledger.move(call_id, State.LIVE, carrier_call_id=f"CA{os.getpid()}")
    ledger.note_turn(call_id, Turn(role="user", text="Hello?", started_ms=0))
    await ledger.read(call_id)
    say(ledger.owner, call_id)
    listen()
    await ledger.aclose()


def fork(ledger):
    """Carry a call and have a child, which tries the ledger and then lives until told to end."""

    async def begin():
        await ledger.open()
        await ledger.intend(row(ledger, "call_parent"))
        say("parent", ledger.owner)

    async def attempt():
        try:
            await ledger.read("call_parent")
        except LedgerError:
            say("child", "refused")
        await ledger.aclose()

    async def end():
        await ledger.move("call_parent", State.RINGING)
        say("after", await ledger.owner_lives(ledger.owner))
        await ledger.aclose()

    asyncio.run(begin())
    child = os.fork()
    if child == 0:
        asyncio.run(attempt())
        listen()
        return
    os.waitpid(child, 0)
    asyncio.run(end())


def leave_to_exit(ledger):
    """Open, end the main thread, and close the call while the interpreter exits."""

    async def begin():
        await ledger.open()
        await ledger.intend(row(ledger, "call_1"))

    async def end():
        ledger.note_turn("call_1", Turn(role="user", text="Bye.", started_ms=5))
        await ledger.move("call_1", State.ENDING)
        result = CallResult(call_id="call_1", status="interrupted", may_have_dialed=True)
        say("closed", await ledger.close_call("call_1", result))
        await ledger.aclose()

    asyncio.run(begin())
    atexit.register(lambda: asyncio.run(end()))


async def powerless(ledger):
    """Open with no rights beyond everybody's, and say what goes wrong."""
    if os.getuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    try:
        await ledger.open()
        await ledger.intend(row(ledger, "call_1"))
    except LedgerError as error:
        say("error", error)
    else:
        say("worked")
    await ledger.aclose()


async def cramped(ledger):
    """Write until files may not grow, then have room again; say what happens."""
    await ledger.open()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, before[1]))
    written = 0
    try:
        for written in range(1_000):
            await ledger.intend(row(ledger, f"call_{written}", "k" * 1_000 + str(written)))
    except LedgerError as error:
        say("error", error)
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    await ledger.intend(row(ledger, f"call_{written}", "k" * 1_000 + str(written)))
    say("again", (await ledger.read(f"call_{written}")) is not None)
    await ledger.aclose()


if __name__ == "__main__":
    what = globals()[sys.argv[1]]
    mine = SqliteLedger(sys.argv[2], clock=SystemClock(), retention_sec=3600)
    if asyncio.iscoroutinefunction(what):
        asyncio.run(what(mine))
    else:
        what(mine)
