"""The tools at work in one conversation: side by side, and beside the talk."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from patter_core.pipeline.record import ToolAsk, ToolRound
    from patter_core.pipeline.tool_use import ToolFace, ToolUse


class ToolTasks:
    """Runs what a conversation's model asks for.

    Nothing that the callee says ends a tool, which may have done half of something by then; only
    the conversation's end does.
    """

    def __init__(
        self,
        tools: ToolUse | None,
        *,
        say: Callable[[object, str], None],
        withdraw: Callable[[object], None],
        answered: Callable[[], None],
    ) -> None:
        """Store what is needed.

        Args:
            tools: What may be asked for; None for nothing.
            say: Takes what is to be said while a tool runs, with whose words they are.
            withdraw: Told whose words come too late from now on.
            answered: Told when everything that one reply asked for was answered.
        """
        self._tools = tools
        self._say = say
        self._withdraw = withdraw
        self._answered = answered

    @property
    def faces(self) -> tuple[ToolFace, ...]:
        """What a model may ask for."""
        return self._tools.faces if self._tools is not None else ()

    def start(self, tool_round: ToolRound, group: asyncio.TaskGroup) -> None:
        """Run everything that one reply asks for, in `group`."""
        if self._tools is None:
            raise AssertionError("A model that is offered nothing asks for nothing")
        for ask in tool_round.asks:
            group.create_task(self._run(self._tools, ask, tool_round))

    async def _run(self, tools: ToolUse, ask: ToolAsk, tool_round: ToolRound) -> None:
        def say(text: str) -> None:
            if ask.output is None and text.strip():
                self._say(ask, text)

        ask.output = await tools.run(ask.request, say)
        self._withdraw(ask)
        if tool_round.answered:
            self._answered()
