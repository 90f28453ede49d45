"""A scripted model behind OpenAI's Responses API."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, cast

from aiohttp import web

from patter_core.simulator.models.script import as_text, is_list

if TYPE_CHECKING:
    from patter_core.simulator.models.script import ModelScript


class OpenAIResponses:
    """`/v1/responses`."""

    def __init__(self, script: ModelScript) -> None:
        """Answer by `script`."""
        self._script = script

    @property
    def routes(self) -> list[web.RouteDef]:
        """Where it is reached."""
        return [web.post("/v1/responses", self._answer)]

    async def _answer(self, request: web.Request) -> web.Response:
        body = await self._script.read(request)
        items = cast("list[dict[str, Any]]", body["input"] if is_list(body.get("input")) else [])
        asked = [item["call_id"] for item in items if item.get("type") == "function_call"]
        kind = "function_call_output"
        answered = [item["call_id"] for item in items if item.get("type") == kind]
        if sorted(asked) != sorted(answered):
            return self._script.refuse("No tool output found for function call")
        calls, text = self._script.next()
        output: list[dict[str, Any]] = [
            {
                "type": "function_call",
                "id": f"fc_{number}",
                "call_id": f"call_{number}",
                "name": call.name,
                "arguments": as_text(call.arguments),
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
        number = self._script.number()
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
