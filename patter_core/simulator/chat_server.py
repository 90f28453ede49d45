"""A scripted language model on loopback, which speaks OpenAI's chat completions."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import orjson
from aiohttp import web

from patter_core.simulator.chat_rules import BadChat, check_chat
from patter_core.simulator.loopback import on_loopback
from patter_core.simulator.own_loop import OnOwnLoop, OwnLoop

_PIECE = re.compile(r"\s*\S+|\s+$")
_ARGUMENT_CHARACTERS = 7


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A reply that asks for a tool.

    Attributes:
        arguments: A mapping, or text as it is, which need not be JSON.
    """

    name: str
    arguments: Mapping[str, Any] | str = "{}"


Reply = str | ToolCall | Sequence[ToolCall] | Mapping[str, Any]
"""What the model answers: text, tool calls, or a mapping.

A mapping has `content` (text) and `tool_calls` (ToolCalls), or `status` and `error` for a failure;
`delay_sec` is how long it thinks first, in real seconds.
"""


class ScriptedChatServer(OnOwnLoop):
    """Answers `/v1/chat/completions` by a script, and refuses what the service would refuse.

    Open it with `with` or `async with`; it lives on a thread of its own.

    Attributes:
        base_url: Where it listens, for `OpenAI(base_url=...)`; ends in /v1.
        requests: The bodies of all requests, in order, the refused ones too.
        refusals: What was wrong with the refused ones.
    """

    def __init__(self, script: Sequence[Reply] | Callable[[dict[str, Any]], Reply]) -> None:
        """Plan it; nothing is touched before it is entered.

        Args:
            script: Replies, given in order; or a function of the request's body, which runs on the
                server's thread.
        """
        self._script = script
        self._replies: Iterator[Reply] = iter(()) if callable(script) else iter(script)
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._requests: list[dict[str, Any]] = []
        self._refusals: list[str] = []
        self._url: str | None = None
        self._loop = OwnLoop("scripted-chat", self._serve)

    @property
    def base_url(self) -> str:
        """See the class."""
        if self._url is None:
            raise RuntimeError("the chat server is not up; open it with `with` or `async with`")
        return self._url

    @property
    def requests(self) -> list[dict[str, Any]]:
        """See the class."""
        return list(self._requests)

    @property
    def refusals(self) -> list[str]:
        """See the class."""
        return list(self._refusals)

    async def _serve(self, ready: Callable[[], None], stop: asyncio.Event) -> None:
        server = web.Server(self._answer, handler_cancellation=True, access_log=None)
        runner = web.ServerRunner(server, handle_signals=False, shutdown_timeout=0.1)
        async with on_loopback(runner) as url:
            self._url = f"{url}/v1"
            ready()
            await stop.wait()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if (request.method, request.path) != ("POST", "/v1/chat/completions"):
            return _failure(404, BadChat(f"Unknown request URL: {request.method} {request.path}."))
        if not request.headers.get("Authorization", "").startswith("Bearer "):
            return _failure(401, BadChat("You didn't provide an API key.", code="invalid_api_key"))
        try:
            body = _parsed(await request.read())
            self._requests.append(body)
            asked = check_chat(body)
            reply = _Message.of(self._next(asked))
        except BadChat as problem:
            self._refusals.append(str(problem))
            return _failure(400, problem)
        if reply.delay_sec:
            await asyncio.sleep(reply.delay_sec)
        if reply.error is not None:
            return web.json_response({"error": reply.error}, status=reply.status)
        answer = _Answer(asked, reply, f"chatcmpl-{next(self._numbers)}")
        if not asked.get("stream"):
            return web.json_response(answer.whole())
        return await _streamed(request, answer)

    def _next(self, asked: dict[str, Any]) -> Reply:
        with self._lock:
            if callable(self._script):
                return self._script(asked)
            try:
                return next(self._replies)
            except StopIteration:
                raise BadChat("The script has no reply left.", code="script_exhausted") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Message:
    """A reply, whatever form it was written in."""

    content: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    delay_sec: float = 0.0
    status: int = 200
    error: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, reply: Reply) -> _Message:
        match reply:
            case str():
                return cls(content=reply)
            case ToolCall():
                return cls(tool_calls=(reply,))
            case Mapping():
                return cls._of_mapping(reply)
            case _:
                return cls(tool_calls=tuple(reply))

    @classmethod
    def _of_mapping(cls, reply: Mapping[str, Any]) -> _Message:
        delay_sec = reply.get("delay_sec", 0.0)
        if "error" in reply or "status" in reply:
            error = reply.get("error", "The server had an error.")
            if isinstance(error, str):
                error = {"message": error, "type": "server_error", "param": None, "code": None}
            return cls(status=reply.get("status", 500), error=error, delay_sec=delay_sec)
        tool_calls = tuple(reply.get("tool_calls", ()))
        return cls(content=reply.get("content"), tool_calls=tool_calls, delay_sec=delay_sec)


class _Answer:
    """One answer, as a whole or as chunks."""

    def __init__(self, asked: dict[str, Any], message: _Message, answer_id: str) -> None:
        self._message = message
        self._tool_calls = [
            {
                "id": f"call_{answer_id.partition('-')[2]}_{position}",
                "type": "function",
                "function": {"name": call.name, "arguments": _text(call.arguments)},
            }
            for position, call in enumerate(message.tool_calls)
        ]
        self._head = {"id": answer_id, "created": int(time.time()), "model": asked["model"]}
        self._finish = "tool_calls" if message.tool_calls else "stop"
        options: dict[str, Any] = asked.get("stream_options") or {}
        self._with_usage = bool(options.get("include_usage"))
        read = len(orjson.dumps(asked["messages"])) // 4
        written = sum(1 for _ in self._deltas())
        self._usage = {
            "prompt_tokens": read,
            "completion_tokens": written,
            "total_tokens": read + written,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        }

    def whole(self) -> dict[str, Any]:
        """The body of an answer that is not streamed."""
        message: dict[str, Any] = {
            "role": "assistant",
            "content": self._message.content,
            "refusal": None,
        }
        if self._tool_calls:
            message["tool_calls"] = self._tool_calls
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self._finish}
        kind = {"object": "chat.completion"}
        return self._head | kind | {"choices": [choice], "usage": self._usage}

    def chunks(self) -> Iterator[dict[str, Any]]:
        """The same in pieces, as they are streamed."""
        for delta in self._deltas():
            yield self._chunk([{"index": 0, "delta": delta, "finish_reason": None}])
        yield self._chunk([{"index": 0, "delta": {}, "finish_reason": self._finish}])
        if self._with_usage:
            yield self._chunk([]) | {"usage": self._usage}

    def _chunk(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        usage = {"usage": None} if self._with_usage else {}
        return self._head | {"object": "chat.completion.chunk", "choices": choices} | usage

    def _deltas(self) -> Iterator[dict[str, Any]]:
        content = self._message.content
        yield {"role": "assistant", "content": None if content is None else ""}
        for piece in _PIECE.findall(content or ""):
            yield {"content": piece}
        for index, call in enumerate(self._tool_calls):
            function: Any = call["function"]
            opened = {"name": function["name"], "arguments": ""}
            yield {"tool_calls": [call | {"index": index, "function": opened}]}
            arguments = function["arguments"]
            for start in range(0, len(arguments), _ARGUMENT_CHARACTERS):
                piece = arguments[start : start + _ARGUMENT_CHARACTERS]
                yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


async def _streamed(request: web.BaseRequest, answer: _Answer) -> web.StreamResponse:
    headers = {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache"}
    response = web.StreamResponse(headers=headers)
    # Whoever asked may well hang up in the middle: that is how an interruption looks from here.
    with contextlib.suppress(ConnectionError):
        await response.prepare(request)
        for chunk in answer.chunks():
            await response.write(b"data: " + orjson.dumps(chunk) + b"\n\n")
        await response.write(b"data: [DONE]\n\n")
        await response.write_eof()
    return response


def _text(arguments: Mapping[str, Any] | str) -> str:
    return arguments if isinstance(arguments, str) else orjson.dumps(dict(arguments)).decode()


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        parsed: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        parsed = None
    if not isinstance(parsed, dict):
        raise BadChat("We could not parse the JSON body of your request.")
    return cast("dict[str, Any]", parsed)


def _failure(status: int, problem: BadChat) -> web.Response:
    return web.json_response(problem.body(), status=status)
