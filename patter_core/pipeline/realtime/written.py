"""OpenAI Realtime in writing: the same session, asked for text, and sent no audio."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from patter_core.errors import ProviderError
from patter_core.pipeline.realtime import events, wire
from patter_core.pipeline.realtime.socket import NAME, connected, readable, refusal
from patter_core.pipeline.strangers import plain
from patter_core.pipeline.tool_use import ToolRequest
from patter_core.pipeline.written import WrittenReply

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from patter_core.pipeline.realtime.socket import Connecting, RealtimeSocket


@asynccontextmanager
async def written(
    connecting: Connecting, greeting: str, *, stall_sec: float
) -> AsyncGenerator[WrittenRealtime]:
    """A conversation in writing, in which `greeting` has been said.

    Raises:
        ProviderError: It cannot be had.
    """
    try:
        async with connected(connecting, None) as socket, asyncio.TaskGroup() as group:
            conversation = WrittenRealtime(socket, stall_sec=stall_sec)
            helpers = [
                group.create_task(socket.write()),
                group.create_task(conversation.listen()),
            ]
            if greeting:
                socket.send(wire.create_item(wire.message_item("assistant", greeting)))
            try:
                yield conversation
            finally:
                for helper in helpers:
                    helper.cancel()
    except BaseExceptionGroup as errors:
        # Whoever uses it gets back what they raised in it, as it was.
        reason = errors.exceptions[0] if len(errors.exceptions) == 1 else plain(errors)
        raise reason from reason.__cause__


class WrittenRealtime:
    """One conversation: a `WrittenConversation`."""

    def __init__(self, socket: RealtimeSocket, *, stall_sec: float) -> None:
        """Talk on `socket`, where nothing may stay unanswered for longer than `stall_sec`."""
        self._socket = socket
        self._stall_sec = stall_sec
        self._events: asyncio.Queue[events.ServerEvent | None] = asyncio.Queue()
        self._names = itertools.count(1)
        self._requests: tuple[ToolRequest, ...] = ()

    async def listen(self) -> None:
        """Read what the service sends until cancelled, or until the connection is lost.

        A connection that nobody reads does not answer pings either, and is given up.
        """
        while (frame := await self._socket.frame()) is not None:
            if (event := readable(frame)) is not None:
                self._events.put_nowait(event)
        self._events.put_nowait(None)

    def take(self, text: str) -> None:
        """See `WrittenConversation.take`."""
        self._socket.send(wire.create_item(wire.message_item("user", text)))

    def take_outputs(self, outputs: Sequence[str]) -> None:
        """See `WrittenConversation.take_outputs`."""
        for request, output in zip(self._requests, outputs, strict=True):
            item = wire.output_item(request.function_call_id, output)
            self._socket.send(wire.create_item(item))

    async def reply(self, *, tools: bool) -> WrittenReply:
        """See `WrittenConversation.reply`."""
        response: dict[str, Any] = {} if tools else {"tool_choice": "none"}
        name = f"reply_{next(self._names)}"
        self._socket.send(wire.create_response(response, event_id=name))
        words: list[str] = []
        while True:
            match await self._next():
                case events.TextDone(text=text):
                    words.append(text)
                case events.ResponseDone(status="failed", error=code):
                    raise refusal(
                        events.Fault(kind="server_error", code=code, param="", event_id="")
                    )
                case events.ResponseDone(calls=calls):
                    self._requests = tuple(map(_request, calls))
                    return WrittenReply(" ".join(words).strip(), self._requests)
                case events.Fault(event_id=event_id) as fault if event_id == name:
                    raise refusal(fault)
                case _:
                    continue

    async def _next(self) -> events.ServerEvent:
        try:
            async with asyncio.timeout(self._stall_sec):
                event = await self._events.get()
        except TimeoutError as error:
            raise ProviderError(NAME, "it took too long to answer") from error
        if event is None:
            raise ProviderError(NAME, "the connection was lost")
        return event


def _request(call: events.FunctionCall) -> ToolRequest:
    return ToolRequest(function_call_id=call.call_id, name=call.name, arguments=call.arguments)
