"""A ledger counts what a phone has used up, and lets an intent in only when it is told to."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta

import pytest

from patter_core.calls.cost import Cost
from patter_core.calls.policy import Refusal
from patter_core.calls.result import CallResult
from patter_core.calls.tally import DoNotCall, Tally

NOW = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)
HOUR, DAY, TICK = timedelta(hours=1), timedelta(days=1), timedelta(microseconds=1)
CALLEE = "+14155552671"
SCOPE = "AC1/+14155550100"
NO = Refusal(code="policy_calls_per_hour", sentence="Enough")


def result_of(call_id="call_1", **fields):
    return CallResult(call_id=call_id, **{"status": "completed", "may_have_dialed": True, **fields})


async def test_nothing_is_used_up_at_first(ledger):
    assert await ledger.tally(SCOPE, CALLEE, NOW) == Tally()


async def test_calls_count_in_windows_that_roll(ledger, intent):
    ages = [TICK, HOUR - TICK, HOUR, DAY - TICK, DAY, 2 * DAY]
    for index, age in enumerate(ages):
        row = intent(ledger, f"call_{index}", intended_at=NOW - age, charge_usd=0.1)
        await ledger.intend(row)
    assert await ledger.tally(SCOPE, CALLEE, NOW) == Tally(
        calls_to_number=4, calls_in_hour=2, calls_in_day=4, usd_in_day=0.4, usd_in_all=0.6
    )


async def test_a_call_in_the_future_counts_in_every_window(ledger, intent):
    """A clock that was set back loosens no cap."""
    for index, ahead in enumerate((TICK, HOUR, DAY, 30 * DAY)):
        await ledger.intend(intent(ledger, f"call_{index}", intended_at=NOW + ahead))
    tally = await ledger.tally(SCOPE, CALLEE, NOW)
    assert (tally.calls_to_number, tally.calls_in_hour, tally.calls_in_day) == (4, 4, 4)


async def test_each_callee_and_each_scope_is_counted_apart(ledger, intent):
    await ledger.intend(intent(ledger, "call_1", intended_at=NOW))
    await ledger.intend(intent(ledger, "call_2", intended_at=NOW, to="+14155552672"))
    await ledger.intend(intent(ledger, "call_3", intended_at=NOW, scope="other"))
    tally = await ledger.tally(SCOPE, CALLEE, NOW)
    assert (tally.calls_to_number, tally.calls_in_day) == (1, 2)


async def test_a_call_to_us_costs_and_does_not_count(ledger, intent):
    await ledger.intend(intent(ledger, intended_at=NOW, counts=False))
    inbound = result_of(direction="inbound", may_have_dialed=False, cost=Cost(telephony=0.02))
    await ledger.close_call("call_1", inbound)
    tally = await ledger.tally(SCOPE, CALLEE, NOW)
    assert (tally.calls_in_day, tally.usd_in_day) == (0, 0.02)


@pytest.mark.parametrize(
    ("fields", "usd", "calls"),
    [
        ({"cost": Cost(telephony=0.014, llm=0.001)}, 0.015, 1),
        ({"cost": Cost(telephony=0.3)}, 0.3, 1),
        ({"status": "busy", "error_code": "busy"}, 0, 1),
        ({"status": "canceled", "may_have_dialed": False}, 0, 0),
        ({"status": "failed", "error_code": "carrier_refused", "may_have_dialed": False}, 0, 0),
        # Nobody knows what became of the leg, or how long it lasted.
        ({"status": "failed", "error_code": "dial_unknown"}, 0.056, 1),
        ({"status": "interrupted", "error_code": "engine_stopped"}, 0.056, 1),
        (
            {
                "status": "interrupted",
                "error_code": "engine_stopped",
                "cost": Cost(telephony=0.014),
            },
            0.014,
            1,
        ),
    ],
)
async def test_a_reservation_becomes_what_the_call_cost(ledger, intent, fields, usd, calls):
    await ledger.intend(intent(ledger, intended_at=NOW, charge_usd=0.056))
    assert (await ledger.tally(SCOPE, CALLEE, NOW)).usd_in_day == 0.056
    await ledger.close_call("call_1", result_of(**fields))
    tally = await ledger.tally(SCOPE, CALLEE, NOW)
    assert (tally.usd_in_day, tally.usd_in_all, tally.calls_in_day) == (usd, usd, calls)
    await ledger.close_call("call_1", result_of(cost=Cost(telephony=9)))
    assert await ledger.tally(SCOPE, CALLEE, NOW) == tally, "only the first result counts"


async def test_an_intent_that_is_not_admitted_is_not_written(ledger, intent):
    assert await ledger.intend(intent(ledger, key="k1"), lambda tally: NO) == NO
    assert await ledger.read("call_1") is None
    assert await ledger.intend(intent(ledger, "call_2", key="k1"), lambda tally: None) is None


async def test_admitting_sees_what_was_used_up_before(ledger, intent):
    seen = []
    for index in range(3):
        row = intent(ledger, f"call_{index}", intended_at=NOW, charge_usd=0.01)
        await ledger.intend(row, lambda tally: seen.append(tally))
    assert [(tally.calls_in_hour, tally.usd_in_day) for tally in seen] == [
        (0, 0),
        (1, 0.01),
        (2, 0.02),
    ]


async def test_the_holder_of_a_key_comes_before_any_rule(ledger, intent):
    await ledger.intend(intent(ledger, key="k1"))
    holder = await ledger.intend(intent(ledger, "call_2", key="k1"), lambda tally: NO)
    assert holder.call_id == "call_1"


async def test_what_admitting_raises_is_raised_and_nothing_is_written(ledger, intent):
    def admit(tally):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await ledger.intend(intent(ledger), admit)
    assert await ledger.read("call_1") is None
    assert await ledger.intend(intent(ledger)) is None


async def test_two_ledgers_on_a_file_admit_together_no_more_than_the_cap(opened, intent, tmp_path):
    first, second = [await opened(tmp_path / "calls.db") for _ in range(2)]
    threads = set()

    def admit(tally):
        threads.add(threading.get_ident())
        return NO if tally.calls_in_hour >= 10 else None

    outcomes = await asyncio.gather(
        *(
            ledger.intend(intent(ledger, f"{name}{n}", intended_at=NOW), admit)
            for n in range(50)
            for name, ledger in (("a", first), ("b", second))
        )
    )
    assert outcomes.count(None) == 10
    assert outcomes.count(NO) == 90
    assert len(threads) == 2


async def test_budgets_are_not_overshot_by_calls_at_once(opened, intent, tmp_path):
    first, second = [await opened(tmp_path / "calls.db") for _ in range(2)]

    def admit(tally):
        return NO if round(tally.usd_in_day + 0.1, 6) > 1.0 else None

    await asyncio.gather(
        *(
            ledger.intend(intent(ledger, f"{name}{n}", intended_at=NOW, charge_usd=0.1), admit)
            for n in range(50)
            for name, ledger in (("a", first), ("b", second))
        )
    )
    assert (await first.tally(SCOPE, CALLEE, NOW)).usd_in_day == 1.0


async def test_the_do_not_call_list_keeps_who_is_on_it(ledger):
    first = DoNotCall(number=CALLEE, added_at=NOW, call_id="call_1")
    second = DoNotCall(number="+14155552672", added_at=NOW + HOUR)
    assert await ledger.add_do_not_call(first)
    assert await ledger.add_do_not_call(second)
    assert not await ledger.add_do_not_call(DoNotCall(number=CALLEE, added_at=NOW + DAY))
    assert await ledger.do_not_call_list() == [first, second]
    assert (await ledger.tally(SCOPE, CALLEE, NOW)).do_not_call
    assert not (await ledger.tally(SCOPE, "+14155552673", NOW)).do_not_call
    assert await ledger.remove_do_not_call(CALLEE)
    assert not await ledger.remove_do_not_call(CALLEE)
    assert await ledger.do_not_call_list() == [second]


async def test_the_do_not_call_list_outlives_the_ledger_that_wrote_it(opened, tmp_path):
    entry = DoNotCall(number=CALLEE, added_at=NOW)
    await (await opened(tmp_path / "calls.db")).add_do_not_call(entry)
    assert await (await opened(tmp_path / "calls.db")).do_not_call_list() == [entry]
