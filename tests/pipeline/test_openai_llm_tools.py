"""OpenAILLM and tools, against a server that speaks chat completions, on a socket."""

from __future__ import annotations

import asyncio
import json

import pytest
from aiohttp import web

from patter_core.errors import ProviderError
from patter_core.pipeline.cascade import Cascade
from patter_core.pipeline.language_model import Message, TextPiece, TokensUsed, ToolAsked
from patter_core.pipeline.providers.openai import OpenAILLM
from patter_core.pipeline.providers.scripted import ScriptedSTT, ScriptedTTS
from patter_core.pipeline.tool_use import ToolFace, ToolRequest
from tests.pipeline.in_process_line import conversation, resources

PARAMETERS = {"type": "object", "properties": {"order": {"type": "integer"}}}
LOOSE = ToolFace(name="look_up", description="Looks it up.", parameters=PARAMETERS)
STRICT = ToolFace(name="exactly", description="", parameters=PARAMETERS, strict=True)
QUESTION = (Message("user", "Where is it?"),)
USAGE = {"prompt_tokens": 20, "completion_tokens": 3, "total_tokens": 23}


def chunk(*fragments, text=None, finish=None):
    delta = {"content": text} if text is not None else {}
    if fragments:
        delta["tool_calls"] = list(fragments)
    return {
        "id": "c1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }


def fragment(index=None, *, id=None, name=None, arguments=None):  # noqa: A002 - as on the wire
    made = {"function": {}}
    if index is not None:
        made["index"] = index
    if id is not None:
        made |= {"id": id, "type": "function"}
    if name is not None:
        made["function"]["name"] = name
    if arguments is not None:
        made["function"]["arguments"] = arguments
    return made


DONE = "[DONE]"
CALLS = chunk(finish="tool_calls")


class ChatServer:
    """Answers each request with the next list of chunks; an Event among them is waited for."""

    def __init__(self):
        self.answers = []
        self.requests = []
        self.url = ""

    async def answer(self, request):
        self.requests.append(await request.json())
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for part in self.answers.pop(0):
            if isinstance(part, asyncio.Event):
                await part.wait()
            else:
                text = part if isinstance(part, str) else json.dumps(part)
                await response.write(f"data: {text}\n\n".encode())
        return response


@pytest.fixture
async def server():
    server = ChatServer()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", server.answer)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    yield server
    await runner.cleanup()


@pytest.fixture
async def lent():
    async with resources() as lent:
        yield lent


def model(server, **options):
    return OpenAILLM("m", api_key="key", base_url=server.url, **options)


async def asked(server, lent, *chunks, messages=QUESTION, tools=(LOOSE,)):
    server.answers.append(list(chunks))
    events = [event async for event in model(server).reply(messages, lent, tools)]
    return [
        (event.request.function_call_id, event.request.name, event.request.arguments)
        if isinstance(event, ToolAsked)
        else event
        for event in events
    ]


async def test_tools_are_offered_and_strict_ones_say_so(server, lent):
    await asked(server, lent, chunk(text="Yes.", finish="stop"), DONE, tools=(LOOSE, STRICT))
    assert server.requests[0]["tools"] == [
        {
            "type": "function",
            "function": {
                "name": "look_up",
                "description": "Looks it up.",
                "parameters": PARAMETERS,
            },
        },
        {
            "type": "function",
            "function": {
                "name": "exactly",
                "description": "",
                "parameters": PARAMETERS,
                "strict": True,
            },
        },
    ]
    await asked(server, lent, chunk(text="Yes.", finish="stop"), DONE, tools=())
    assert "tools" not in server.requests[1]


async def test_fragments_are_put_together_by_their_number(server, lent):
    events = await asked(
        server,
        lent,
        chunk(text="Let me see."),
        chunk(fragment(0, id="a", name="look_up", arguments="")),
        chunk(fragment(0, arguments='{"order"')),
        chunk(fragment(1, id="b", name="exactly", arguments="")),
        chunk(fragment(1, arguments='{"order": 8}'), fragment(0, arguments=": 7}")),
        CALLS,
        {**chunk(), "choices": [], "usage": USAGE},
        DONE,
    )
    assert events == [
        TextPiece("Let me see."),
        TextPiece("\n"),
        ("a", "look_up", '{"order": 7}'),
        ("b", "exactly", '{"order": 8}'),
        TokensUsed(input_tokens=20, output_tokens=3),
    ]


@pytest.mark.parametrize(
    ("chunks", "calls"),
    [
        ([chunk(fragment(0, name="x", arguments="{}"), finish="stop")], [("x", "{}")]),
        ([chunk(fragment(0, id="a", name="x")), CALLS], [("x", "{}")]),
        ([chunk(fragment(0, id="a", name="x", arguments='{"or')), CALLS], [("x", '{"or')]),
        (
            [chunk(fragment(0, id="a", name="x"), fragment(0, id="b", name="y")), CALLS],
            [("x", "{}"), ("y", "{}")],
        ),
        (
            [chunk(fragment(0, id="a", name="x"), fragment(1, id="a", name="y")), CALLS],
            [("x", "{}"), ("y", "{}")],
        ),
        (
            [chunk(fragment(name="x", arguments='{"a":')), chunk(fragment(arguments="1}")), CALLS],
            [("x", '{"a":1}')],
        ),
        (
            [chunk(fragment(name="x")), chunk(fragment(name="x", arguments='{"a":1}')), CALLS],
            [("x", "{}"), ("x", '{"a":1}')],
        ),
        (
            [chunk(fragment(0, id="a", name="x")), chunk(fragment(0, id="a", name="x")), CALLS],
            [("x", "{}")],
        ),
        (
            [chunk(fragment(0, id="a", name="x", arguments={"order": 7})), CALLS],
            [("x", '{"order": 7}')],
        ),
    ],
)
async def test_servers_that_do_it_their_own_way_are_understood(server, lent, chunks, calls):
    events = await asked(server, lent, *chunks, DONE)
    assert [event[1:] for event in events] == calls
    ids = [event[0] for event in events]
    assert all(ids)
    assert len(set(ids)) == len(ids)


async def test_a_reply_that_breaks_off_amid_a_request_asks_for_nothing(server, lent):
    with pytest.raises(ProviderError, match="broke off"):
        await asked(server, lent, chunk(fragment(0, id="a", name="look_up", arguments='{"o')))


async def test_requests_and_answers_go_back_as_the_service_wants_them(server, lent):
    def request(number, name, arguments):
        return ToolRequest(function_call_id=f"c{number}", name=name, arguments=arguments)

    messages = (
        *QUESTION,
        Message(
            "assistant",
            "Let me see.",
            (request(1, "look_up", '{"order": 7}'), request(2, "no such!", '{"or')),
        ),
        Message("tool", "Monday", function_call_id="c1"),
        Message("tool", "unknown", function_call_id="c2"),
        Message("assistant", "", (request(3, "", ""),)),
        Message("tool", "-", function_call_id="c3"),
    )
    await asked(server, lent, chunk(text="Monday.", finish="stop"), DONE, messages=messages)

    def call(number, name, arguments):
        function = {"name": name, "arguments": arguments}
        return {"id": f"c{number}", "type": "function", "function": function}

    assert server.requests[0]["messages"] == [
        {"role": "user", "content": "Where is it?"},
        {
            "role": "assistant",
            "content": "Let me see.",
            "tool_calls": [call(1, "look_up", '{"order": 7}'), call(2, "no_such_", "{}")],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "Monday"},
        {"role": "tool", "tool_call_id": "c2", "content": "unknown"},
        {"role": "assistant", "content": None, "tool_calls": [call(3, "_", "{}")]},
        {"role": "tool", "tool_call_id": "c3", "content": "-"},
    ]


class Monday:
    """A `ToolUse` that knows one answer."""

    faces = (LOOSE,)

    async def run(self, request, say):
        return f"{request.arguments} ships on Monday"


async def test_in_a_conversation_words_are_spoken_while_the_arguments_are_written(server):
    rest = asyncio.Event()
    server.answers = [
        [
            chunk(text="Let me see."),
            chunk(fragment(0, id="a", name="look_up", arguments='{"order"')),
            rest,
            chunk(fragment(0, arguments=": 7}")),
            CALLS,
            DONE,
        ],
        [chunk(text="It ships on Monday.", finish="stop"), DONE],
    ]
    engine = Cascade(stt=ScriptedSTT(), llm=model(server), tts=ScriptedTTS())
    async with conversation(engine, tools=Monday()) as line:
        line.speak("Where is it?")
        await line.until(lambda: line.heard() == ["Let", "me", "see."])
        rest.set()
        await line.until_turns(3)
    assert [turn.text for turn in line.turns[1:]] == ["Let me see.", "It ships on Monday."]
    assert server.requests[1]["messages"][-2:] == [
        {
            "role": "assistant",
            "content": "Let me see.",
            "tool_calls": [
                {
                    "id": "a",
                    "type": "function",
                    "function": {"name": "look_up", "arguments": '{"order": 7}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "a", "content": '{"order": 7} ships on Monday'},
    ]
