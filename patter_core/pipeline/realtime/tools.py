"""The tools that a Realtime model asks for: run side by side, every request answered.

The answers of one response go to the model as they come; when the last one has, the model is asked
for one response to all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from patter_core.pipeline.tool_use import ToolRequest
from patter_core.tools.answers import failure

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from patter_core.pipeline.realtime.conversation import RealtimeConversation
    from patter_core.pipeline.realtime.events import FunctionCall
    from patter_core.pipeline.tool_use import ToolUse


def _not_done(code: str, detail: str) -> str:
    return failure("", code, detail).output


_INTERRUPTED = _not_done("interrupted", "The other side interrupted, so this was not done.")
_BROKEN_OFF = _not_done("incomplete_request", "The request was cut short, so this was not done.")
_NO_TOOLS = _not_done("unknown_tool", "There is no such tool.")
_ENDED = _not_done("call_ended", "The call ended before this was done.")


class ToolTurns:
    """One conversation's tools. Its tasks belong to the group that `take` is given."""

    def __init__(
        self, tools: ToolUse | None, conversation: RealtimeConversation, *, most_rounds: int
    ) -> None:
        """Store what is needed.

        Args:
            tools: What may be asked for; None for nothing.
            conversation: Gets the answers.
            most_rounds: How often tools may be asked for between two things that the callee says.
        """
        self._tools = tools
        self._most_rounds = most_rounds
        self._conversation = conversation
        self._taken: set[str] = set()
        self._running = 0
        self._rounds = 0

    @property
    def running(self) -> bool:
        """Whether any tool is at work."""
        return self._running > 0

    def callee_spoke(self) -> None:
        """Another turn: as many rounds again."""
        self._rounds = 0

    def take(self, calls: Sequence[FunctionCall], group: asyncio.TaskGroup) -> None:
        """Run everything that one response asks for."""
        new = [call for call in calls if call.call_id not in self._taken]
        if not new:
            return
        self._taken.update(call.call_id for call in new)
        self._rounds += 1
        open_calls = {call.call_id for call in new}
        for call in new:
            if not call.completed:
                self._answer(call, _BROKEN_OFF, open_calls)
            elif self._tools is None:
                self._answer(call, _NO_TOOLS, open_calls)
            else:
                self._running += 1
                group.create_task(self._run(self._tools, call, open_calls))

    def refuse(self, calls: Sequence[FunctionCall]) -> None:
        """Answer what an interrupted response asked for, which will not be done."""
        for call in calls:
            if call.call_id not in self._taken:
                self._taken.add(call.call_id)
                self._conversation.tool_answered(call.call_id, _INTERRUPTED)

    async def _run(self, tools: ToolUse, call: FunctionCall, open_calls: set[str]) -> None:
        owner = object()
        answered = False

        def say(text: str) -> None:
            if not answered:
                self._conversation.say_for(owner, text)

        output = _ENDED
        try:
            request = ToolRequest(
                function_call_id=call.call_id, name=call.name, arguments=call.arguments
            )
            output = await tools.run(request, say)
        finally:
            answered = True
            self._running -= 1
            self._conversation.forget(owner)
            self._answer(call, output, open_calls)

    def _answer(self, call: FunctionCall, output: str, open_calls: set[str]) -> None:
        open_calls.discard(call.call_id)
        self._conversation.tool_answered(call.call_id, output)
        if not open_calls:
            self._conversation.tools_answered(more=self._rounds < self._most_rounds)
