"""Handing a call over goes through the dial policy too, asked with what the ledger holds then."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from patter import DialPolicy, Limits, Twilio
from patter_core.calls.call_events import TransferAsked
from patter_core.calls.tally import DoNotCall
from patter_core.clock import SimulatedClock
from patter_core.errors import TransferRefused
from patter_core.guest_loop import GuestLoops
from patter_core.ledgers.sqlite import SqliteLedger
from patter_core.switchboard.control import LineControl
from patter_core.switchboard.exchange import Exchange
from patter_core.switchboard.pace import Pace
from patter_core.switchboard.slots import Slots
from tests.calls.kit import PHONE, bounded

DESK = "+14155552671"
NOON = datetime(2026, 1, 15, 20, 0, tzinfo=UTC)  # In California, where the desk is.
NAMED = (DESK, "+19005551234", "+442079460000", "+14155550199")


class Handset:
    """A call's control on an exchange of its own, and what it told the call."""

    def __init__(self, policy, ledger, clock):
        self.told = []
        self.asked = asyncio.Event()
        self.control = LineControl(
            _exchange(policy, ledger, clock),
            destinations=frozenset(NAMED),
            tell=self._hear,
            note=lambda text: None,
        )

    def _hear(self, event):
        self.told.append(event)
        self.asked.set()

    async def refusal(self, target=DESK):
        """Why a transfer is refused; None when the carrier was about to be asked."""
        transfer = asyncio.ensure_future(self.control.transfer(target))
        asked = asyncio.ensure_future(self.asked.wait())
        try:
            await asyncio.wait([transfer, asked], timeout=30, return_when="FIRST_COMPLETED")
            if transfer.done():
                return str(transfer.exception())
            assert self.told == [TransferAsked(target=target)]
            return None
        finally:
            transfer.cancel()
            asked.cancel()


def _exchange(policy, ledger, clock):
    unused = dict.fromkeys(Exchange.__dataclass_fields__)
    return Exchange(
        **{
            **unused,
            "carrier": Twilio("AC" + "1" * 32, "t"),
            "phone_number": PHONE,
            "policy": policy,
            "ledger": ledger,
            "clock": clock,
            "limits": Limits(),
            "slots": Slots(1, queue_length=1, clock=clock),
            "pace": Pace(clock),
            "guests": GuestLoops(),
        }
    )


@pytest.fixture
def clock():
    return SimulatedClock(wall=NOON)


@pytest.fixture
async def ledger(clock):
    ledger = SqliteLedger(":memory:", clock=clock, retention_sec=60)
    await ledger.open()
    yield ledger
    await ledger.aclose()


async def test_a_named_destination_that_the_policy_allows(ledger, clock):
    assert await Handset(DialPolicy(), ledger, clock).refusal() is None
    assert await Handset(DialPolicy.simulation(), ledger, clock).refusal() is None


@pytest.mark.parametrize(
    ("target", "words"),
    [("+19005551234", "kind"), ("+442079460000", "GB"), ("+14155550199", "denies")],
)
async def test_a_named_destination_that_the_policy_refuses(ledger, clock, target, words):
    handset = Handset(DialPolicy(deny=["+14155550199"]), ledger, clock)
    assert words in await handset.refusal(target)
    assert handset.told == []
    assert await handset.refusal() is None, "another destination can still be had"


async def test_a_destination_on_the_do_not_call_list(ledger, clock):
    await ledger.add_do_not_call(DoNotCall(number=DESK, added_at=NOON))
    assert "do-not-call" in await Handset(DialPolicy(), ledger, clock).refusal()


async def test_a_destination_where_it_is_night(ledger):
    clock = SimulatedClock(wall=NOON.replace(hour=10))
    assert "02:00" in await Handset(DialPolicy(), ledger, clock).refusal()


async def test_a_ledger_that_cannot_be_read_connects_nobody(ledger, clock):
    await ledger.aclose()
    handset = Handset(DialPolicy(), ledger, clock)
    assert "could not be read" in await handset.refusal()
    assert handset.told == []


async def test_two_transfers_at_once_are_one(ledger, clock):
    handset = Handset(DialPolicy(), ledger, clock)
    first = asyncio.ensure_future(handset.control.transfer(DESK))
    second = asyncio.ensure_future(handset.control.transfer(DESK))
    other = asyncio.ensure_future(handset.control.transfer("+14155550199"))
    with pytest.raises(TransferRefused, match="under way"):
        await bounded(other)
    await bounded(handset.asked.wait())
    assert handset.told == [TransferAsked(target=DESK)]
    for waiting in (first, second):
        waiting.cancel()
