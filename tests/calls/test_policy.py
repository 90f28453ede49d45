"""Who may be rung, for how long, and who has to agree: nothing is dialled against a rule."""

from __future__ import annotations

import asyncio
import threading

import pytest

from patter import CallRequest, DialPolicy, Limits
from tests.calls.kit import CALLEE, Events, bounded, creates


def was_not_dialled(network, result, code):
    assert (result.status, result.error_code) == ("rejected", code)
    assert (result.may_have_dialed, result.retryable, result.call_id) == (False, False, "")
    assert result.error
    assert creates(network) == []


@pytest.mark.parametrize(
    ("rules", "code"),
    [
        ({"deny": ["+1415"]}, "policy_denied"),
        ({"deny": [CALLEE]}, "policy_denied"),
        ({"deny": ["+1"], "allow": [CALLEE]}, "policy_denied"),
        ({"allow": ["+44"]}, "policy_not_allowed"),
        ({"allow": ["+14155552672"]}, "policy_not_allowed"),
        ({"allow": ["+141555526711"]}, "policy_not_allowed"),
        ({"max_call_sec": 100}, "policy_max_call_sec"),
        ({"dry_run": True}, "dry_run"),
        ({"dry_run": True, "deny": ["+1"]}, "policy_denied"),
    ],
)
async def test_a_rule_that_says_no(network, new_tool, rules, code):
    tool = new_tool(phone={"policy": DialPolicy.simulation(**rules)})
    was_not_dialled(network, await bounded(tool.execute(to=CALLEE)), code)


@pytest.mark.parametrize(
    "rules",
    [
        {"allow": ["+1415"]},
        {"allow": ["+44", CALLEE]},
        {"deny": ["+1416"]},
        {"max_call_sec": 180},
        {"allow": [CALLEE], "deny": ["+14155552672"], "max_call_sec": 180},
    ],
)
async def test_a_rule_that_lets_it_pass(network, new_tool, rules):
    tool = new_tool(phone={"policy": DialPolicy.simulation(**rules)})
    assert (await bounded(tool.execute(to=CALLEE))).status == "completed"


async def test_the_duration_rule_names_the_field_and_the_cap(network, new_tool):
    tool = new_tool(phone={"policy": DialPolicy.simulation(max_call_sec=60)})
    result = await bounded(tool.execute(to=CALLEE, max_duration_sec=61))
    was_not_dialled(network, result, "policy_max_call_sec")
    assert "'max_duration_sec'" in result.error
    assert "60" in result.error
    assert (await bounded(tool.execute(to=CALLEE, max_duration_sec=60))).status == "completed"


async def test_a_disclosure_comes_before_the_greeting(network, new_tool):
    tool = new_tool(phone={"policy": DialPolicy.simulation(disclosure="I am a machine.")})
    result = await bounded(tool.execute(to=CALLEE, first_message="Good day."))
    assert result.transcript[0].text == "I am a machine. Good day."


async def test_what_was_asked_for_is_what_is_approved(network, new_tool):
    requests = []

    def approve(request):
        requests.append(request)
        return True

    tool = new_tool(approve=approve)
    result = await bounded(
        tool.execute(to=CALLEE, goal="x", first_message="y", max_duration_sec=100)
    )
    assert result.status == "completed"
    (request,) = requests
    assert request == CallRequest(
        to=CALLEE, goal="x", first_message="y", max_duration_sec=100, price_estimate_usd=0.028
    )


async def answers(answer):
    return answer


@pytest.mark.parametrize("kind", ["sync", "async", "awaitable"])
@pytest.mark.parametrize("answer", [False, None, 0, 1, "", "yes", {"ok": True}])
async def test_nothing_but_true_is_a_yes(network, new_tool, kind, answer):
    if kind == "sync":
        approve = lambda request: answer  # noqa: E731
    elif kind == "awaitable":
        approve = lambda request: answers(answer)  # noqa: E731
    else:

        async def approve(request):
            return answer

    result = await bounded(new_tool(approve=approve).execute(to=CALLEE))
    was_not_dialled(network, result, "approval_denied")


async def test_the_reason_for_a_no_is_told(network, new_tool):
    tool = new_tool(approve=lambda request: "It is Sunday.")
    result = await bounded(tool.execute(to=CALLEE))
    was_not_dialled(network, result, "approval_denied")
    assert "It is Sunday." in result.error


class Breaking(BaseException):
    """Not even an Exception."""


ERRORS = [
    RuntimeError("secret-token-123"),
    asyncio.CancelledError(),
    TimeoutError(),
    StopIteration(),
    Breaking(),
    SystemExit(1),
    KeyboardInterrupt(),
]


@pytest.mark.parametrize(
    ("kind", "error"),
    # An async hook that exits ends its author's own loop: that is what it asked for.
    [("sync", error) for error in ERRORS] + [("async", error) for error in ERRORS[:5]],
    ids=lambda part: part if isinstance(part, str) else type(part).__name__,
)
async def test_an_approval_that_raises_is_a_no(network, new_tool, kind, error):
    async def approve_async(request):
        raise error

    def approve_sync(request):
        raise error

    tool = new_tool(approve=approve_async if kind == "async" else approve_sync)
    result = await bounded(tool.execute(to=CALLEE))
    was_not_dialled(network, result, "approval_denied")
    assert "secret" not in result.to_json()
    assert (await bounded(new_tool(phone=tool._phone).execute(to=CALLEE))).status == "completed"


async def test_an_approval_that_never_comes_is_a_no(network, new_tool):
    gone = threading.Event()

    async def approve(request):
        try:
            await asyncio.Event().wait()
        finally:
            gone.set()

    tool = new_tool(approve=approve, phone={"limits": Limits(approve_timeout_sec=0.2)})
    was_not_dialled(network, await bounded(tool.execute(to=CALLEE)), "approval_denied")
    await network.until(gone.is_set, what="the hook to be cancelled")


async def test_an_approval_that_blocks_is_a_no(network, new_tool):
    release = threading.Event()

    def approve(request):
        release.wait(90)
        return True

    tool = new_tool(approve=approve, phone={"limits": Limits(approve_timeout_sec=0.2)})
    try:
        was_not_dialled(network, await bounded(tool.execute(to=CALLEE)), "approval_denied")
    finally:
        release.set()
    assert creates(network) == [], "a yes that comes too late rings nobody"


async def test_a_rule_is_asked_before_a_person_and_a_rehearsal_after(network, new_tool):
    asked = []

    def approve(request):
        asked.append(request)
        return True

    denied = new_tool(approve=approve, phone={"policy": DialPolicy.simulation(deny=["+1"])})
    await bounded(denied.execute(to=CALLEE))
    assert asked == []
    rehearsal = new_tool(approve=approve, phone={"policy": DialPolicy.simulation(dry_run=True)})
    was_not_dialled(network, await bounded(rehearsal.execute(to=CALLEE)), "dry_run")
    assert len(asked) == 1


async def test_a_refused_call_ends_its_events(network, new_tool):
    events = Events()
    tool = new_tool(approve=lambda request: False)
    result = await bounded(tool.execute(to=CALLEE, on_event=events))
    assert events.types == ["queued", "ended"]
    assert events.heard[-1].result == result


async def test_a_refusal_gives_the_line_to_the_next(network, new_tool):
    tool = new_tool(approve=lambda request: request.goal == "yes")
    results = await bounded(
        asyncio.gather(
            *(tool.execute(to=CALLEE, goal=goal) for goal in ("no", "yes", "no", "no", "yes"))
        )
    )
    assert [result.status for result in results] == [
        "rejected",
        "completed",
        "rejected",
        "rejected",
        "completed",
    ]
