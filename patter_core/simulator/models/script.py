"""What a scripted model answers next, and what it was asked: the same behind every API."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, TypeGuard, cast

import orjson
from aiohttp import web

from patter_core.simulator.chat_server import ToolCall

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Reply = str | ToolCall | list[ToolCall]
"""What the model answers: text, or tools that it asks for."""


class ModelScript:
    """One model's replies, in order.

    Attributes:
        requests: Path and body of every request that asked the model, in order.
        refusals: What was wrong with the refused ones.
    """

    def __init__(self, replies: Sequence[Reply]) -> None:
        """Give `replies`, one after another."""
        self._replies: Iterator[Reply] = iter(replies)
        self._numbers = itertools.count(1)
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.refusals: list[str] = []

    async def read(self, request: web.Request) -> dict[str, Any]:
        """The body of a request to the model, noted."""
        body = cast("dict[str, Any]", orjson.loads(await request.read()))
        self.requests.append((request.path, body))
        return body

    def number(self) -> int:
        """A number that nothing else has."""
        return next(self._numbers)

    def next(self) -> tuple[list[tuple[int, ToolCall]], str]:
        """Numbered tool calls, or what the model says."""
        reply = next(self._replies, "The script is over.")
        if isinstance(reply, str):
            return [], reply
        calls = [reply] if isinstance(reply, ToolCall) else reply
        return [(self.number(), call) for call in calls], ""

    def refuse(self, sentence: str) -> web.Response:
        """The answer to a request that the services refuse, noted."""
        self.refusals.append(sentence)
        error = {"type": "invalid_request_error", "message": sentence}
        return web.json_response({"type": "error", "error": error}, status=400)


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Whether JSON has an array here."""
    return isinstance(value, list)


def as_text(arguments: object) -> str:
    """Arguments as OpenAI writes them: JSON text."""
    return arguments if isinstance(arguments, str) else orjson.dumps(arguments).decode()
