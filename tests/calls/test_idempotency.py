"""The same key is the same call, whoever asks and however often."""

from __future__ import annotations

import asyncio

import pytest

from patter import DialPolicy, Limits, Patter, PatterTool
from patter.simulator import Callee
from tests.calls.kit import CALLEE, OTHER_CALLEE, PHONE, Events, bounded, creates, said, scripted


async def test_the_same_key_later_replays_the_result(network, new_tool):
    tool = new_tool("Hm?", "Ah.")
    first = await bounded(tool.execute(to=CALLEE, goal="x", idempotency_key="k"))
    again = await bounded(tool.execute({"to": CALLEE, "goal": "x"}, idempotency_key="k"))
    assert (first.status, first.replayed) == ("completed", False)
    assert again.replayed
    assert again.to_dict() == {**first.to_dict(), "replayed": True}
    assert len(creates(network)) == 1


async def test_the_same_key_a_hundred_times_at_once_dials_once(network, new_tool):
    tool = new_tool("Hm?", "Ah.")
    results = await bounded(
        asyncio.gather(
            *(tool.execute(to=CALLEE, goal="x", idempotency_key="k") for _ in range(100))
        )
    )
    assert len(creates(network)) == 1
    assert len({result.call_id for result in results}) == 1
    assert {result.status for result in results} == {"completed"}
    assert sum(not result.replayed for result in results) == 1
    assert len({str(said(result)) for result in results}) == 1


async def test_every_waiter_of_one_call_hears_every_event(network, new_tool):
    tool = new_tool()
    events = [Events() for _ in range(3)]
    await bounded(
        asyncio.gather(
            *(tool.execute(to=CALLEE, idempotency_key="k", on_event=each) for each in events)
        )
    )
    assert events[0].types == events[1].types == events[2].types
    assert events[0].types[0] == "queued"
    assert events[0].types[-1] == "ended"


@pytest.mark.parametrize("other", [{"to": OTHER_CALLEE}, {"goal": "y"}, {"max_duration_sec": 99}])
async def test_a_key_used_for_something_else_is_a_conflict(network, new_tool, other):
    tool = new_tool()
    arguments = {"to": CALLEE, "goal": "x"}
    live = await bounded(tool.submit(arguments, idempotency_key="k"))
    during = await bounded(tool.execute({**arguments, **other}, idempotency_key="k"))
    await bounded(live.result())
    after = await bounded(tool.execute({**arguments, **other}, idempotency_key="k"))
    for conflict in (during, after):
        assert (conflict.status, conflict.error_code) == ("rejected", "idempotency_conflict")
        assert (conflict.may_have_dialed, conflict.retryable) == (False, False)
    assert len(creates(network)) == 1


async def test_a_conflict_asks_nobody_for_approval(network, new_tool):
    asked = []

    def approve(request):
        asked.append(request)
        return True

    tool = new_tool(approve=approve)
    await bounded(tool.execute(to=CALLEE, goal="x", idempotency_key="k"))
    await bounded(tool.execute(to=CALLEE, goal="y", idempotency_key="k"))
    await bounded(tool.execute(to=CALLEE, goal="x", idempotency_key="k"))
    assert len(asked) == 1


async def test_without_a_key_every_call_is_one_of_its_own(network, new_tool):
    tool = new_tool()
    results = [await bounded(tool.execute(to=CALLEE)) for _ in range(2)]
    assert len({result.call_id for result in results}) == len(creates(network)) == 2


async def test_a_busy_callee_is_replayed_too_for_a_phone_rang(network, new_tool):
    network.add(CALLEE, Callee(behave="busy"))
    tool = new_tool()
    await bounded(tool.execute(to=CALLEE, idempotency_key="k"))
    again = await bounded(tool.execute(to=CALLEE, idempotency_key="k"))
    assert (again.status, again.replayed, len(creates(network))) == ("busy", True, 1)


async def test_a_canceled_call_is_replayed_when_it_was_dialled(network, new_tool):
    network.add(CALLEE, Callee(behave="silent"))
    tool = new_tool()
    live = await bounded(tool.submit(to=CALLEE, idempotency_key="k", max_duration_sec=1800))
    await network.until(lambda: network.live_legs)
    await live.hang_up()
    assert (await bounded(live.result())).status == "canceled"
    again = await bounded(tool.execute(to=CALLEE, idempotency_key="k", max_duration_sec=1800))
    assert (again.status, again.replayed, len(creates(network))) == ("canceled", True, 1)


async def test_a_carrier_that_was_not_reached_leaves_the_key_free(network, new_tool, unused_port):
    """One ledger, first with a carrier that is not there, then with the one that is."""
    from patter_core.telephony.twilio.account import simulated_account

    account = simulated_account(
        account_sid=network.account_sid,
        auth_token=network.auth_token,
        api_base_url=f"http://127.0.0.1:{unused_port}",
    )
    tool = new_tool(phone={"ledger": ":memory:"})
    phone = Patter(carrier=account, phone_number=PHONE, ledger=":memory:", clock=network.clock)
    unreachable = PatterTool(phone, scripted())
    try:
        for _ in range(2):
            result = await bounded(unreachable.execute(to=CALLEE, idempotency_key="k"))
            assert (result.status, result.error_code) == ("failed", "carrier_not_reached")
            assert (result.retryable, result.may_have_dialed) == (True, False)
            assert not result.replayed
    finally:
        await bounded(unreachable.stop())
    result = await bounded(tool.execute(to=CALLEE, idempotency_key="k"))
    assert (result.status, result.replayed) == ("completed", False)


async def test_a_key_freed_by_a_carrier_not_reached_dials_on_the_same_ledger(
    network, new_tool, tmp_path, unused_port
):
    from patter_core.telephony.twilio.account import simulated_account

    ledger = tmp_path / "calls.sqlite"
    account = simulated_account(
        account_sid=network.account_sid,
        auth_token=network.auth_token,
        api_base_url=f"http://127.0.0.1:{unused_port}",
    )
    phone = Patter(carrier=account, phone_number=PHONE, ledger=ledger, clock=network.clock)
    unreachable = PatterTool(phone, scripted())
    result = await bounded(unreachable.execute(to=CALLEE, idempotency_key="k"))
    await bounded(unreachable.stop())
    assert result.error_code == "carrier_not_reached"
    result = await bounded(
        new_tool(phone={"ledger": ledger}).execute(to=CALLEE, idempotency_key="k")
    )
    assert (result.status, result.replayed) == ("completed", False)


async def test_a_refusal_leaves_the_key_free(network, new_tool):
    network.faults.create("400")
    tool = new_tool()
    first = await bounded(tool.execute(to=CALLEE, idempotency_key="k"))
    assert (first.status, first.error_code) == ("failed", "carrier_refused")
    assert (first.may_have_dialed, first.retryable) == (False, False)
    again = await bounded(tool.execute(to=CALLEE, idempotency_key="k"))
    assert (again.status, again.replayed) == ("completed", False)


async def test_a_rejection_leaves_the_key_free(network, new_phone, tmp_path):
    ledger = tmp_path / "calls.sqlite"
    strict = PatterTool(
        new_phone(policy=DialPolicy.simulation(dry_run=True), ledger=ledger), scripted()
    )
    assert (await bounded(strict.execute(to=CALLEE, idempotency_key="k"))).error_code == "dry_run"
    lax = PatterTool(new_phone(ledger=ledger), scripted())
    result = await bounded(lax.execute(to=CALLEE, idempotency_key="k"))
    assert (result.status, result.replayed) == ("completed", False)


async def test_a_call_cancelled_in_the_queue_leaves_its_key_free(network, new_tool):
    network.add(OTHER_CALLEE, Callee(behave="silent"))
    tool = new_tool()
    with network.clock.hold():
        blocker = await bounded(tool.submit(to=OTHER_CALLEE))
        waiting = asyncio.create_task(tool.execute(to=CALLEE, idempotency_key="k"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        waiting.cancel()
        await blocker.hang_up()
        await bounded(blocker.result())
    result = await bounded(tool.execute(to=CALLEE, idempotency_key="k"))
    assert (result.status, result.replayed) == ("completed", False)
    assert [leg.to for leg in network.dials] == [OTHER_CALLEE, CALLEE]


async def test_keys_survive_a_restart(network, new_tool, tmp_path):
    ledger = tmp_path / "calls.sqlite"
    tool = new_tool("Hm?", "Ah.", phone={"ledger": ledger})
    first = await bounded(tool.execute(to=CALLEE, idempotency_key="k"))
    await bounded(tool.stop())
    await bounded(tool.start())
    reopened = await bounded(tool.execute(to=CALLEE, idempotency_key="k"))
    await bounded(tool.stop())
    other = new_tool(phone={"ledger": ledger})
    again = await bounded(other.execute(to=CALLEE, idempotency_key="k"))
    assert again.replayed
    assert reopened.to_dict() == again.to_dict() == {**first.to_dict(), "replayed": True}
    assert len(creates(network)) == 1


async def test_a_call_of_another_phone_on_the_ledger_is_joined(network, new_tool, tmp_path):
    ledger = tmp_path / "calls.sqlite"
    one = new_tool("Hm?", "Ah.", phone={"ledger": ledger})
    other = new_tool(phone={"ledger": ledger})
    live = await bounded(one.submit(to=CALLEE, idempotency_key="k"))
    joined = await bounded(other.execute(to=CALLEE, idempotency_key="k"))
    first = await bounded(live.result())
    assert joined.replayed
    assert joined.to_dict() == {**first.to_dict(), "replayed": True}
    assert len(creates(network)) == 1


async def test_two_phones_race_for_a_key_and_dial_once(network, new_tool, tmp_path):
    ledger = tmp_path / "calls.sqlite"
    tools = [
        new_tool("Hm?", "Ah.", phone={"ledger": ledger, "max_concurrent_calls": 5})
        for _ in range(3)
    ]
    for tool in tools:
        await bounded(tool.start())
    for round_ in range(3):
        results = await bounded(
            asyncio.gather(
                *(tool.execute(to=CALLEE, idempotency_key=f"k{round_}") for tool in tools * 4)
            )
        )
        assert {result.status for result in results} == {"completed"}
        assert len({result.call_id for result in results}) == 1
        assert len(creates(network)) == round_ + 1


async def test_a_result_can_be_fetched_later_by_id_and_by_key(network, new_tool, tmp_path):
    tool = new_tool("Hm?", "Ah.", phone={"ledger": tmp_path / "calls.sqlite"})
    live = await bounded(tool.submit(to=CALLEE, idempotency_key="k"))
    phone = tool._phone
    assert (await bounded(phone.result(live.call_id))).status == "in_progress"
    result = await bounded(live.result())
    assert (await bounded(phone.result(result.call_id))).to_dict() == result.to_dict()
    assert (await bounded(phone.result("k"))).to_dict() == result.to_dict()
    assert await bounded(phone.result("nobody-knows-this")) is None


@pytest.mark.parametrize("key", ["", " ", "x" * 501, 5, True, b"k", "\ud800", ["k"]])
async def test_a_key_that_is_none_is_rejected(network, new_tool, key):
    result = await bounded(new_tool().execute(to=CALLEE, idempotency_key=key))
    assert (result.status, result.error_code) == ("rejected", "invalid_arguments")
    assert "idempotency_key" in result.error
    assert creates(network) == []


async def test_a_strange_key_is_a_key(network, new_tool):
    tool = new_tool()
    for key in ("' OR 1=1 --", "🐫" * 100, "a\x00b", "%", "thread:1|x" * 40):
        first = await bounded(tool.execute(to=CALLEE, idempotency_key=key))
        again = await bounded(tool.execute(to=CALLEE, idempotency_key=key))
        assert (first.replayed, again.replayed) == (False, True), key
    assert len(creates(network)) == 5


async def test_the_number_at_the_other_end_of_a_key_is_part_of_its_scope(
    network, new_tool, tmp_path
):
    ledger = tmp_path / "calls.sqlite"
    one = new_tool(phone={"ledger": ledger})
    phone = Patter(
        carrier=network.twilio(), phone_number="+14155550101", ledger=ledger, clock=network.clock
    )
    other = PatterTool(phone, scripted())
    try:
        first = await bounded(one.execute(to=CALLEE, idempotency_key="k"))
        second = await bounded(other.execute(to=CALLEE, idempotency_key="k"))
    finally:
        await bounded(other.stop())
    assert first.call_id != second.call_id
    assert len(creates(network)) == 2


async def test_waiting_for_another_phones_call_can_be_cancelled(network, new_tool, tmp_path):
    network.add(CALLEE, Callee(behave="silent"))
    ledger = tmp_path / "calls.sqlite"
    one = new_tool(phone={"ledger": ledger})
    other = new_tool(phone={"ledger": ledger, "limits": Limits(drain_sec=2.0)})
    with network.clock.hold():
        live = await bounded(one.submit(to=CALLEE, idempotency_key="k"))
        await network.until(lambda: network.live_legs)
        joiner = asyncio.create_task(other.execute(to=CALLEE, idempotency_key="k"))
        await network.until(
            lambda: other._phone._opening._open is not None and other._phone._opening._open._desk
        )
        await network.until(lambda: other._phone._opening._open.desk.live == 1)
        joiner.cancel()
        with pytest.raises(asyncio.CancelledError):
            await bounded(joiner)
        await network.until(lambda: other._phone._opening._open.desk.live == 0)
        assert len(network.live_legs) == 1, "the other phone's call goes on"
        await live.hang_up()
        assert (await bounded(live.result())).status == "canceled"
