"""A hand on a call that is under way: what its holder may do to it."""

from __future__ import annotations

import asyncio

import pytest

from patter.simulator import Callee
from patter_core.errors import ArgumentError, TransferRefused
from tests.calls.kit import CALLEE, bounded, hang_ups, said, scripted

DESK = "+14155550142"


@pytest.fixture(autouse=True)
async def quiet(network):
    network.add(CALLEE, Callee(behave="silent", hangs_up_after_sec=120.0))


async def answered(phone, **parts):
    """A call that somebody has answered, and heard "Hi." in."""
    live = await bounded(phone.place_call(CALLEE, scripted(**parts), first_message="Hi."))
    async for event in live.events():
        if event.type == "turn":
            return live
    raise AssertionError("nobody said anything")


async def test_keys_are_pressed_and_noted(network, new_phone):
    live = await answered(new_phone())
    assert await live.send_digits("12#")
    await network.until(lambda: network.dials[0].digits == "12#", what="the keys to be heard")
    await live.hang_up()
    result = await bounded(live.result())
    assert ("system", "Digits were sent: 12#") in said(result)
    assert not await live.send_digits("1")


@pytest.mark.parametrize("digits", ["", "x", "1 2", "\u0661"])
async def test_what_is_no_key_is_refused_by_name(network, new_phone, digits):
    live = await answered(new_phone())
    with pytest.raises(ArgumentError, match="'digits' must be of 0-9"):
        await live.send_digits(digits)
    await live.hang_up()
    assert (await bounded(live.result())).status == "canceled"


async def test_a_call_is_handed_over_from_another_loop(network, new_phone):
    live = await answered(new_phone(), transfer_to=DESK)
    await bounded(asyncio.to_thread(lambda: asyncio.run(live.transfer(DESK))))
    result = await bounded(live.result())
    assert (result.status, result.ended_by) == ("completed", "agent")
    assert said(result)[-1] == ("system", f"The call was transferred to {DESK}")
    assert network.dials[0].transferred_to == [DESK]
    assert hang_ups(network) == []
    with pytest.raises(TransferRefused, match="not live"):
        await bounded(live.transfer(DESK))


async def test_nobody_else_than_the_developer_named_is_connected(network, new_phone):
    live = await answered(new_phone(), transfer_to=DESK)
    with pytest.raises(TransferRefused, match="not allowed"):
        await bounded(live.transfer("+14155550199"))
    await live.hang_up()
    assert (await bounded(live.result())).status == "canceled"


async def test_a_transfer_of_a_call_that_ends_meanwhile_is_answered(network, new_phone):
    live = await answered(new_phone(), transfer_to=DESK)
    network.faults.hang_ups("hang")
    async with asyncio.TaskGroup() as tasks:
        handing_over = tasks.create_task(_outcome(live.transfer(DESK)))
        await network.until(lambda: len(network.requests) > 1, what="the carrier to be asked")
        await live.hang_up()
        result = await bounded(live.result(), 30)
        assert "over before" in await bounded(handing_over)
    assert result.status in ("canceled", "completed")


async def _outcome(transfer):
    try:
        await transfer
    except TransferRefused as refused:
        return str(refused)
    return ""
