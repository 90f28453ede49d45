"""Ledgers to test with, and calls to write into them."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime

import pytest

from patter_core.calls.ledger import CallRow
from patter_core.calls.status import State
from patter_core.clock import SimulatedClock
from patter_core.ledgers.sqlite import SqliteLedger


@pytest.fixture
def clock():
    return SimulatedClock(wall=datetime(2030, 1, 1, tzinfo=UTC))


@pytest.fixture
async def opened(clock):
    """Opens a ledger on a path, and closes it when the test is over."""

    @asynccontextmanager
    async def closing(ledger):
        await ledger.open()
        try:
            yield ledger
        finally:
            await ledger.aclose()

    async with AsyncExitStack() as stack:

        async def open_ledger(path, retention_sec=3600.0):
            ledger = SqliteLedger(path, clock=clock, retention_sec=retention_sec)
            return await stack.enter_async_context(closing(ledger))

        yield open_ledger


@pytest.fixture(params=["file", "memory"])
async def ledger(request, opened, tmp_path):
    return await opened(":memory:" if request.param == "memory" else tmp_path / "calls.db")


@pytest.fixture
def intent():
    """Makes the row of a call that has just been intended."""

    def make(ledger, call_id="call_1", **fields):
        defaults = {
            "owner": ledger.owner,
            "scope": "AC1/+14155550100",
            "key": None,
            "fingerprint": "f1",
            "state": State.INTENT,
            "to": "+14155552671",
            "from_": "+14155550100",
            "intended_at": datetime(2030, 1, 1, 12, 30, 15, 123456, tzinfo=UTC),
        }
        return CallRow(call_id=call_id, **{**defaults, **fields})

    return make
