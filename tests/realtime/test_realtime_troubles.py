"""What a Realtime conversation does when the service fails."""

from __future__ import annotations

import asyncio
import logging
import math
import random
import struct

import pytest

from patter_core.audio import mulaw
from patter_core.errors import ConfigError, ProviderError
from patter_core.pipeline.plan import SessionPlan
from patter_core.pipeline.realtime.engine import OpenAIRealtime
from patter_core.simulator import ToolCall
from tests.pipeline.in_process_line import resources
from tests.realtime.realtime_kit import Tools, asks, came, conversation, ends_with, engine, of_type

LONG = "This is a rather long sentence, which nobody will ever want to hear to its very end."
PLAN = SessionPlan(call_id="call", instructions="Be kind.")


async def opening_error(voice):
    async with asyncio.timeout(30), resources() as lent:
        with pytest.raises(ProviderError) as failure:
            async with voice.open(PLAN, lent):
                pass
    return failure.value


@pytest.mark.parametrize(
    ("status", "words", "retryable"),
    [
        (401, "key was refused", False),
        (403, "key was refused", False),
        (404, "no such model", False),
        (429, "too many requests", True),
        (503, "service failed", True),
        (400, "was refused", False),
    ],
)
async def test_a_refused_connection_is_said_plainly(new_server, status, words, retryable):
    server = await new_server(refuses=status)
    error = await opening_error(engine(server, api_key="sk-secret"))
    assert words in str(error)
    assert str(status) in str(error)
    assert error.retryable is retryable
    assert "secret" not in str(error)


async def test_a_service_that_is_not_there_is_said_plainly(unused_port):
    error = await opening_error(
        OpenAIRealtime(base_url=f"http://127.0.0.1:{unused_port}/v1", api_key="x")
    )
    assert "could not be reached" in str(error)
    assert error.retryable


async def test_no_key_at_all(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
        OpenAIRealtime().check()
    assert "no key" in str(await opening_error(OpenAIRealtime()))


@pytest.mark.parametrize("trouble", ["stall", "omit", "disconnect", "close", "garbage"])
@pytest.mark.parametrize("at", ["session.created", "session.updated"])
async def test_a_session_that_never_begins_is_given_up(new_server, trouble, at):
    server = await new_server()
    server.spoil(trouble, at, times=None)
    error = await opening_error(engine(server, open_sec=0.4))
    assert "took too long" in str(error) or "broke" in str(error)


async def test_settings_that_the_service_refuses_ring_nobody(new_server):
    server = await new_server()
    error = await opening_error(engine(server, voice="nobody"))
    assert "session.audio.output.voice" in str(error)


@pytest.mark.parametrize(
    "wrong",
    [
        {"model": ""},
        {"audio": "mp3"},
        {"speed": 3.0},
        {"base_url": "api.openai.com"},
        {"turn_detection": None},
    ],
)
def test_settings_that_make_no_sense_are_an_error_when_they_are_written(wrong):
    with pytest.raises(ConfigError, match="OpenAIRealtime"):
        OpenAIRealtime(api_key="x", **wrong).check()


@pytest.mark.parametrize("trouble", ["disconnect", "close", "expire", "stall"])
async def test_a_lost_connection_is_made_again_with_the_conversation_so_far(new_server, trouble):
    def script(view):
        asked = {"First?": "One.", "Second?": "Two.", "Third?": ToolCall("a")}
        done = view["items"][-1]["type"] == "function_call_output"
        return "Three." if done else asked[view["said"][-1]]

    server = await new_server(script)
    tools = Tools({"a": lambda _arguments, _say: "A"})
    async with conversation(server, greeting="Hi.", stall_sec=0.3, tools=tools) as line:
        await line.until_quiet()
        await line.says("First?")
        await line.until_quiet()
        server.spoil(trouble, "response.created")
        await line.says("Second?")
        await came(lambda: server.connections == 2)
        line.forget_what_was_sent()
        await line.until_quiet()
        await line.says("Third?")
        await line.until_quiet()
        assert line.said == [
            ("agent", "Hi."),
            ("user", "First?"),
            ("agent", "One."),
            ("user", "Second?"),
            ("agent", "Two."),
            ("user", "Third?"),
            ("agent", "Three."),
        ]
        again = [event["item"] for event in of_type(server.received, "conversation.item.create")]
        texts = [item["content"][0]["text"] for item in again if item["type"] == "message"]
        assert texts[:3] == ["Hi.", "First?", "One."]
        assert line.session.metrics()["reconnections"] == 1
        assert not line.running.done()


async def test_what_was_half_said_when_the_connection_broke_is_gone_on_with(new_server):
    def script(view):
        begun = view["items"][-1].get("role") == "assistant"
        return "To go on: it is open until nine." if begun else LONG

    server = await new_server(script)
    async with conversation(server, greeting="Hi.") as line:
        await line.until_quiet()
        server.spoil("disconnect", len(server.sent) + 20)
        await line.says("When are you open?")
        await came(lambda: server.connections == 2)
        line.forget_what_was_sent()
        await line.until_quiet()
        half, rest = [text for role, text in line.said if role == "agent"][1:]
        assert LONG.startswith(half)
        assert 0 < len(half) < len(LONG)
        assert rest == "To go on: it is open until nine."


async def test_words_that_were_half_said_are_said_again_and_nothing_else(new_server):
    server = await new_server(["Never said."])
    async with conversation(server) as line:
        server.spoil("disconnect", 20)
        line.session.say(LONG)
        await came(lambda: server.connections == 2)
        line.forget_what_was_sent()
        await line.until_quiet()
        half, whole = [text for _, text in line.said]
        assert LONG.startswith(half)
        assert whole == LONG


async def test_a_greeting_that_was_half_said_is_gone_on_with(new_server):
    server = await new_server(["As I said."])
    server.spoil("disconnect", 20)
    async with conversation(server, greeting=LONG) as line:
        await came(lambda: server.connections == 2)
        line.forget_what_was_sent()
        await line.until_quiet()
        half, rest = [text for _, text in line.said]
        assert LONG.startswith(half)
        assert rest == "As I said."
        await line.says("Well?")
        await line.until_quiet()
        assert server.refusals == []


async def test_what_was_said_to_its_end_is_not_gone_on_with(new_server):
    server = await new_server(["We are.", "Never said."])
    async with conversation(server) as line:
        server.spoil("disconnect", "response.done")
        await line.says("Are you open?")
        await came(lambda: server.connections == 2)
        line.forget_what_was_sent()
        await line.until_quiet()
        await line.frames(50)
        assert line.said == [("user", "Are you open?"), ("agent", "We are.")]


async def test_a_connection_that_is_lost_again_much_later_is_made_again(new_server):
    server = await new_server(lambda view: f"Answer to {view['said'][-1]}")
    async with conversation(server) as line:
        for lost in range(1, 4):
            server.hang_up()
            await came(lambda lost=lost: server.connections == lost + 1 and server.live == 1)
            line.forget_what_was_sent()
            await line.says(f"Question {lost}?")
            await line.until_quiet()
            assert line.said[-1] == ("agent", f"Answer to Question {lost}?")
            for _ in range(1_000):  # Twenty seconds.
                line.frame()
            await line.calm()
        assert line.session.metrics()["reconnections"] == 3
        assert not line.running.done()


async def test_a_connection_that_is_lost_again_at_once_ends_the_conversation(new_server):
    server = await new_server(["One."])
    server.spoil("disconnect", "response.created", times=None)
    async with conversation(server, greeting="Hi.") as line:
        await came(line.running.done)
        await ends_with(line, ProviderError, "broke")


async def test_a_response_that_fails_is_asked_for_again(new_server):
    server = await new_server([{"error": "rate_limit_exceeded"}, "Here I am."])
    async with conversation(server) as line:
        await line.says("Hello?")
        await line.until(lambda: line.said[-1:] == [("agent", "Here I am.")])
        assert len(asks(server)) == 1


async def test_responses_that_go_on_failing_end_the_conversation(new_server):
    server = await new_server(lambda _view: {"error": "server_error"})
    async with conversation(server) as line:
        await line.says("Hello?")
        await ends_with(line, ProviderError, "server_error")


async def test_a_quota_that_is_used_up_ends_the_conversation_at_once(new_server):
    server = await new_server([{"error": "insufficient_quota"}])
    async with conversation(server) as line:
        await line.says("Hello?")
        await ends_with(line, ProviderError, "quota")
    assert asks(server) == []


@pytest.mark.parametrize("trouble", ["garbage", "nonsense", "error"])
@pytest.mark.parametrize(
    "at", ["response.output_audio_transcript.delta", "conversation.item.added", "session.updated"]
)
async def test_noise_on_the_line_changes_nothing_that_matters(new_server, trouble, at):
    server = await new_server(["I understand."])
    async with conversation(server, greeting="Hello.") as line:
        await line.calm()
        server.spoil(trouble, at)
        await line.until_quiet()
        await line.says("Do you?")
        await line.until_quiet()
        assert line.heard() == ["Hello.", "I", "understand."]


async def test_a_request_that_crosses_the_services_own_response_is_made_again(new_server):
    server = await new_server([{"content": "I am here.", "delay_sec": 0.1}])
    async with conversation(server) as line:
        await line.says("Hello?")
        # As if our request had been on its way when the service began.
        responses = line.session._conversation.responses
        active, responses.active = responses.active, None
        line.session.say("One moment.")
        responses.active = active
        await line.until(lambda: len(line.turns) == 3)
        assert line.said[1:] == [("agent", "I am here."), ("agent", "One moment.")]
        assert len(server.refusals) == 1


def noise(frames):
    rng = random.Random(7)
    samples = [int(9_000 * math.sin(n * rng.uniform(0.2, 0.4))) for n in range(160 * frames)]
    return mulaw.encode(struct.pack(f"<{len(samples)}h", *samples))


async def test_a_service_that_hears_nothing_of_an_audible_caller_is_told_of(new_server, caplog):
    server = await new_server()
    async with conversation(server) as line:
        audio = noise(300)
        assert line.session.metrics()["hears_nothing"] is False
        assert line.session.metrics()["advice"] is None
        with caplog.at_level(logging.WARNING):
            line._speech.extend(audio[at : at + 160] for at in range(0, len(audio), 160))
            await line.frames(300)
        assert line.session.metrics()["hears_nothing"] is True
        (record,) = caplog.records
        assert 'audio="pcm"' in record.message
        assert 'audio="pcm"' in line.session.metrics()["advice"]


async def test_what_a_machine_is_told_nobody_expects_it_to_be_heard(new_server, caplog):
    server = await new_server()
    async with conversation(server) as line:
        line.session.leave_message("Please call back.", "Left a message")
        audio = noise(300)
        line._speech.extend(audio[at : at + 160] for at in range(0, len(audio), 160))
        for _ in range(300):
            line.frame()  # The service is sent nothing that it could confirm.
        assert line.session.metrics()["hears_nothing"] is False
    assert "hears nothing" not in caplog.text
