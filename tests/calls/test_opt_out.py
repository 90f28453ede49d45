"""Whoever asks never to be rung again is not: the agent writes it down during the call."""

from __future__ import annotations

from patter import DialPolicy, ScriptedToolCall
from patter.simulator import Callee
from patter_core.calls.tally import DoNotCall
from patter_core.tools.checked_tool import SYSTEM_TOOLS
from patter_core.tools.destinations import Destinations
from patter_core.tools.system import system_tools
from tests.calls.kit import CALLEE, bounded, creates, said, scripted


def obliging():
    return scripted(
        ScriptedToolCall("record_opt_out"),
        ["We will not. Goodbye.", ScriptedToolCall("end_call", {"reason": "Not wanted."})],
    )


async def test_the_next_call_to_that_number_is_refused(network, new_phone):
    network.add(CALLEE, Callee(says=["Never call me again!", "Right.", "Bye."]))
    phone = new_phone(policy=DialPolicy.simulation(do_not_call=True))
    first = await bounded(phone.call(CALLEE, obliging()))
    assert (first.status, first.ended_by) == ("completed", "agent")
    assert said(first) == [
        ("user", "Never call me again!"),
        ("system", "The number was put on the do-not-call list"),
        ("agent", "We will not. Goodbye."),
        ("system", "The agent ended the call: Not wanted."),
    ]
    second = await bounded(phone.call(CALLEE, obliging()))
    assert (second.status, second.error_code) == ("rejected", "policy_do_not_call")
    assert len(creates(network)) == 1
    (entry,) = await phone.do_not_call_list()
    assert isinstance(entry, DoNotCall)
    assert (entry.number, entry.call_id) == (CALLEE, first.call_id)


def test_it_is_there_when_we_ring_and_not_when_we_are_rung():
    ours, theirs = (system_tools(Destinations(), outbound=outbound) for outbound in (True, False))
    names = [{checked.tool.name for checked in tools} for tools in (ours, theirs)]
    assert names == [SYSTEM_TOOLS, SYSTEM_TOOLS - {"record_opt_out"}]
