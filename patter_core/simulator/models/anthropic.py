"""A scripted model behind Anthropic's Messages API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from aiohttp import web

from patter_core.simulator.models.script import is_list

if TYPE_CHECKING:
    from patter_core.simulator.models.script import ModelScript


class AnthropicMessages:
    """`/v1/messages`."""

    def __init__(self, script: ModelScript) -> None:
        """Answer by `script`."""
        self._script = script
        self._threads: dict[str | None, list[dict[str, Any]]] = {}

    @property
    def routes(self) -> list[web.RouteDef]:
        """Where it is reached."""
        return [web.post("/v1/messages", self._answer)]

    async def _answer(self, request: web.Request) -> web.Response:
        body = await self._script.read(request)
        messages = cast("list[dict[str, Any]]", body.get("messages", []))
        # The SDK's runner leaves the conversation with the service, and sends what is new.
        messages = (
            self._threads.get(body.get("thread", {}).get("previous_message_id"), []) + messages
        )
        asked = [block["id"] for block in _blocks(messages, "tool_use")]
        answered = [block["tool_use_id"] for block in _blocks(messages, "tool_result")]
        if asked != answered:
            return self._script.refuse("tool_use ids were found without tool_result blocks")
        calls, text = self._script.next()
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
        message_id = f"msg_{self._script.number()}"
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


def _blocks(messages: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    contents = [message["content"] for message in messages if is_list(message["content"])]
    return [block for content in contents for block in content if block["type"] == kind]
