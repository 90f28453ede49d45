"""A LlamaIndex agent or workflow as the brain of a call."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any

from patter.brains.elsewhere import Elsewhere, spoken
from patter.extras import needs_extra
from patter_core.errors import ConfigError
from patter_core.pipeline.language_model import TextPiece

with needs_extra("llama_index", "llama_index"):
    from llama_index.core.agent.workflow import AgentStream
    from llama_index.core.base.llms.types import ChatMessage
    from llama_index.core.workflow import Workflow

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence

    from patter_core.pipeline.language_model import Message, ReplyEvent
    from patter_core.pipeline.resources import Resources
    from patter_core.pipeline.tool_use import ToolFace


@dataclass(frozen=True, slots=True)
class LlamaIndexLLM:
    """An agent, its tools included, or any workflow: a `LanguageModel`.

    What an agent streams is spoken as it comes; of a workflow without `AgentStream` events its
    result is.

    Attributes:
        workflow: What answers. It is run with `user_msg` and `chat_history`.
        to_input: Makes other keywords of the messages, as in `lambda messages: {"query": ...}`.
        stall_sec: How long the next word may take.
    """

    workflow: Workflow
    _: KW_ONLY
    to_input: Callable[[list[ChatMessage]], dict[str, Any]] | None = None
    stall_sec: float = 30.0
    _elsewhere: Elsewhere = field(default_factory=Elsewhere, repr=False, compare=False)

    def check(self) -> None:
        """See that it can be used.

        Raises:
            ConfigError: It is no workflow.
        """
        if not isinstance(self.workflow, Workflow):
            raise ConfigError(
                "LlamaIndexLLM takes an agent or a workflow, as in "
                f"LlamaIndexLLM(FunctionAgent(...)), not {type(self.workflow).__name__}"
            )

    def reply(
        self,
        messages: Sequence[Message],
        resources: Resources,
        tools: tuple[ToolFace, ...] = (),  # noqa: ARG002 - it brings its own
    ) -> AsyncIterator[ReplyEvent]:
        """See `LanguageModel.reply`; the tools that it uses are its own."""
        history = [
            ChatMessage(role=message.role, content=message.text) for message in spoken(messages)
        ]
        return self._elsewhere.stream(
            lambda: self._think(history), resources, name="llama_index", stall_sec=self.stall_sec
        )

    async def _think(self, history: list[ChatMessage]) -> AsyncGenerator[ReplyEvent]:
        keywords: dict[str, Any] = {"user_msg": history[-1], "chat_history": history[:-1]}
        if self.to_input is not None:
            keywords = self.to_input(history)
        running: Any = self.workflow.run(**keywords)
        said = False
        try:
            async for event in running.stream_events():
                if isinstance(event, AgentStream) and event.delta:
                    said = True
                    yield TextPiece(event.delta)
            result = await running
            if not said and (text := str(getattr(result, "response", result) or "")):
                yield TextPiece(text.removeprefix("assistant: "))
        finally:
            if not running.is_done():
                await running.cancel_run()
