"""Handing calls over: only where the developer allowed it, once, and then the line is not ours."""

from __future__ import annotations

import pytest

from patter import DialPolicy, ScriptedToolCall
from patter.simulator import Callee
from tests.calls.kit import CALLEE, bounded, hang_ups, said, scripted

DESK = "+14155550142"
STRANGER = "+14155550199"
PATIENT = {"says": ["A person, please.", "Hello?", "Hello?"], "pause_sec": 5.0}


@pytest.fixture(autouse=True)
async def over_in_the_end(network):
    """Whoever was transferred hangs up when the test is over."""
    network.add(CALLEE, Callee(**PATIENT, hangs_up_after_sec=120))


def transfer(**arguments):
    return ScriptedToolCall("transfer_call", arguments)


def updates(network):
    """The requests that changed a call."""
    return [
        request
        for request in network.requests
        if request.method == "POST" and not request.path.endswith("/Calls.json")
    ]


def obeying(number):
    """A model that transfers to `number` whatever it is told, and then says what came of it."""

    def reply(messages):
        last = messages[-1]
        if last.role == "tool":
            return "It did not work." if "error" in last.text else ""
        return transfer(number=number)

    return reply


async def rung_instead(network):
    """Whom the carrier connects the callee to, once it has begun to."""
    await network.until(lambda: network.dials[0].transferred_to)
    return network.dials[0].transferred_to


async def test_a_transfer_ends_our_part_and_leaves_the_leg(network, new_tool, speaking):
    agent = await speaking.agent(["I connect you.", transfer(number=DESK)], transfer_to=DESK)
    result = await bounded(new_tool(agent=agent).execute(to=CALLEE, max_duration_sec=60))
    assert (result.status, result.ended_by, result.error) == ("completed", "agent", None)
    assert said(result)[-1] == ("system", f"The call was transferred to {DESK}")
    assert await rung_instead(network) == [DESK]
    (asked,) = updates(network)
    assert asked.form["TimeLimit"] == ["3600"]
    assert hang_ups(network) == []
    await network.until(lambda: not network.live_legs)
    assert network.dials[0].ended_by != "caller", "it was not us who hung up"


async def test_named_destinations_are_all_that_the_model_can_choose_from(network, new_tool):
    offered = []

    class Model:
        async def reply(self, messages, resources, tools=()):
            offered.append({face.name: face.parameters for face in tools})
            name = "nobody" if len(offered) == 1 else "billing"
            async for event in scripted(lambda _: transfer(destination=name))["llm"].reply(
                messages, resources
            ):
                yield event

    named = {"billing": DESK, "repairs": STRANGER}
    agent = scripted(llm=Model(), transfer_to=named)
    result = await bounded(new_tool(agent=agent).execute(to=CALLEE))
    destination = offered[0]["transfer_call"]["properties"]["destination"]
    assert destination["enum"] == ["billing", "repairs"]
    assert len(offered) >= 2, "what is not in the enum is no destination"
    assert said(result)[-1] == ("system", f"The call was transferred to {DESK}")


@pytest.mark.parametrize(
    "parts",
    [
        {"system_prompt": "Whoever asks for a person gets +1 415 555 0142."},
        {"system_prompt": "Whoever asks for a person gets (415) 555-0142."},
        {"transfer_to": [STRANGER, DESK]},
    ],
    ids=["in the system prompt", "as people at home write it", "in a list"],
)
async def test_a_number_that_the_developer_named(network, new_tool, parts):
    agent = scripted(obeying(DESK), **parts)
    result = await bounded(new_tool(agent=agent).execute(to=CALLEE))
    assert (result.status, result.ended_by) == ("completed", "agent")
    assert await rung_instead(network) == [DESK]


async def test_a_tenants_destinations_are_named_ones(network, new_tool):
    agent = scripted(
        lambda _: transfer(destination="billing"), tenant={"destinations": {"billing": DESK}}
    )
    await bounded(new_tool(agent=agent).execute(to=CALLEE))
    assert await rung_instead(network) == [DESK]


@pytest.mark.parametrize("transfer_to", [None, DESK])
async def test_a_number_that_is_not_the_developers_own_is_never_rung(
    network, new_tool, transfer_to
):
    network.add(CALLEE, Callee(says=[f"Connect me with {STRANGER}, now!", "What?", "Bye."]))
    agent = scripted(
        obeying(STRANGER),
        transfer_to=transfer_to,
        system_prompt="You ring {number}.",
        first_message=f"Is this {STRANGER}?",
        variables={"number": STRANGER},
    )
    goal = f"If they ask for it, transfer the call to {STRANGER}."
    result = await bounded(new_tool(agent=agent).execute(to=CALLEE, goal=goal))
    assert (result.status, result.ended_by) == ("completed", "callee")
    assert ("agent", "It did not work.") in said(result)
    assert updates(network) == []
    assert network.dials[0].transferred_to == []


async def test_what_the_policy_refuses_is_not_asked_of_the_carrier(network, new_tool):
    network.add(CALLEE, Callee(says=["A person, please.", "Well.", "Bye."]))
    agent = scripted(obeying(DESK), transfer_to=DESK)
    phone = {"policy": DialPolicy.simulation(deny=[DESK])}
    result = await bounded(new_tool(agent=agent, phone=phone).execute(to=CALLEE))
    assert ("agent", "It did not work.") in said(result)
    assert updates(network) == []


async def test_a_call_that_the_carrier_does_not_transfer_goes_on(network, new_tool):
    network.add(CALLEE, Callee(says=["A person, please.", "Well.", "Bye."]))
    network.faults.hang_ups("400")
    agent = scripted(transfer(number=DESK), "It did not work.", "Goodbye.", transfer_to=DESK)
    result = await bounded(new_tool(agent=agent).execute(to=CALLEE))
    assert (result.status, result.ended_by) == ("completed", "callee")
    assert ("system", f"A transfer to {DESK} failed") in said(result)
    assert ("agent", "It did not work.") in said(result)


async def test_the_same_target_twice_is_one_request(network, new_tool, speaking):
    twice = [transfer(number=DESK), transfer(number=DESK)]
    agent = await speaking.agent(twice, transfer_to=DESK)
    result = await bounded(new_tool(agent=agent).execute(to=CALLEE))
    assert (result.status, result.ended_by) == ("completed", "agent")
    assert len(updates(network)) == 1
    assert await rung_instead(network) == [DESK]


async def test_closing_the_phone_leaves_a_transferred_leg(network, new_phone):
    phone = new_phone()
    agent = scripted(obeying(DESK), transfer_to=DESK)
    result = await bounded(phone.call(CALLEE, agent))
    await bounded(phone.aclose())
    assert result.ended_by == "agent"
    assert hang_ups(network) == []


UNCLEAR = ["408", "500", "503", "hang", "reset", "redirect"]


@pytest.mark.parametrize("kind", UNCLEAR)
async def test_a_transfer_whose_answer_was_lost_rings_nobody_twice_and_is_left_up(
    network, new_tool, kind
):
    network.add(DESK, Callee(says=["Billing."]))
    network.faults.hang_ups(kind, after_ending=True, times=None)
    agent = scripted(obeying(DESK), transfer_to=DESK)
    result = await bounded(new_tool(agent=agent).execute(to=CALLEE))
    assert (result.status, result.ended_by) == ("completed", "agent")
    assert said(result)[-1] == ("system", f"A transfer to {DESK} was asked for, and not confirmed")
    assert await rung_instead(network) == [DESK]
    assert len(updates(network)) == 1
    assert hang_ups(network) == []


@pytest.mark.parametrize("kind", [*UNCLEAR, "429"])
async def test_a_call_goes_on_when_its_transfer_did_not_get_through(network, new_tool, kind):
    network.add(CALLEE, Callee(says=["A person, please.", "Well.", "Bye."], pause_sec=5.0))
    network.faults.hang_ups(kind)
    agent = scripted(transfer(number=DESK), "It did not work.", "Goodbye.", transfer_to=DESK)
    result = await bounded(new_tool(agent=agent).execute(to=CALLEE))
    assert ("agent", "It did not work.") in said(result)
    assert (result.status, result.ended_by) == ("completed", "callee")
    assert len(updates(network)) == 1
    assert network.dials[0].transferred_to == []
