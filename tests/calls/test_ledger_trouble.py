"""The ledger fails in the middle of a call: the call ends properly, and is written down later."""

from __future__ import annotations

import asyncio

import pytest

from patter import PatterTool
from patter.simulator import Callee
from tests.calls.kit import CALLEE, Events, bounded, creates, scripted


@pytest.fixture
def path(tmp_path):
    return tmp_path / "calls.sqlite"


async def writable(tool, yes):
    """Let the open ledger of `tool` be written, or not."""
    ledger = tool._phone._settings.ledger
    connection = ledger._opened._database._connection
    pragma = f"PRAGMA query_only = {'OFF' if yes else 'ON'}"
    await asyncio.wrap_future(ledger._workers.post(lambda: connection.execute(pragma) and None))


async def spoilt_call(network, tool, key):
    """A call during which the ledger can be written no more; its result."""
    network.add(CALLEE, Callee(behave="silent", rings_sec=0.0))
    await tool.start()
    events = Events()
    with network.clock.hold():
        running = asyncio.create_task(
            tool.execute(to=CALLEE, max_duration_sec=30, idempotency_key=key, on_event=events)
        )
        await network.until(events.heard_of("answered"))
        await writable(tool, False)
    return await bounded(running)


async def test_the_call_ends_and_is_written_once_the_ledger_can_be(network, new_tool, path):
    tool = new_tool(phone={"ledger": path})
    result = await spoilt_call(network, tool, "k")
    assert (result.status, network.live_legs) == ("timeout", [])
    again = asyncio.create_task(tool.execute(to=CALLEE, max_duration_sec=30, idempotency_key="k"))
    await network.until(lambda: tool._phone._opening._open.desk.live == 1)
    await writable(tool, True)
    replay = await bounded(again)
    assert (replay.replayed, replay.call_id, replay.status) == (True, result.call_id, "timeout")
    assert len(creates(network)) == 1


async def test_a_phone_that_closes_meanwhile_leaves_it_to_the_next_start(network, new_phone, path):
    tool = PatterTool(new_phone(ledger=path), scripted())
    result = await spoilt_call(network, tool, "k")
    await bounded(tool.stop())
    later = new_phone(ledger=path)
    await bounded(later.start())
    found = await bounded(later.result(result.call_id))
    assert (found.status, found.may_have_dialed) == ("interrupted", True)
