"""Whole calls with OpenAI Realtime, from `execute()` to the result, over the phone network."""

from __future__ import annotations

import asyncio

import pytest

from patter import Patter, PatterTool, Tool
from patter.simulator import Callee, PhoneNetwork
from patter_core.pipeline.realtime.engine import OpenAIRealtime
from patter_core.simulator import ScriptedRealtimeServer, ToolCall
from tests.calls.kit import CALLEE, OTHER_CALLEE, PHONE, Events, bounded, creates, said
from tests.realtime.realtime_kit import came, check_client_events, of_type

LONG = "This is a rather long sentence, which nobody will ever want to hear to its very end."


@pytest.fixture
async def network():
    async with PhoneNetwork() as network:
        network.add(CALLEE, Callee(says=["Hello?", "Four people at eight.", "Bye."]))
        yield network
        await network.until(lambda: not network.live_legs, what="every leg to be gone")
        assert network.violations == []


async def call(network, server, *, greeting="Hi.", engine=None, voicemail_message=None, **options):
    """One call on a phone of its own, which is closed again."""
    phone = Patter(
        carrier=network.twilio(), phone_number=PHONE, ledger=":memory:", clock=network.clock
    )
    voice = OpenAIRealtime(base_url=server.base_url, api_key="sk-test", **(engine or {}))
    agent = {"engine": voice}
    tool = PatterTool(phone, agent=agent, voicemail_message=voicemail_message)
    try:
        return await bounded(tool.execute(to=CALLEE, first_message=greeting, **options))
    finally:
        await bounded(phone.aclose())


async def test_five_turns_and_the_callee_hangs_up(network, new_server):
    lines = ["Hello?", "Four people.", "At eight.", "Smith.", "Thank you.", "Bye."]
    replies = ["For how many?", "At what time?", "What name?", "It is booked.", "Goodbye."]
    network.add(CALLEE, Callee(says=lines))
    server = await new_server(replies)
    result = await call(network, server, greeting="A table, please.", goal="Book a table")
    assert (result.status, result.ended_by, result.error) == ("completed", "callee", None)
    expected = [("agent", "A table, please."), ("user", "Hello?")]
    for reply, line in zip(replies, lines[1:], strict=True):
        expected += [("agent", reply), ("user", line)]
    # Whoever hangs up with their last word on their lips may not be understood any more.
    assert said(result) in (expected, expected[:-1])
    (leg,) = network.dials
    assert " ".join(leg.heard) == " ".join(text for role, text in expected if role == "agent")
    assert server.refusals == []
    (session,) = [
        event["session"]
        for event in of_type(server.received, "session.update")
        if "instructions" in event["session"]
    ]
    assert "Book a table" in session["instructions"]


async def test_the_agents_side_hangs_up_at_the_deadline(network, new_server):
    network.add(CALLEE, Callee(behave="silent"))
    server = await new_server()
    result = await call(network, server, max_duration_sec=9)
    assert (result.status, result.error_code) == ("timeout", "deadline")
    assert said(result)[0] == ("agent", "Hi.")


async def test_a_callee_who_interrupts_is_answered(network, new_server):
    network.add(CALLEE, Callee(says=["Hello?", "Enough!", "Bye."], interrupts_after_sec=0.8))
    server = await new_server([LONG, "As you wish."])
    result = await call(network, server, greeting="Hi.")
    assert result.status == "completed"
    (cut,) = [turn for turn in result.transcript if turn.cut and turn.role == "agent"]
    assert LONG.startswith(cut.text)
    assert said(result)[-1] == ("agent", "As you wish.") or ("agent", "As you wish.") in said(
        result
    )
    assert ("user", "Enough!") in said(result)
    assert server.refusals == []


async def test_a_callee_who_interrupts_the_greeting(network, new_server):
    network.add(CALLEE, Callee(says=["Enough!", "Bye."], interrupts_after_sec=0.9))
    server = await new_server(["As you wish."])
    result = await call(network, server, greeting=LONG)
    turns = result.transcript
    assert turns[0].cut
    assert LONG.startswith(turns[0].text)
    assert said(result)[1:3] == [("user", "Enough!"), ("agent", "As you wish.")]
    assert server.refusals == []


async def test_a_voicemail_is_spoken_to(network, new_server):
    network.add(CALLEE, Callee(behave="voicemail", listens_sec=20.0))
    server = await new_server(lambda _view: "I shall call again.")
    result = await call(network, server, greeting="Ann here.")
    assert (result.status, result.error, result.answered_by) == ("completed", None, "machine")
    assert ("agent", "Ann here.") in said(result)


async def test_a_voicemail_is_left_a_message_and_nothing_else(network, new_server):
    network.add(CALLEE, Callee(behave="voicemail", listens_sec=30.0))
    server = await new_server(lambda _view: "Good day. " * 40)
    message = "Please call me back."
    result = await call(network, server, greeting="Ann here.", voicemail_message=message)
    assert (result.status, result.answered_by, result.ended_by) == ("completed", "machine", "agent")
    assert [text for role, text in said(result) if role == "agent"][-1] == message
    assert server.refusals == []


async def test_a_refused_key_rings_nobody(network, new_server):
    server = await new_server(refuses=401)
    result = await call(network, server)
    assert (result.status, result.error_code) == ("failed", "provider_failed")
    assert not result.may_have_dialed
    assert creates(network) == []


async def test_the_service_is_connected_before_anybody_is_rung(network, new_server):
    server = await new_server()
    events = Events()
    connected_at = []

    def on_event(event):
        events(event)
        if event.type == "dialing":
            connected_at.append([kind["type"] for kind in server.sent])

    phone = Patter(
        carrier=network.twilio(), phone_number=PHONE, ledger=":memory:", clock=network.clock
    )
    voice = OpenAIRealtime(base_url=server.base_url, api_key="sk-test")
    tool = PatterTool(phone, agent={"engine": voice}, on_event=on_event)
    await bounded(tool.execute(to=CALLEE))
    await bounded(phone.aclose())
    assert connected_at == [["session.created", "session.updated"]]


async def test_a_connection_that_is_lost_while_it_rings_is_made_again(network, new_server):
    network.add(CALLEE, Callee(says=["Hello?", "Bye."], rings_sec=5))
    server = await new_server(["Good day."])

    async def cut_when_ringing():
        await came(lambda: network.legs and network.legs[0].status == "ringing")
        server.hang_up()

    cutting = asyncio.create_task(cut_when_ringing())
    result = await call(network, server)
    await cutting
    assert result.status == "completed"
    assert said(result)[0] == ("agent", "Hi.")
    assert server.connections == 2


async def test_two_calls_at_once_have_a_session_each_and_nothing_in_common(network, new_server):
    def script(view):
        return f"{view['session']['instructions'][:3]} heard {view['said'][-1]}"

    network.add(CALLEE, Callee(says=["One?", "Two.", "Three."]))
    network.add(OTHER_CALLEE, Callee(says=["Uno?", "Dos.", "Tres."]))
    server = await new_server(script)
    voice = OpenAIRealtime(base_url=server.base_url, api_key="sk-test")
    async with Patter(
        carrier=network.twilio(),
        phone_number=PHONE,
        ledger=":memory:",
        clock=network.clock,
        max_concurrent_calls=2,
    ) as phone:
        first, second = await bounded(
            asyncio.gather(
                phone.call(CALLEE, {"engine": voice, "system_prompt": "Ann"}, first_message="Hi."),
                phone.call(
                    OTHER_CALLEE, {"engine": voice, "system_prompt": "Bob"}, first_message="Ola."
                ),
            )
        )
    assert server.connections == 2
    assert {first.status, second.status} == {"completed"}
    assert said(first)[:5] == [
        ("agent", "Hi."),
        ("user", "One?"),
        ("agent", "Ann heard One?"),
        ("user", "Two."),
        ("agent", "Ann heard Two."),
    ]
    assert said(second)[:5] == [
        ("agent", "Ola."),
        ("user", "Uno?"),
        ("agent", "Bob heard Uno?"),
        ("user", "Dos."),
        ("agent", "Bob heard Dos."),
    ]
    assert server.refusals == []


async def test_a_call_that_waits_for_a_line_connects_to_nothing(network, new_server):
    network.add(OTHER_CALLEE, Callee(says=["Hello?", "Bye."]))
    server = await new_server(lambda _view: "Good day.")
    voice = OpenAIRealtime(base_url=server.base_url, api_key="sk-test")
    most_live = []

    def on_event(_event):
        most_live.append(server.live)

    async with Patter(
        carrier=network.twilio(), phone_number=PHONE, ledger=":memory:", clock=network.clock
    ) as phone:
        tool = PatterTool(phone, agent={"engine": voice}, on_event=on_event)
        results = await bounded(
            asyncio.gather(tool.execute(to=CALLEE), tool.execute(to=OTHER_CALLEE))
        )
    assert [result.status for result in results] == ["completed", "completed"]
    assert server.connections == 2
    assert max(most_live) == 1


async def test_the_phones_own_key_is_the_sessions(network, new_server, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    server = await new_server(["Good day."])
    phone = Patter(
        carrier=network.twilio(),
        phone_number=PHONE,
        ledger=":memory:",
        clock=network.clock,
        openai_key="sk-flat",
    )
    assert phone.agent().engine == OpenAIRealtime(api_key="sk-flat")
    async with phone:
        voice = OpenAIRealtime(base_url=server.base_url)
        result = await bounded(phone.call(CALLEE, {"engine": voice}))
    assert result.status == "completed"
    assert server.keys == ["sk-flat"]


@pytest.mark.parametrize("at", ["session.updated", "response.created", "response.done"])
async def test_a_cancelled_call_leaves_neither_line_nor_session(network, new_server, at):
    server = await new_server(lambda _view: LONG)
    phone = Patter(
        carrier=network.twilio(), phone_number=PHONE, ledger=":memory:", clock=network.clock
    )
    voice = OpenAIRealtime(base_url=server.base_url, api_key="sk-test")
    tool = PatterTool(phone, agent={"engine": voice})
    async with phone:
        calling = asyncio.create_task(tool.execute(to=CALLEE, first_message="Hi."))
        await came(lambda: of_type(server.sent, at))
        for _ in range(2):  # Frameworks cancel twice.
            calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await bounded(calling)
        await came(lambda: not server.live, seconds=10)
        await network.until(lambda: not network.live_legs, what="every leg to be gone")
    assert server.refusals == []


# --- every trouble at every event ------------------------------------------------------------


def _script():
    return ["For how many?", ToolCall("book", {"people": 4}), "Booked."]


async def book(people: int) -> str:
    """Book a table.

    Args:
        people: For how many.
    """
    return f"booked for {people}"


async def _events_of_a_call():
    """How many events the service sends in a call that goes well."""
    async with PhoneNetwork() as network, ScriptedRealtimeServer(_script()) as server:
        network.add(CALLEE, Callee(says=["Hello?", "Four.", "Bye."]))
        result = await call_with_tools(network, server, [Patter.tool(book)])
        assert result.status == "completed"
        assert ("agent", "Booked.") in said(result)
        return len(server.sent)


@pytest.mark.parametrize(
    ("kind", "step"),
    [
        ("disconnect", 1),
        ("stall", 1),
        ("garbage", 1),
        ("error", 1),
        # These differ little from the others.
        ("close", 5),
        ("expire", 5),
        ("nonsense", 5),
        ("omit", 5),
    ],
)
async def test_every_trouble_at_every_event_gives_one_result_and_leaves_nothing_open(kind, step):
    # Most of it is waiting for what the service does not send any more: several wait at once, each
    # on a network of its own, whose time the others' waiting does not hold up.
    numbers = range(0, await _events_of_a_call(), step)
    async with asyncio.TaskGroup() as group:
        for part in range(4):
            group.create_task(_calls_with_trouble(kind, numbers[part::4]))


async def _calls_with_trouble(kind, numbers):
    async with PhoneNetwork() as network:
        network.add(CALLEE, Callee(says=["Hello?", "Four.", "Bye."]))
        phone = Patter(
            carrier=network.twilio(), phone_number=PHONE, ledger=":memory:", clock=network.clock
        )
        async with phone:
            for number in numbers:
                async with ScriptedRealtimeServer(_script()) as server:
                    server.spoil(kind, number)
                    voice = OpenAIRealtime(
                        base_url=server.base_url, api_key="x", open_sec=0.25, stall_sec=0.2
                    )
                    agent = {"engine": voice, "tools": [Patter.tool(book)]}
                    tool = PatterTool(phone, agent=agent, max_duration_sec=40)
                    result = await bounded(tool.execute(to=CALLEE, first_message="Hi."))
                    await came(lambda server=server: not server.live)
                assert result.status in ("completed", "failed", "timeout"), (number, result)
                if result.status == "failed":
                    assert result.error_code == "provider_failed"
                check_client_events(server.received)
                await network.until(lambda: not network.live_legs)
        assert network.violations == []


# --- tools, by the same executor as everywhere -----------------------------------------------


async def call_with_tools(network, server, tools, **options):
    """One call whose agent has tools, and may end it."""
    phone = Patter(
        carrier=network.twilio(), phone_number=PHONE, ledger=":memory:", clock=network.clock
    )
    voice = OpenAIRealtime(base_url=server.base_url, api_key="sk-test")
    tool = PatterTool(phone, agent={"engine": voice, "tools": tools})
    try:
        return await bounded(tool.execute(to=CALLEE, first_message="Hi.", **options))
    finally:
        await bounded(phone.aclose())


async def test_a_developers_tool_is_run_and_the_agent_ends_the_call(network, new_server):
    asked = []

    async def opening_hours(arguments, _context):
        asked.append(dict(arguments))
        return "from nine to five"

    hours = Tool(
        name="opening_hours",
        description="When a shop is open.",
        parameters={
            "type": "object",
            "properties": {"day": {"type": "string"}},
            "required": ["day"],
            "additionalProperties": False,
        },
        handler=opening_hours,
        strict=True,
    )
    network.add(CALLEE, Callee(says=["When are you open on Monday?", "Thanks!", "Still there?"]))
    server = await new_server(
        [
            ToolCall("opening_hours", {"day": "Monday"}),
            "From nine to five.",
            {"content": "Goodbye.", "tool_calls": [ToolCall("end_call", {"reason": "Done"})]},
        ]
    )
    result = await call_with_tools(network, server, [hours])
    assert asked == [{"day": "Monday"}]
    assert (result.status, result.ended_by) == ("completed", "agent")
    assert said(result)[:5] == [
        ("agent", "Hi."),
        ("user", "When are you open on Monday?"),
        ("agent", "From nine to five."),
        ("user", "Thanks!"),
        ("agent", "Goodbye."),
    ]
    assert network.dials[0].heard[-1] == "Goodbye.", "the last words were heard to their end"
    assert [refusal.count("strict") for refusal in server.refusals] == [1]


async def test_a_slow_tool_holds_up_neither_talk_nor_interruption(network, new_server):
    async def look_up() -> str:
        """Look it up."""
        await network.clock.sleep(3)
        return "found"

    lines = ["Look it up, please.", "Are you there?", "Enough!", "Bye."]
    network.add(CALLEE, Callee(says=lines, interrupts_after_sec=0.8))
    server = await new_server([ToolCall("look_up"), LONG, "As you wish.", "Found it."])
    result = await call_with_tools(network, server, [Patter.tool(look_up)])
    assert result.status == "completed"
    (cut,) = [turn for turn in result.transcript if turn.cut and turn.role == "agent"]
    assert LONG.startswith(cut.text)
    assert ("user", "Enough!") in said(result)
    assert server.refusals == []


async def test_tool_after_tool_and_three_at_once(network, new_server):
    asked = []

    async def step(number: int) -> str:
        """Do a step.

        Args:
            number: Which one.
        """
        asked.append(number)
        return f"step {number} is done"

    network.add(CALLEE, Callee(says=["Do it all.", "Thanks."]))
    three = [ToolCall("step", {"number": number}) for number in (2, 3, 4)]
    server = await new_server([ToolCall("step", {"number": 1}), three, "All is done."])
    result = await call_with_tools(network, server, [Patter.tool(step)])
    assert (result.status, result.ended_by) == ("completed", "callee")
    assert asked[0] == 1
    assert sorted(asked) == [1, 2, 3, 4]
    assert ("agent", "All is done.") in said(result)
    asks = of_type(server.received, "response.create")
    assert len(asks) == 3, "for the greeting, after one tool, and once after three"
    assert server.refusals == []


async def test_an_agent_that_ends_the_call_without_a_word_is_asked_for_its_goodbye(
    network, new_server
):
    network.add(CALLEE, Callee(says=["Wrong number.", "Still there?"]))
    script = [ToolCall("end_call", {"reason": "A wrong number"}), "Sorry, goodbye."]
    server = await new_server(script)
    result = await call_with_tools(network, server, [])
    assert (result.status, result.ended_by) == ("completed", "agent")
    assert network.dials[0].heard[-1] == "Sorry, goodbye."
    assert server.refusals == []


async def test_the_agent_transfers_the_call(network, new_server):
    network.add(CALLEE, Callee(says=["A human, please.", "Thanks."]))
    network.add(OTHER_CALLEE, Callee(says=["Yes?"]))
    server = await new_server([ToolCall("transfer_call", {"number": OTHER_CALLEE}), "One moment."])
    phone = Patter(
        carrier=network.twilio(), phone_number=PHONE, ledger=":memory:", clock=network.clock
    )
    voice = OpenAIRealtime(base_url=server.base_url, api_key="sk-test")
    tool = PatterTool(phone, agent={"engine": voice, "transfer_to": OTHER_CALLEE})
    try:
        result = await bounded(tool.execute(to=CALLEE, first_message="Hi."))
    finally:
        await bounded(phone.aclose())
    assert (result.status, result.ended_by) == ("completed", "agent")
    assert network.dials[0].transferred_to == [OTHER_CALLEE]
