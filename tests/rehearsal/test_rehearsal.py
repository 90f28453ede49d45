"""`phone.test(agent)`: talking to an agent in writing, while nobody is rung."""

from __future__ import annotations

import asyncio
import threading
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace

import pytest

from patter import (
    OpenAILLM,
    OpenAIRealtime,
    Patter,
    ScriptedLLM,
    ScriptedSTT,
    ScriptedToolCall,
    ScriptedTTS,
    tool,
)
from patter.simulator import ScriptedChatServer, ScriptedRealtimeServer, ToolCall
from patter_core.errors import ConfigError, ProviderError
from patter_core.telephony.twilio.account import Twilio
from tests.calls.kit import OTHER_CALLEE, PHONE, bounded
from tests.calls.speaking import KINDS, Speaking
from tests.realtime.realtime_kit import came, check_client_events, of_type


@pytest.fixture(params=KINDS)
async def speaking(request):
    async with AsyncExitStack() as stack:
        yield Speaking(request.param, stack)


@pytest.fixture
def phone(tmp_path):
    """A phone at a carrier that nobody can reach, with a ledger that must not be touched."""
    account = Twilio("AC" + "0" * 32, "token", api_base_url="http://127.0.0.1:9")
    ledger = tmp_path / "calls.sqlite"
    yield Patter(
        carrier=account, phone_number=PHONE, webhook_url="calls.example.com", ledger=ledger
    )
    assert not ledger.exists()


@contextmanager
def service(script=(), **options):
    """A scripted Realtime service; in the end it was sent nothing but what the protocol has."""
    with ScriptedRealtimeServer(script, **options) as server:
        yield server
    check_client_events(server.received)


class Screen:
    """A developer who types these lines, and what they get to see."""

    def __init__(self, *lines):
        self.shown = []
        self._lines = list(lines)

    def read(self):
        return self._lines.pop(0) if self._lines else None

    def write(self, text):
        self.shown.append(text)


async def talk(phone, agent, *lines, **options):
    screen = Screen(*lines)
    turns = await bounded(phone.test(agent, read=screen.read, write=screen.write, **options))
    return screen.shown, [(turn.role, turn.text) for turn in turns]


@tool
async def find_order(order_id: str) -> dict:
    """Look an order up."""
    return {"order": order_id, "arrives": "on Friday"}


FIND = ScriptedToolCall("find_order", {"order_id": "ORD-1"})


async def test_the_agent_answers_what_is_typed(phone, speaking):
    agent = await speaking.agent("For how many?", "Booked.", first_message="A table, please.")
    shown, turns = await talk(phone, agent, "Good evening!", "  Four.  ", "")
    assert shown == ["Agent: A table, please.", "Agent: For how many?", "Agent: Booked."]
    assert turns == [
        ("agent", "A table, please."),
        ("user", "Good evening!"),
        ("agent", "For how many?"),
        ("user", "Four."),
        ("agent", "Booked."),
    ]


async def test_tools_are_really_used_and_shown(phone, speaking):
    agent = await speaking.agent(FIND, "It comes on Friday.", tools=[find_order])
    shown, turns = await talk(phone, agent, "Where is my order?")
    assert shown == [
        '  -> find_order {"order_id":"ORD-1"}',
        '  <- find_order {"order":"ORD-1","arrives":"on Friday"}',
        "Agent: It comes on Friday.",
    ]
    assert turns == [("user", "Where is my order?"), ("agent", "It comes on Friday.")]
    assert speaking.answers == ['{"order":"ORD-1","arrives":"on Friday"}']


async def test_several_tools_at_once_and_one_after_another(phone, speaking):
    script = [[FIND, FIND], FIND, "That is all."]
    agent = await speaking.agent(*script, tools=[find_order])
    shown, _ = await talk(phone, agent, "Everything, please.")
    assert sum(line.startswith("  ->") for line in shown) == 3
    assert sum(line.startswith("  <-") for line in shown) == 3
    assert shown[-1] == "Agent: That is all."
    assert len(speaking.answers) == 3


async def test_what_a_tool_says_meanwhile_is_shown(phone, speaking):
    @tool
    async def search():
        """Search."""
        yield {"progress": "Still looking."}
        yield "found"

    agent = await speaking.agent(ScriptedToolCall("search"), "Found it.", tools=[search])
    shown, _ = await talk(phone, agent, "Search!")
    assert shown == [
        "  -> search {}",
        "Agent: Still looking.",
        "  <- search found",
        "Agent: Found it.",
    ]


async def test_a_tool_that_fails_is_shown_as_the_model_reads_it(phone, speaking):
    @tool(max_retries=0)
    def broken():
        """Break."""
        raise RuntimeError("a secret")

    agent = await speaking.agent(ScriptedToolCall("broken"), "Sorry.", tools=[broken])
    shown, _ = await talk(phone, agent, "Go.")
    assert shown[1].startswith('  <- broken {"error":"tool_failed"')
    assert not any("secret" in line for line in shown)
    assert shown[-1] == "Agent: Sorry."


@pytest.mark.parametrize("words", ["Goodbye.", ""])
async def test_the_agent_ends_it_with_a_goodbye(phone, speaking, words):
    end = ScriptedToolCall("end_call", {"reason": "Done"})
    script = [[words, end], "Never said."] if words else [end, "Goodbye."]
    agent = await speaking.agent(*script)
    shown, turns = await talk(phone, agent, "That is all.", "Still there?")
    assert ("user", "Still there?") not in turns
    assert "(The agent ended the call: Done)" in shown
    assert [text for role, text in turns if role == "agent"] == ["Goodbye."]


async def test_a_transfer_is_shown_and_goes_only_where_it_may(phone, speaking):
    script = [
        ScriptedToolCall("transfer_call", {"number": "+14155550199"}),
        "Not there.",
        ScriptedToolCall("transfer_call", {"number": OTHER_CALLEE}),
        "One moment.",
    ]
    agent = await speaking.agent(*script, transfer_to=OTHER_CALLEE)
    shown, _ = await talk(phone, agent, "A human.", "The desk.", "Hello?")
    assert any("transfer_refused" in line for line in shown)
    assert f"(The call would be transferred to {OTHER_CALLEE})" in shown
    assert shown[-1] == "Agent: One moment."


async def test_quit_ends_it(phone, speaking):
    agent = await speaking.agent("Never said.")
    shown, turns = await talk(phone, agent, " /quit ", "Hello?")
    assert (shown, turns) == ([], [])


async def test_the_goal_and_the_first_message_are_those_of_the_call(phone):
    with service(["Yes."]) as server:
        engine = OpenAIRealtime(base_url=server.base_url, api_key="sk-test")
        agent = phone.agent(engine=engine, system_prompt="Be kind.", first_message="Hello.")
        shown, _ = await talk(phone, agent, "Hm?", goal="Book a table", first_message="Hi.")
        assert shown == ["Agent: Hi.", "Agent: Yes."]
        (update,) = of_type(server.received, "session.update")
        assert update["session"]["instructions"].startswith("Be kind.\n\nGoal of this call: Book")
        assert update["session"]["output_modalities"] == ["text"]
        assert not of_type(server.received, "input_audio_buffer.append")
        assert server.refusals == []
        await came(lambda: not server.live)


async def test_strict_is_withdrawn_in_writing_too(phone):
    with service([ToolCall("find_order", {"order_id": "A"}), "There."]) as server:
        engine = OpenAIRealtime(base_url=server.base_url, api_key="sk-test")
        strict = replace(find_order, strict=True)
        shown, _ = await talk(phone, {"engine": engine, "tools": [strict]}, "Find it.")
        assert shown[-1] == "Agent: There."
        assert [refusal.count("strict") for refusal in server.refusals] == [1]


async def test_whoever_reads_may_block_or_be_awaited(phone):
    threads = []
    lines = ["Hello?"]

    def blocks():
        threads.append(threading.current_thread())
        return lines.pop() if lines else None

    async def is_awaited():
        threads.append(threading.current_thread())

    parts = {"stt": ScriptedSTT(), "llm": ScriptedLLM(["Hi."]), "tts": ScriptedTTS()}
    shown = []
    await bounded(phone.test(parts, read=blocks, write=shown.append))
    assert shown == ["Agent: Hi."]
    assert threading.current_thread() not in threads
    threads.clear()
    await bounded(phone.test(parts, read=is_awaited, write=shown.append))
    assert threads == [threading.current_thread()]


async def test_an_answer_that_failed_can_be_asked_for_again(phone):
    with service([{"error": "rate_limit_exceeded"}, "Here I am."]) as server:
        engine = OpenAIRealtime(base_url=server.base_url, api_key="sk-test")
        shown, _ = await talk(phone, {"engine": engine}, "Hello?", "Hello?")
        assert shown == ["(No answer: openai-realtime: too many requests)", "Agent: Here I am."]


@pytest.mark.parametrize("kind", ["disconnect", "close", "stall"])
@pytest.mark.parametrize("at", ["session.updated", "response.created", "response.done"])
async def test_a_service_that_goes_away_is_an_error(phone, kind, at):
    with service(["Yes."]) as server:
        server.spoil(kind, at)
        engine = OpenAIRealtime(
            base_url=server.base_url, api_key="sk-test", open_sec=0.3, stall_sec=0.3
        )
        with pytest.raises(ProviderError, match=r"lost|too long|broke"):
            await talk(phone, {"engine": engine}, "Hello?")
        await came(lambda: not server.live)


async def test_a_refused_key_is_an_error(phone):
    with service(refuses=401) as server:
        engine = OpenAIRealtime(base_url=server.base_url, api_key="sk-test")
        with pytest.raises(ProviderError, match="key was refused"):
            await talk(phone, {"engine": engine}, "Hello?")


async def test_a_secret_is_not_shown():
    phone = Patter(
        carrier=Twilio("AC" + "0" * 32, "token"),
        phone_number=PHONE,
        webhook_url="calls.example.com",
        secrets=["open sesame"],
    )
    llm = ScriptedLLM(["It is open sesame."])
    shown, turns = await talk(
        phone, {"stt": ScriptedSTT(), "llm": llm, "tts": ScriptedTTS()}, "Tell me."
    )
    assert shown == ["Agent: It is [redacted]."]
    assert turns[-1] == ("agent", "It is [redacted].")


async def test_cancelling_it_leaves_nothing_behind(phone):
    waiting = asyncio.Event()

    async def read():
        waiting.set()
        await asyncio.Event().wait()

    with service() as server:
        engine = OpenAIRealtime(base_url=server.base_url, api_key="sk-test")
        before = len(asyncio.all_tasks())
        talking = asyncio.create_task(phone.test({"engine": engine}, read=read, write=print))
        await bounded(waiting.wait())
        talking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await bounded(talking)
        await came(lambda: not server.live)
        assert len(asyncio.all_tasks()) == before


async def test_an_engine_that_cannot_write_is_said_so(phone):
    class OnlyVoice:
        def open(self, plan, resources):
            raise AssertionError

    with pytest.raises(ConfigError, match="OnlyVoice"):
        await talk(phone, {"engine": OnlyVoice()}, "Hello?")


async def test_a_model_that_only_ever_asks_for_tools_is_stopped(phone):
    asked = []

    def script(request):
        asked.append("tools" in request)
        return ToolCall("find_order", {"order_id": "A"}) if "tools" in request else "Enough."

    with ScriptedChatServer(script) as chat:
        llm = OpenAILLM("gpt-4.1-mini", base_url=chat.base_url, api_key="k")
        parts = {"stt": ScriptedSTT(), "llm": llm, "tts": ScriptedTTS(), "tools": [find_order]}
        shown, _ = await talk(phone, parts, "Go.")
    assert asked == [True] * 10 + [False]
    assert shown[-1] == "Agent: Enough."
