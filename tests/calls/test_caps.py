"""A policy that is no simulation's, on the phone network: caps, budgets, lists, hours, consent."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from patter import CallRequest, DialPolicy, Patter, PatterTool
from patter.simulator import Callee
from patter_core.errors import ArgumentError
from tests.calls.kit import CALLEE, OTHER_CALLEE, PHONE, bounded, creates, scripted

DAY = timedelta(days=1)
MORNING = datetime(2026, 1, 15, 17, 0, tzinfo=UTC)  # 9:00 in California, where the callee is.


def daytime(**rules):
    """The whole policy at any time of day, without the caps that a test is not about."""
    caps = {"calls_per_number": None, "calls_per_hour": None, "calls_per_day": None}
    return DialPolicy(**{"calling_hours": None, **caps, **rules})


def set_wall(network, moment):
    """Set the wall clock, as somebody might: time itself goes on as it was."""
    network.clock._wall += moment - network.clock.wall()


async def ring(tool, **arguments):
    result = await bounded(tool.execute(**{"to": CALLEE, **arguments}))
    return result.error_code or result.status


async def test_a_hundred_calls_at_once_make_as_many_as_the_cap_allows(network, new_tool):
    tool = new_tool(
        phone={
            "policy": daytime(calls_per_hour=10),
            "max_concurrent_calls": 100,
            "ledger": ":memory:",
        }
    )
    results = await bounded(asyncio.gather(*(tool.execute(to=CALLEE) for _ in range(100))), 50)
    assert len(creates(network)) == 10
    assert [result.status for result in results].count("completed") == 10
    refused = [result for result in results if result.status == "rejected"]
    assert {result.error_code for result in refused} == {"policy_calls_per_hour"}
    assert not any(
        result.may_have_dialed or result.retryable or result.call_id for result in refused
    )
    assert len(refused) == 90


async def test_a_budget_is_not_overshot_by_calls_at_once(network, new_tool, tmp_path):
    # A call may cost $0.056 (four begun minutes with the carrier's margin), and then costs $0.014.
    tool = new_tool(
        phone={
            "policy": daytime(usd_per_day=0.3),
            "max_concurrent_calls": 50,
            "ledger": tmp_path / "calls.sqlite",
        }
    )
    results = await bounded(asyncio.gather(*(tool.execute(to=CALLEE) for _ in range(50))), 50)
    made = [result for result in results if result.status == "completed"]
    assert len(made) == len(creates(network))
    assert sum(result.cost_usd for result in made) <= 0.3
    assert len(made) >= 5
    assert {result.error_code for result in results if result not in made} == {"policy_usd_per_day"}


async def test_what_a_call_did_not_use_up_is_there_for_the_next(network, new_tool):
    tool = new_tool(phone={"policy": daytime(usd_per_phone=0.084)})
    assert [await ring(tool) for _ in range(4)] == ["completed"] * 3 + ["policy_usd_per_phone"]
    assert await ring(tool, max_duration_sec=30) == "completed", "a smaller reservation fits"


async def test_one_call_that_may_cost_too_much_is_refused(network, new_tool):
    tool = new_tool(phone={"policy": daytime(usd_per_call=0.06)})
    assert await ring(tool, max_duration_sec=600) == "policy_usd_per_call"
    assert await ring(tool) == "completed"
    assert len(creates(network)) == 1


async def test_a_number_is_rung_so_often_in_any_day_and_no_more(network, new_tool):
    network.add(OTHER_CALLEE, Callee(says=["Hello?", "Bye."]))
    tool = new_tool(phone={"policy": daytime(calls_per_number=2)})
    set_wall(network, MORNING)
    assert [await ring(tool) for _ in range(3)] == [
        "completed",
        "completed",
        "policy_calls_per_number",
    ]
    assert await ring(tool, to=OTHER_CALLEE) == "completed"
    set_wall(network, MORNING + DAY - timedelta(minutes=5))
    assert await ring(tool) == "policy_calls_per_number"
    set_wall(network, MORNING + DAY + timedelta(hours=1))
    assert await ring(tool) == "completed"


async def test_a_clock_that_is_set_back_loosens_no_cap(network, new_tool):
    tool = new_tool(phone={"policy": daytime(calls_per_hour=1)})
    set_wall(network, MORNING)
    assert await ring(tool) == "completed"
    set_wall(network, MORNING - DAY)
    assert await ring(tool) == "policy_calls_per_hour"
    set_wall(network, MORNING + DAY)
    assert await ring(tool) == "completed"


async def test_a_clock_that_jumps_during_a_call_ends_it_neither_sooner_nor_later(network, new_tool):
    for jump in (DAY, -DAY):
        tool = new_tool(phone={"policy": daytime()})
        call = asyncio.ensure_future(tool.execute(to=CALLEE))
        await network.until(lambda: bool(network.live_legs), what="a leg")
        set_wall(network, network.clock.wall() + jump)
        result = await bounded(call)
        assert (result.status, result.cost_usd) == ("completed", 0.014)
        assert 0 < result.duration_seconds < 60


async def test_a_call_that_the_carrier_refused_is_not_counted(network, new_tool):
    tool = new_tool(phone={"policy": daytime(calls_per_day=1, usd_per_day=0.056)})
    network.faults.create("400")
    assert await ring(tool) == "carrier_refused"
    assert await ring(tool) == "completed"
    assert await ring(tool) == "policy_calls_per_day"


async def test_a_call_that_may_have_been_made_keeps_its_reservation(network, new_tool):
    tool = new_tool(phone={"policy": daytime(usd_per_day=0.1)})
    network.faults.create("503")
    assert await ring(tool) == "dial_unknown"
    assert await ring(tool) == "policy_usd_per_day"


async def test_at_night_nobody_is_rung(network, new_tool):
    tool = new_tool(phone={"policy": DialPolicy()})
    for hours, code in ((-1.1, "policy_quiet_hours"), (0, "completed"), (13, "policy_quiet_hours")):
        set_wall(network, MORNING + timedelta(hours=hours))
        assert await ring(tool) == code
    assert len(creates(network)) == 1


async def test_the_hour_counts_when_the_intent_is_written_not_when_the_call_was_asked_for(
    network, new_tool
):
    def approve(request):
        set_wall(network, MORNING + timedelta(hours=15))
        return True

    set_wall(network, MORNING)
    tool = new_tool(phone={"policy": DialPolicy()}, approve=approve)
    assert await ring(tool) == "policy_quiet_hours"


@pytest.mark.parametrize(
    ("to", "code"),
    [
        ("+19005551234", "policy_kind"),
        ("+870773111632", "policy_kind"),
        ("+442079460000", "policy_country"),
        ("+1415555267", "policy_number"),
    ],
)
async def test_what_never_changes_is_asked_before_a_person_is(network, new_tool, to, code):
    asked = []
    tool = new_tool(phone={"policy": daytime(consent=asked.append)}, approve=asked.append)
    assert await ring(tool, to=to) == code
    assert asked == []
    assert creates(network) == []


@pytest.mark.parametrize("answer", [False, None, "", "They never signed up.", 1])
async def test_without_consent_nobody_is_rung(network, new_tool, answer):
    tool = new_tool(phone={"policy": daytime(consent=lambda request: answer)})
    result = await bounded(tool.execute(to=CALLEE))
    assert (result.status, result.error_code) == ("rejected", "policy_consent")
    assert creates(network) == []
    if answer == "They never signed up.":
        assert answer in result.error


async def test_consent_is_asked_like_an_approval_and_before_it(network, new_tool):
    asked = []

    async def consent(request):
        asked.append(("consent", request, asyncio.get_running_loop()))
        return True

    def approve(request):
        asked.append(("approve", request, None))
        return True

    phone = {"policy": daytime(consent=consent)}
    tool = new_tool(phone=phone, approve=approve)
    await tool.start()
    assert await ring(tool, goal="x") == "completed"
    request = CallRequest(
        to=CALLEE, goal="x", first_message=None, max_duration_sec=180, price_estimate_usd=0.056
    )
    assert asked == [
        ("consent", request, asyncio.get_running_loop()),
        ("approve", request, None),
    ]


async def test_a_consent_that_raises_is_a_no(network, new_tool):
    def consent(request):
        raise RuntimeError("secret")

    result = await bounded(new_tool(phone={"policy": daytime(consent=consent)}).execute(to=CALLEE))
    assert result.error_code == "policy_consent"
    assert "secret" not in result.to_json()


async def test_who_asked_not_to_be_called_is_not(network, new_phone):
    phone = new_phone(policy=daytime())
    tool = PatterTool(phone, agent=scripted())
    assert await phone.do_not_call(CALLEE)
    assert not await phone.do_not_call(CALLEE)
    assert [entry.number for entry in await phone.do_not_call_list()] == [CALLEE]
    assert await ring(tool) == "policy_do_not_call"
    assert await phone.remove_do_not_call(CALLEE)
    assert await ring(tool) == "completed"


async def test_a_number_is_listed_in_the_one_spelling_in_which_it_is_rung(network, new_phone):
    phone = new_phone(policy=daytime(countries=["GB"]))
    await phone.do_not_call("+4402079460000")
    tool = PatterTool(phone, agent=scripted())
    assert await ring(tool, to="+442079460000") == "policy_do_not_call"
    assert await ring(tool, to="+4402079460000") == "policy_number"
    for number in ("112", "", None, "+44 20 7946 0000"):
        with pytest.raises(ArgumentError):
            await phone.do_not_call(number)


async def test_the_list_is_kept_in_the_file_for_the_next_phone(network, new_phone, tmp_path):
    first = new_phone(policy=daytime(), ledger=tmp_path / "calls.sqlite")
    await first.do_not_call(CALLEE)
    await first.aclose()
    second = new_phone(policy=daytime(), ledger=tmp_path / "calls.sqlite")
    assert await ring(PatterTool(second, agent=scripted())) == "policy_do_not_call"


async def test_two_phones_on_one_ledger_share_the_cap(network, new_phone, tmp_path):
    tools = [
        PatterTool(
            new_phone(
                policy=daytime(calls_per_day=4),
                ledger=tmp_path / "calls.sqlite",
                max_concurrent_calls=10,
            ),
            agent=scripted(),
        )
        for _ in range(2)
    ]
    codes = await bounded(asyncio.gather(*(ring(tool) for tool in tools for _ in range(10))), 40)
    assert codes.count("completed") == len(creates(network)) == 4
    assert codes.count("policy_calls_per_day") == 16


async def test_a_rehearsal_tells_every_other_no(network, new_tool):
    tool = new_tool(phone={"policy": daytime(dry_run=True, calls_per_day=0)})
    assert await ring(tool) == "policy_calls_per_day"
    tool = new_tool(phone={"policy": daytime(dry_run=True)})
    assert await ring(tool) == "dry_run"
    assert creates(network) == []


async def test_a_refusal_at_the_last_moment_gives_the_line_and_the_key_back(network, new_tool):
    tool = new_tool(phone={"policy": daytime(calls_per_hour=1)})
    set_wall(network, MORNING)
    assert await ring(tool) == "completed"
    for _ in range(3):
        result = await bounded(tool.execute({"to": CALLEE}, idempotency_key="k"))
        assert result.error_code == "policy_calls_per_hour"
    set_wall(network, MORNING + DAY)
    result = await bounded(tool.execute({"to": CALLEE}, idempotency_key="k"))
    assert (result.status, result.replayed) == ("completed", False)


async def test_the_phone_network_has_a_policy_that_refuses_no_number(network, new_phone):
    assert new_phone().policy == DialPolicy.simulation()
    real = Patter(
        carrier=None,
        twilio_sid="AC" + "0" * 32,
        twilio_token="t",
        phone_number=PHONE,
        webhook_url="calls.example.com",
    )
    assert real.policy == DialPolicy()
