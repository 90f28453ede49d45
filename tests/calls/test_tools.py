"""Tools in whole calls: asked for, run where they belong, answered, heard."""

from __future__ import annotations

import asyncio
import json
import threading

import pytest
from aiohttp import web

from patter import ScriptedToolCall, tool
from patter.simulator import Callee
from patter_core.errors import ConfigError
from tests.calls.kit import CALLEE, OTHER_CALLEE, PHONE, Events, bounded, look_up, said, scripted

LONG = "This is a rather long sentence, which nobody will ever want to hear to its very end."


ASK = ScriptedToolCall("look_up", {"order": 7})


# --- asked, run, answered --------------------------------------------------------------------


async def test_a_tools_answer_reaches_the_model_and_the_callee(network, new_tool, speaking):
    seen = []

    async def handler(arguments, context):
        seen.append((arguments, context))
        return {"arrives": "Monday"}

    network.add(CALLEE, Callee(says=["Where is it?", "Thanks."]))
    events = Events()
    agent = await speaking.agent(ASK, "It comes on Monday.", tools=[look_up(handler)])
    call = new_tool(agent=agent, on_event=events).execute(to=CALLEE)
    result = await bounded(call)
    assert (result.status, result.ended_by) == ("completed", "callee")
    ((arguments, context),) = seen
    assert arguments == {"order": 7}
    told = (context["call_id"], context["caller"], context["callee"], context["attempt"])
    assert told == (result.call_id, PHONE, CALLEE, 1)
    assert speaking.answers == ['{"arrives":"Monday"}']
    (leg,) = network.dials
    assert " ".join(leg.heard) == "It comes on Monday."
    assert ("agent", "It comes on Monday.") in said(result)
    began, ended = events.types.index("tool_started"), events.types.index("tool_finished")
    assert events.types.index("answered") < began < ended < events.types.index("ended")
    started, finished = events.heard[began], events.heard[ended]
    assert (started.name, finished.name, finished.ok) == ("look_up", "look_up", True)
    assert started.function_call_id == finished.function_call_id


async def test_async_handlers_run_on_the_guest_loop_and_plain_ones_on_a_thread(network, new_tool):
    threads = {}

    @tool
    async def on_the_loop() -> str:
        """Runs on the loop."""
        threads["async"] = threading.current_thread()
        return "a"

    @tool
    def on_a_thread() -> str:
        """Runs on a thread."""
        threads["plain"] = threading.current_thread()
        return "b"

    network.add(CALLEE, Callee(says=["Both, please.", "Thanks."]))
    both = [ScriptedToolCall("on_the_loop"), ScriptedToolCall("on_a_thread")]
    agent = scripted(both, "Both are done.", tools=[on_the_loop, on_a_thread])
    await bounded(new_tool(agent=agent).execute(to=CALLEE))
    assert threads["async"] is threading.current_thread()
    assert threads["plain"] is not threading.current_thread()
    assert threads["plain"].name.startswith("patter-guest")


async def test_every_request_gets_exactly_one_answer(network, new_tool, speaking):
    async def handler(arguments, context):
        if arguments["order"] == 1:
            raise RuntimeError("a secret")
        return "fine"

    network.add(CALLEE, Callee(says=["All of them.", "Thanks."]))
    asks = [ScriptedToolCall("look_up", {"order": order}) for order in (0, 1, 2)]
    asks.append(ScriptedToolCall("invented"))
    agent = await speaking.agent(asks, "That is all.", tools=[look_up(handler, max_retries=0)])
    events = Events()
    result = await bounded(new_tool(agent=agent, on_event=events).execute(to=CALLEE))
    assert ("agent", "That is all.") in said(result)
    answers = speaking.answers
    assert answers.count("fine") == 2
    errors = {json.loads(answer)["error"] for answer in answers if answer != "fine"}
    assert errors == {"tool_failed", "unknown_tool"}
    assert len(answers) == 4
    assert not any("secret" in answer for answer in answers)
    assert events.types.count("tool_started") == events.types.count("tool_finished") == 4


# --- heard meanwhile -------------------------------------------------------------------------


async def test_progress_and_reassurance_are_heard_before_the_answer(network, new_tool, speaking):
    heard = asyncio.Event()

    async def handler(arguments, context):
        yield {"progress": "Still looking."}
        yield {"progress": "Nearly there."}
        await heard.wait()
        yield {"result": "Monday"}

    def on_event(event):
        if event.type == "turn" and "Nearly" in event.turn.text:
            heard.set()

    network.add(CALLEE, Callee(says=["Where is it?", "Thanks."], pause_sec=8.0))
    tools = [look_up(handler)]
    agent = await speaking.agent(ASK, "It comes on Monday.", tools=tools)
    result = await bounded(new_tool(agent=agent, on_event=on_event).execute(to=CALLEE))
    (leg,) = network.dials
    assert " ".join(leg.heard) == "Still looking. Nearly there. It comes on Monday."
    assert speaking.answers == ["Monday"]
    assert result.status == "completed"


async def test_a_reassurance_that_is_not_due_is_never_said(network, new_tool, speaking):
    async def handler(arguments, context):
        return "Monday"

    network.add(CALLEE, Callee(says=["Where is it?", "Thanks."], pause_sec=8.0))
    tools = [look_up(handler, reassurance="One moment.")]
    agent = await speaking.agent(ASK, "It comes on Monday.", tools=tools)
    await bounded(new_tool(agent=agent).execute(to=CALLEE))
    (leg,) = network.dials
    assert " ".join(leg.heard) == "It comes on Monday."


async def test_a_slow_tool_is_bridged_by_its_reassurance(network, new_tool, speaking):
    heard = asyncio.Event()

    async def handler(arguments, context):
        await heard.wait()
        return "Monday"

    def on_event(event):
        if event.type == "turn" and event.turn.text == "One moment.":
            heard.set()

    network.add(CALLEE, Callee(says=["Where is it?", "Thanks."], pause_sec=8.0))
    tools = [look_up(handler, reassurance={"message": "One moment.", "after_ms": 50})]
    agent = await speaking.agent(ASK, "It comes on Monday.", tools=tools)
    await bounded(new_tool(agent=agent, on_event=on_event).execute(to=CALLEE))
    (leg,) = network.dials
    assert " ".join(leg.heard) == "One moment. It comes on Monday."


async def test_the_callee_can_interrupt_while_a_tool_runs(network, new_tool):
    interrupted = asyncio.Event()

    async def handler(arguments, context):
        await interrupted.wait()
        return "Monday"

    def on_event(event):
        if event.type == "turn" and event.turn.cut:
            interrupted.set()

    network.add(CALLEE, Callee(says=["Where is it?", "Enough!", "Bye."], interrupts_after_sec=0.8))
    agent = scripted([LONG, ASK], "It comes on Monday.", tools=[look_up(handler)])
    result = await bounded(new_tool(agent=agent, on_event=on_event).execute(to=CALLEE))
    (cut,) = [turn for turn in result.transcript if turn.cut and turn.role == "agent"]
    assert LONG.startswith(cut.text)
    assert ("agent", "It comes on Monday.") in said(result)


# --- the line --------------------------------------------------------------------------------


async def test_a_tool_that_never_returns_keeps_no_line_open(network, new_tool):
    async def handler(arguments, context):
        while True:  # However often it is asked to stop.
            try:
                await stuck.wait()
                return "late"
            except asyncio.CancelledError:
                continue

    stuck = asyncio.Event()
    network.add(CALLEE, Callee(says=["Hello?", "Well?"]))
    agent = scripted(lambda _messages: ASK, tools=[look_up(handler, timeout_sec=600)])
    events = Events()
    call = new_tool(agent=agent, on_event=events).execute(to=CALLEE, max_duration_sec=5)
    result = await bounded(call)
    assert (result.status, result.error_code) == ("timeout", "deadline")
    assert "tool_started" in events.types
    await network.until(lambda: not network.live_legs)
    stuck.set()


async def test_the_agent_ends_the_call_once_its_goodbye_was_heard(network, new_tool, speaking):
    network.add(CALLEE, Callee(says=["That is all.", "Oh.", "Oh."], pause_sec=5.0))
    ending = ScriptedToolCall("end_call", {"reason": "Nothing more to do."})
    agent = await speaking.agent(["Thank you and goodbye.", ending])
    result = await bounded(new_tool(agent=agent).execute(to=CALLEE))
    assert (result.status, result.ended_by) == ("completed", "agent")
    (leg,) = network.dials
    assert (" ".join(leg.heard), leg.ended_by) == ("Thank you and goodbye.", "caller")
    assert said(result) == [
        ("user", "That is all."),
        ("agent", "Thank you and goodbye."),
        ("system", "The agent ended the call: Nothing more to do."),
    ]


async def test_keys_are_heard_as_tones(network, new_tool, speaking):
    network.add(CALLEE, Callee(says=["Press your number.", "Thank you."], pause_sec=3.0))
    keys = ScriptedToolCall("send_digits", {"digits": "12#9"})
    agent = await speaking.agent(keys, "There you are.")
    result = await bounded(new_tool(agent=agent).execute(to=CALLEE))
    (leg,) = network.dials
    assert leg.digits == "12#9"
    assert ("system", "Digits were sent: 12#9") in said(result)


# --- a phone's calls -------------------------------------------------------------------------


async def test_a_tool_that_kept_failing_rests_in_the_next_call_too(network, new_phone):
    runs = []

    async def handler(arguments, context):
        runs.append(context["call_id"])
        raise RuntimeError("down")

    network.add(CALLEE, Callee(says=["All.", "Thanks."]))
    network.add(OTHER_CALLEE, Callee(says=["One.", "Thanks."]))
    phone = new_phone()
    tools = [look_up(handler, max_retries=0)]
    first = scripted([ASK] * 5, "It does not work.", tools=tools)
    one = await bounded(phone.call(CALLEE, first))
    assert len(runs) == 5
    events = []
    live = await phone.place_call(OTHER_CALLEE, scripted(ASK, "Still not.", tools=tools))
    async for event in live.events():
        events.append(event)
    two = await bounded(live.result())
    assert (one.status, two.status) == ("completed", "completed")
    assert len(runs) == 5
    (finished,) = [event for event in events if event.type == "tool_finished"]
    assert finished.error == "circuit_open"


def test_a_tool_that_needs_what_nobody_supplies_is_refused_when_the_agent_is_made(new_phone):
    async def handler(arguments, context):
        return context.dependencies["calendar"]

    tools = [look_up(handler, needs=("calendar",))]
    with pytest.raises(ConfigError, match="calendar"):
        new_phone().agent(**scripted(tools=tools))
    new_phone(dependencies={"calendar": "full"}).agent(**scripted(tools=tools))


async def test_a_webhook_on_this_machine_is_reached_only_when_it_is_allowed(network, new_phone):
    asked = []

    async def answer(request):
        asked.append((request.headers["Idempotency-Key"], await request.json()))
        return web.json_response({"arrives": "Monday"})

    app = web.Application()
    app.router.add_post("/orders", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host = f"127.0.0.1:{runner.addresses[0][1]}"
        hook = {"name": "look_up", "webhook_url": f"http://{host}/orders"}
        network.add(CALLEE, Callee(says=["Where is it?", "Thanks."]))
        agent = scripted(
            lambda messages: messages[-1].text if messages[-1].role == "tool" else ASK,
            tools=[hook],
        )
        with pytest.raises(ConfigError, match="tools"):
            new_phone().agent(**agent)
        phone = new_phone(allow_hosts=[host])
        result = await bounded(phone.call(CALLEE, agent))
    finally:
        await runner.cleanup()
    assert any(role == "agent" and "Monday" in text for role, text in said(result))
    body = asked[0][1]
    assert (body["tool"], body["arguments"], body["call_id"], body["caller"], body["callee"]) == (
        "look_up",
        {"order": 7},
        result.call_id,
        PHONE,
        CALLEE,
    )
