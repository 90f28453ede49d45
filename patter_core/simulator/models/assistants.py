"""A scripted model behind OpenAI's Assistants API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from patter_core.simulator.models.script import as_text

if TYPE_CHECKING:
    from patter_core.simulator.models.script import ModelScript


class OpenAIAssistants:
    """`/v1/assistants` and `/v1/threads/...`."""

    def __init__(self, script: ModelScript) -> None:
        """Answer by `script`."""
        self._script = script
        self._runs: dict[str, dict[str, Any]] = {}
        self._said: list[dict[str, Any]] = []

    @property
    def routes(self) -> list[web.RouteDef]:
        """Where it is reached."""
        runs = "/v1/threads/{thread}/runs"
        return [
            web.post("/v1/assistants", self._assistant),
            web.post("/v1/threads", self._thread),
            web.post("/v1/threads/{thread}/messages", self._thread),
            web.get("/v1/threads/{thread}/messages", self._messages),
            web.post(runs, self._run),
            web.get(runs + "/{run}", self._look),
            web.post(runs + "/{run}/submit_tool_outputs", self._submit),
        ]

    async def _assistant(self, request: web.Request) -> web.Response:
        body = await self._script.read(request)
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
        body = await self._script.read(request)
        run = {"id": f"run_{self._script.number()}", "thread_id": request.match_info["thread"]}
        self._runs[run["id"]] = run | {"object": "thread.run", "created_at": 0} | body
        return self._advanced(run["id"])

    async def _look(self, request: web.Request) -> web.Response:
        return web.json_response(self._runs[request.match_info["run"]])

    async def _submit(self, request: web.Request) -> web.Response:
        body = await self._script.read(request)
        run = self._runs[request.match_info["run"]]
        owed = run["required_action"]["submit_tool_outputs"]["tool_calls"]
        given = [output["tool_call_id"] for output in body["tool_outputs"]]
        if sorted(call["id"] for call in owed) != sorted(given):
            return self._script.refuse("Expected tool outputs for every call_id")
        return self._advanced(run["id"])

    def _advanced(self, run_id: str) -> web.Response:
        calls, text = self._script.next()
        run = self._runs[run_id]
        if calls:
            asked = [
                {
                    "id": f"call_{number}",
                    "type": "function",
                    "function": {"name": call.name, "arguments": as_text(call.arguments)},
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
                    "id": f"msg_{self._script.number()}",
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
