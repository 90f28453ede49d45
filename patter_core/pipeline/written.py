"""A conversation in writing: what an engine says to text, when there is no phone and no audio."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractAsyncContextManager

    from patter_core.pipeline.plan import SessionPlan
    from patter_core.pipeline.resources import Resources
    from patter_core.pipeline.tool_use import ToolRequest


@dataclass(frozen=True, slots=True)
class WrittenReply:
    """What the model writes.

    Attributes:
        text: What it would say; "" for nothing.
        requests: The tools that it asks for.
    """

    text: str
    requests: tuple[ToolRequest, ...] = ()


class WrittenConversation(Protocol):
    """One conversation with an engine's model, one thing after another."""

    def take(self, text: str) -> None:
        """Take what the other side says; `reply` answers it."""
        ...

    def take_outputs(self, outputs: Sequence[str]) -> None:
        """Take what the tools of the last reply answered, in the order of its requests."""
        ...

    async def reply(self, *, tools: bool) -> WrittenReply:
        """What the model answers to what was taken since; `tools`: it may ask for them.

        Raises:
            ProviderError: There is no answer. If it is `retryable`, asking again may help.
        """
        ...


class WritingEngine(Protocol):
    """A voice engine that can be talked to in writing."""

    def open_written(
        self, plan: SessionPlan, resources: Resources
    ) -> AbstractAsyncContextManager[WrittenConversation]:
        """Prepare a conversation, in which the plan's greeting has been said.

        Raises:
            ProviderError: It cannot be had.
        """
        ...
