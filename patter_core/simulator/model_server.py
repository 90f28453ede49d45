"""A scripted model on loopback that speaks OpenAI's Responses and Assistants, and Anthropic's API.

Chat Completions are `ScriptedChatServer`'s. Here, too, a request that leaves a tool call without
its answer is refused, as the services refuse it.
"""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Any, TypeGuard, cast

import orjson
from aiohttp import web

from patter_core.simulator.chat_server import ToolCall
from patter_core.simulator.loopback import on_loopback
from patter_core.simulator.own_loop import OnOwnLoop, OwnLoop

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator, Sequence

Reply = str | ToolCall | list[ToolCall]


class ScriptedModelServer(OnOwnLoop):
    """Answers by a script at `/v1/responses`, `/v1/threads/...` and `/v1/messages`.

    Open it with `with` or `async with`; it lives on a thread of its own.

    Attributes:
        url: Where it listens: Anthropic's `base_url`. OpenAI's has /v1 after it.
        requests: Path and body of every request that asked the model, in order.
        refusals: What was wrong with the refused ones.
    """

    def __init__(self, script: Sequence[Reply]) -> None:
        """Plan it; nothing is touched before it is entered. The replies are given in order."""
        self._replies: Iterator[Reply] = iter(script)
        self._numbers = itertools.count(1)
        self._runs: dict[str, dict[str, Any]] = {}
        self._said: list[dict[str, Any]] = []
        self._threads: dict[str | None, list[dict[str, Any]]] = {}
        self._url: str | None = None
        self._loop = OwnLoop("scripted-model", self._serve)
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.refusals: list[str] = []

    @property
    def url(self) -> str:
        """See the class."""
        if self._url is None:
            raise RuntimeError("the model server is not up; open it with `with` or `async with`")
        return self._url

    async def _serve(self, ready: Callable[[], None], stop: asyncio.Event) -> None:
        app = web.Application()
        runs = "/v1/threads/{thread}/runs"
        app.add_routes(
            [
                web.post("/v1/messages", self._anthropic),
                web.post("/v1/responses", self._responses),
                web.post("/v1/assistants", self._assistant),
                web.post("/v1/threads", self._thread),
                web.post("/v1/threads/{thread}/messages", self._thread),
                web.get("/v1/threads/{thread}/messages", self._messages),
                web.post(runs, self._run),
                web.get(runs + "/{run}", self._look),
                web.post(runs + "/{run}/submit_tool_outputs", self._submit),
            ]
        )
        runner = web.AppRunner(app, handle_signals=False, access_log=None, shutdown_timeout=0.1)
        async with on_loopback(runner) as url:
            self._url = url
            ready()
            await stop.wait()

    # --- Anthropic ---------------------------------------------------------------------------

    async def _anthropic(self, request: web.Request) -> web.Response:
        body = await self._read(request)
        messages = cast("list[dict[str, Any]]", body.get("messages", []))
        # The SDK's runner leaves the conversation with the service, and sends what is new.
        messages = (
            self._threads.get(body.get("thread", {}).get("previous_message_id"), []) + messages
        )
        asked = [block["id"] for block in _blocks(messages, "tool_use")]
        answered = [block["tool_use_id"] for block in _blocks(messages, "tool_result")]
        if asked != answered:
            return self._refuse("tool_use ids were found without tool_result blocks")
        calls, text = self._next()
        content: list[dict[str, Any]] = [
            {
                "type": "tool_use",
                "id": f"toolu_{number}",
                "name": call.name,
                "input": call.arguments,
            }
            for number, call in calls
        ]
        said = content or [{"type": "text", "text": text}]
        message_id = f"msg_{next(self._numbers)}"
        self._threads[message_id] = [*messages, {"role": "assistant", "content": said}]
        return web.json_response(
            {
                "id": message_id,
                "type": "message",
                "role": "assistant",
                "model": body.get("model"),
                "content": said,
                "stop_reason": "tool_use" if content else "end_turn",
                "stop_sequence": None,
                "usage": {"input_tokens": 1, "output_tokens": 1},
            }
        )

    # --- OpenAI's Responses ------------------------------------------------------------------

    async def _responses(self, request: web.Request) -> web.Response:
        body = await self._read(request)
        items = cast("list[dict[str, Any]]", body["input"] if _is_list(body.get("input")) else [])
        asked = [item["call_id"] for item in items if item.get("type") == "function_call"]
        kind = "function_call_output"
        answered = [item["call_id"] for item in items if item.get("type") == kind]
        if sorted(asked) != sorted(answered):
            return self._refuse("No tool output found for function call")
        calls, text = self._next()
        output: list[dict[str, Any]] = [
            {
                "type": "function_call",
                "id": f"fc_{number}",
                "call_id": f"call_{number}",
                "name": call.name,
                "arguments": _text(call.arguments),
                "status": "completed",
            }
            for number, call in calls
        ]
        part: dict[str, Any] = {"type": "output_text", "text": text, "annotations": []}
        said: dict[str, Any] = {
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [part],
        }
        number = next(self._numbers)
        return web.json_response(
            {
                "id": f"resp_{number}",
                "object": "response",
                "created_at": time.time(),
                "status": "completed",
                "model": body.get("model"),
                "output": output or [said | {"id": f"msg_{number}"}],
                "parallel_tool_calls": True,
                "tool_choice": "auto",
                "tools": body.get("tools", []),
                "error": None,
                "incomplete_details": None,
                "instructions": None,
                "metadata": {},
                "temperature": 1.0,
                "top_p": 1.0,
            }
        )

    # --- OpenAI's Assistants -----------------------------------------------------------------

    async def _assistant(self, request: web.Request) -> web.Response:
        body = await self._read(request)
        shown: dict[str, Any] = {
            "id": "asst_1",
            "object": "assistant",
            "created_at": 0,
            "metadata": {},
        }
        return web.json_response(shown | body)

    async def _thread(self, request: web.Request) -> web.Response:
        await request.read()
        return web.json_response(
            {"id": "thread_1", "object": "thread", "created_at": 0, "metadata": {}}
        )

    async def _run(self, request: web.Request) -> web.Response:
        body = await self._read(request)
        run = {"id": f"run_{next(self._numbers)}", "thread_id": request.match_info["thread"]}
        self._runs[run["id"]] = run | {"object": "thread.run", "created_at": 0} | body
        return self._advanced(run["id"])

    async def _look(self, request: web.Request) -> web.Response:
        return web.json_response(self._runs[request.match_info["run"]])

    async def _submit(self, request: web.Request) -> web.Response:
        body = await self._read(request)
        run = self._runs[request.match_info["run"]]
        owed = run["required_action"]["submit_tool_outputs"]["tool_calls"]
        given = [output["tool_call_id"] for output in body["tool_outputs"]]
        if sorted(call["id"] for call in owed) != sorted(given):
            return self._refuse("Expected tool outputs for every call_id")
        return self._advanced(run["id"])

    def _advanced(self, run_id: str) -> web.Response:
        calls, text = self._next()
        run = self._runs[run_id]
        if calls:
            asked = [
                {
                    "id": f"call_{number}",
                    "type": "function",
                    "function": {"name": call.name, "arguments": _text(call.arguments)},
                }
                for number, call in calls
            ]
            action = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": asked}}
            run |= {"status": "requires_action", "required_action": action}
        else:
            run |= {"status": "completed", "required_action": None}
            value: dict[str, Any] = {"type": "text", "text": {"value": text, "annotations": []}}
            self._said.insert(
                0,
                {
                    "id": f"msg_{next(self._numbers)}",
                    "object": "thread.message",
                    "created_at": 0,
                    "thread_id": run["thread_id"],
                    "role": "assistant",
                    "content": [value],
                    "metadata": {},
                },
            )
        return web.json_response(run)

    async def _messages(self, request: web.Request) -> web.Response:
        await request.read()
        return web.json_response({"object": "list", "data": self._said, "has_more": False})

    # --- the script --------------------------------------------------------------------------

    async def _read(self, request: web.Request) -> dict[str, Any]:
        body = cast("dict[str, Any]", orjson.loads(await request.read()))
        self.requests.append((request.path, body))
        return body

    def _next(self) -> tuple[list[tuple[int, ToolCall]], str]:
        """Numbered tool calls, or what the model says."""
        reply = next(self._replies, "The script is over.")
        if isinstance(reply, str):
            return [], reply
        calls = [reply] if isinstance(reply, ToolCall) else reply
        return [(next(self._numbers), call) for call in calls], ""

    def _refuse(self, sentence: str) -> web.Response:
        self.refusals.append(sentence)
        error = {"type": "invalid_request_error", "message": sentence}
        return web.json_response({"type": "error", "error": error}, status=400)


def _blocks(messages: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    contents = [message["content"] for message in messages if _is_list(message["content"])]
    return [block for content in contents for block in content if block["type"] == kind]


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _text(arguments: object) -> str:
    return arguments if isinstance(arguments, str) else orjson.dumps(arguments).decode()
