"""OpenAILLM against a server that speaks chat completions, on a socket."""

from __future__ import annotations

import asyncio
import contextlib
import json
from contextlib import aclosing

import pytest
from aiohttp import web

from patter_core.clock import SimulatedClock
from patter_core.errors import ConfigError, ProviderError
from patter_core.pipeline.cascade import Cascade
from patter_core.pipeline.language_model import Message, TextPiece, TokensUsed
from patter_core.pipeline.plan import SessionPlan
from patter_core.pipeline.providers.openai import OpenAILLM
from patter_core.pipeline.providers.scripted import ScriptedSTT, ScriptedTTS
from tests.pipeline.in_process_line import conversation, resources

KEY = "sk-very-secret-key"
MESSAGES = (Message("system", "Be kind."), Message("user", "Hello?"))
USAGE = {
    "prompt_tokens": 20,
    "completion_tokens": 3,
    "total_tokens": 23,
    "prompt_tokens_details": {"cached_tokens": 8},
}


def chunk(content=None, *, finish=None, usage=None, choices=True):
    delta = {} if content is None else {"content": content}
    return {
        "id": "c1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}] if choices else [],
        "usage": usage,
    }


def event(value):
    return f"data: {value if isinstance(value, str) else json.dumps(value)}\n\n".encode()


class ChatServer:
    """Streams what it was given: bytes are sent, an Event is waited for, None breaks the line."""

    def __init__(self):
        self.steps = []
        self.status = 200
        self.error = {}
        self.requests = []
        self.headers = []
        self.hung_up = asyncio.Event()
        self.asked = asyncio.Event()
        self.url = ""

    async def answer(self, request):
        self.requests.append(await request.json())
        self.headers.append(request.headers)
        self.asked.set()
        if self.status != 200:
            return web.json_response({"error": self.error}, status=self.status)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        try:
            for step in self.steps:
                if isinstance(step, asyncio.Event):
                    await step.wait()
                elif step is None:
                    request.transport.abort()
                else:
                    await response.write(step)
        except (asyncio.CancelledError, ConnectionError):
            self.hung_up.set()
            raise
        return response


@contextlib.asynccontextmanager
async def chat_server():
    server = ChatServer()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", server.answer)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    try:
        yield server
    finally:
        await runner.cleanup()


@pytest.fixture
async def server():
    async with chat_server() as server:
        yield server


@pytest.fixture
async def lent():
    async with resources() as lent:
        yield lent


def model(server, **options):
    return OpenAILLM("m", api_key=KEY, base_url=server.url, **options)


async def said(llm, lent):
    return [event async for event in llm.reply(MESSAGES, lent)]


async def failure(llm, lent):
    with pytest.raises(ProviderError) as caught:
        await said(llm, lent)
    sentence = str(caught.value)
    assert KEY not in sentence
    assert "127.0.0.1" not in sentence
    assert "Hello?" not in sentence
    return caught.value


async def test_the_reply_streams_token_by_token_and_counts_its_tokens(server, lent):
    rest = asyncio.Event()
    server.steps = [
        event(chunk("")),
        event(chunk("Good ")),
        rest,
        event(chunk("day.")),
        event(chunk(finish="stop")),
        event(chunk(choices=False, usage=USAGE)),
        event("[DONE]"),
    ]
    async with aclosing(model(server).reply(MESSAGES, lent)) as reply:
        assert await anext(reply) == TextPiece("Good ")
        rest.set()
        assert [event async for event in reply] == [
            TextPiece("day."),
            TokensUsed(input_tokens=20, output_tokens=3, cached_tokens=8),
        ]
    assert server.requests == [
        {
            "model": "m",
            "messages": [
                {"role": "system", "content": "Be kind."},
                {"role": "user", "content": "Hello?"},
            ],
            "stream": True,
            "stream_options": {"include_usage": True},
        }
    ]
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"


async def test_usage_may_come_with_the_last_choice_or_not_at_all(server, lent):
    server.steps = [event(chunk("Yes.", finish="stop", usage=USAGE)), event("[DONE]")]
    assert await said(model(server), lent) == [
        TextPiece("Yes."),
        TokensUsed(input_tokens=20, output_tokens=3, cached_tokens=8),
    ]
    server.steps = [event(chunk("Yes.")), event(chunk(finish="stop")), event("[DONE]")]
    assert await said(model(server), lent) == [TextPiece("Yes.")]


async def test_a_server_that_lingers_after_the_last_word_holds_nothing_up(server, lent):
    server.steps = [event(chunk("Yes.", finish="stop")), asyncio.Event()]
    async with asyncio.timeout(30):
        assert await said(model(server), lent) == [TextPiece("Yes.")]


async def test_options_are_sent_only_when_they_are_set(server, lent):
    server.steps = [event(chunk("Yes.", finish="stop")), event("[DONE]")]
    await said(model(server, temperature=0.0, max_output_tokens=50), lent)
    assert server.requests[0]["temperature"] == 0.0
    assert server.requests[0]["max_tokens"] == 50


@pytest.mark.parametrize(
    ("status", "error", "sentence", "retryable"),
    [
        (401, {"message": f"Incorrect API key provided: {KEY}"}, "the API key was refused", False),
        (403, {}, "the API key was refused", False),
        (404, {"message": "no model m"}, "no such model", False),
        (400, {"message": "Hello? is bad"}, "the request was refused", False),
        (429, {"message": "slow down"}, "too many requests", True),
        (429, {"code": "insufficient_quota"}, "quota is used up", False),
        (500, {"message": "oops"}, "the service failed (HTTP 500)", True),
        (503, {}, "the service failed (HTTP 503)", True),
    ],
)
async def test_a_refusal_is_said_plainly_and_asked_once(
    server, lent, status, error, sentence, retryable
):
    server.status, server.error = status, error
    failed = await failure(model(server), lent)
    assert failed.provider == "openai"
    assert sentence in str(failed)
    assert failed.retryable is retryable
    assert len(server.requests) == 1


async def test_a_first_word_that_does_not_come_is_not_waited_for(server, lent):
    server.steps = [event(chunk("")), asyncio.Event()]
    failed = await failure(model(server, first_token_sec=0.2, stall_sec=60), lent)
    assert "too long" in str(failed)
    assert failed.retryable
    await asyncio.wait_for(server.hung_up.wait(), 5)


async def test_a_stall_after_the_first_word_is_not_waited_for(server, lent):
    server.steps = [event(chunk("Well, ")), asyncio.Event()]
    failed = await failure(model(server, first_token_sec=60, stall_sec=0.2), lent)
    assert "too long" in str(failed)
    await asyncio.wait_for(server.hung_up.wait(), 5)


async def test_a_slow_listener_is_no_stall_of_the_server(server, lent):
    server.steps = [event(chunk("One.")), event(chunk("Two.", finish="stop")), event("[DONE]")]
    async with aclosing(model(server, stall_sec=0.2).reply(MESSAGES, lent)) as reply:
        assert await anext(reply) == TextPiece("One.")
        await asyncio.sleep(0.4)
        assert await anext(reply) == TextPiece("Two.")


@pytest.mark.parametrize(
    ("steps", "sentence"),
    [
        ([event(chunk("Well, ")), None], "the connection broke"),
        ([event(chunk("Well, "))], "broke off"),
        ([event(chunk("Well, ")), event("[DONE]")], "broke off"),
        ([b"<html>Hello?</html>"], "broke off"),
        ([], "broke off"),
        ([event("{Hello?")], "could not be read"),
        ([event("17")], "could not be read"),
        ([event('{"choices": [{"delta": null}]}')], "could not be read"),
        ([b"data: \xff\xfe\n\n"], "could not be read"),
        ([event({"error": {"message": "Hello? overloaded"}})], "broke off"),
    ],
)
async def test_an_answer_that_cannot_be_used_is_an_error(server, lent, steps, sentence):
    server.steps = steps
    assert sentence in str(await failure(model(server), lent))


async def test_a_server_that_is_not_there_is_an_error_that_may_pass(server, lent):
    gone = OpenAILLM("m", api_key=KEY, base_url="http://127.0.0.1:1/v1")
    failed = await failure(gone, lent)
    assert "could not be reached" in str(failed)
    assert failed.retryable


async def test_closing_the_reply_early_hangs_up_on_the_server(server, lent):
    server.steps = [event(chunk("One.")), asyncio.Event()]
    reply = model(server).reply(MESSAGES, lent)
    assert await anext(reply) == TextPiece("One.")
    await reply.aclose()
    await asyncio.wait_for(server.hung_up.wait(), 5)


async def test_cancelling_while_nothing_was_answered_hangs_up_on_the_server(server, lent):
    server.steps = [asyncio.Event()]
    asking = asyncio.create_task(said(model(server), lent))
    await asyncio.wait_for(server.asked.wait(), 5)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await asyncio.wait_for(server.hung_up.wait(), 5)


async def test_the_clock_is_held_while_the_server_owes_something_and_only_then(server):
    clock = SimulatedClock()
    start, rest = asyncio.Event(), asyncio.Event()
    server.steps = [start, event(chunk("One.")), rest, event(chunk("Two.", finish="stop"))]
    async with resources(clock) as lent:
        reply = model(server).reply(MESSAGES, lent)
        first = asyncio.create_task(anext(reply))
        await asyncio.wait_for(server.asked.wait(), 5)
        assert clock.holds == 1
        start.set()
        assert await first == TextPiece("One.")
        assert clock.holds == 0
        rest.set()
        assert await anext(reply) == TextPiece("Two.")
        assert clock.holds == 0
        await reply.aclose()
    assert clock.holds == 0


async def test_all_calls_of_a_phone_share_one_client(server, lent):
    server.steps = [event(chunk("Yes.", finish="stop")), event("[DONE]")]
    assert await model(server)._client(lent) is await model(server)._client(lent)
    other = OpenAILLM("m", api_key="another", base_url=server.url)
    assert await other._client(lent) is not await model(server)._client(lent)


def test_a_missing_key_names_the_variable_to_set(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
        OpenAILLM().check()
    monkeypatch.setenv("OPENAI_API_KEY", " from-the-environment ")
    OpenAILLM().check()


def test_what_cannot_work_is_an_error_before_any_call():
    with pytest.raises(ConfigError, match="model"):
        OpenAILLM("", api_key=KEY).check()
    with pytest.raises(ConfigError, match="base_url"):
        OpenAILLM(api_key=KEY, base_url="localhost:8080/v1").check()


def test_the_key_does_not_show():
    assert KEY not in repr(OpenAILLM(api_key=KEY))


async def test_a_conversation_speaks_the_first_sentence_while_the_model_still_writes(server):
    rest = asyncio.Event()
    server.steps = [
        event(chunk("For four ")),
        event(chunk("people. And")),
        rest,
        event(chunk(" at eight.", finish="stop")),
        event("[DONE]"),
    ]
    engine = Cascade(stt=ScriptedSTT(), llm=model(server), tts=ScriptedTTS())
    async with conversation(engine, instructions="Be kind.", greeting="Hi.") as line:
        await line.until_turns(1)
        line.speak("For how many?")
        await line.until(lambda: line.heard()[-1:] == ["people."])
        rest.set()
        await line.until_turns(3)
    assert line.turns[-1].text == "For four people. And at eight."
    assert [message["content"] for message in server.requests[0]["messages"]] == [
        "Be kind.",
        "Hi.",
        "For how many?",
    ]


async def test_a_model_that_refuses_ends_the_conversation_with_its_error(server):
    server.status = 401
    engine = Cascade(stt=ScriptedSTT(), llm=model(server), tts=ScriptedTTS())

    async def converse():
        async with conversation(engine) as line:
            line.speak("Hello?")
            await line.until(line.running.done)
            await line.running

    with pytest.raises(ProviderError, match="the API key was refused"):
        await converse()


async def test_a_model_without_a_key_is_found_out_before_anybody_is_rung(lent, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    engine = Cascade(stt=ScriptedSTT(), llm=OpenAILLM(), tts=ScriptedTTS())
    with pytest.raises(ProviderError, match="OPENAI_API_KEY"):
        async with engine.open(SessionPlan(call_id="call", instructions=""), lent):
            raise AssertionError("it was opened")
