"""Tools in OpenAI's chat completions: offered, asked for in fragments, and answered."""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from patter_core.pipeline.tool_use import ToolRequest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from openai.types.chat.chat_completion_chunk import ChoiceDeltaToolCall

    from patter_core.pipeline.language_model import Message
    from patter_core.pipeline.tool_use import ToolFace

_NO_NAME = re.compile(r"[^a-zA-Z0-9_-]")


def tool_parameter(face: ToolFace) -> dict[str, Any]:
    """A tool, as a request offers it."""
    function: dict[str, Any] = {
        "name": face.name,
        "description": face.description,
        "parameters": face.parameters,
    }
    if face.strict:
        function["strict"] = True
    return {"type": "function", "function": function}


def message_parameter(message: Message) -> dict[str, Any]:
    """A message, as a request carries it."""
    if message.role == "tool":
        return {
            "role": "tool",
            "tool_call_id": message.function_call_id,
            "content": message.text,
        }
    if not message.requests:
        return {"role": message.role, "content": message.text}
    return {
        "role": message.role,
        "content": message.text or None,
        "tool_calls": [_call_parameter(request) for request in message.requests],
    }


def _call_parameter(request: ToolRequest) -> dict[str, Any]:
    # A model may have written what its own service refuses to read: that would end the call.
    name = _NO_NAME.sub("_", request.name)[:64] or "_"
    arguments = request.arguments if _is_object(request.arguments) else "{}"
    return {
        "id": request.function_call_id,
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


@dataclass(slots=True)
class _Call:
    """One call, as far as its fragments came."""

    function_call_id: str = ""
    name: str = ""
    arguments: str = ""


class ToolFragments:
    """The calls of one reply, put together.

    OpenAI numbers them and sends id and name first. Other servers leave out ids or numbers, give
    all calls the same number, send a call whole, or leave out arguments that are empty.
    """

    def __init__(self) -> None:
        """Nothing has come yet."""
        self._calls: list[_Call] = []
        self._by_index: dict[int | None, _Call] = {}

    def add(self, fragments: Iterable[ChoiceDeltaToolCall]) -> None:
        """Take what one chunk brings."""
        for fragment in fragments:
            function = fragment.function
            name = (function.name if function is not None else None) or ""
            call = self._call(fragment.index, fragment.id or "", name)
            call.function_call_id = call.function_call_id or fragment.id or ""
            call.name = call.name or name
            if function is not None and function.arguments:
                arguments: object = function.arguments  # Of some servers an object already.
                call.arguments += arguments if isinstance(arguments, str) else json.dumps(arguments)

    def requests(self) -> list[ToolRequest]:
        """What was asked for, in order, each with an id of its own."""
        taken: set[str] = set()
        requests: list[ToolRequest] = []
        for call in self._calls:
            function_call_id = call.function_call_id
            if not function_call_id or function_call_id in taken:
                function_call_id = f"call_{secrets.token_hex(8)}"
            taken.add(function_call_id)
            requests.append(
                ToolRequest(
                    function_call_id=function_call_id,
                    name=call.name,
                    arguments=call.arguments or "{}",
                )
            )
        return requests

    def _call(self, index: int | None, function_call_id: str, name: str) -> _Call:
        call = self._by_index.get(index)
        if call is not None:
            other_id = function_call_id and call.function_call_id not in ("", function_call_id)
            another = bool(name) and (other_id or (index is None and not function_call_id))
            if not another:
                return call
        call = _Call()
        self._calls.append(call)
        self._by_index[index] = call
        return call
