"""A LangChain runnable, or a LangGraph graph, as the brain of a call."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any

from patter.brains.elsewhere import Elsewhere, spoken, text_of
from patter.extras import needs_extra
from patter_core.errors import ConfigError
from patter_core.pipeline.language_model import TextPiece

with needs_extra("langchain", "langchain_core"):
    from langchain_core.messages import (
        AIMessage,
        AIMessageChunk,
        BaseMessage,
        HumanMessage,
        SystemMessage,
    )
    from langchain_core.runnables import Runnable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence

    from patter_core.pipeline.language_model import Message, ReplyEvent
    from patter_core.pipeline.resources import Resources
    from patter_core.pipeline.tool_use import ToolFace

_CLASSES = {"system": SystemMessage, "user": HumanMessage, "assistant": AIMessage}


@dataclass(frozen=True, slots=True)
class LangChainLLM:
    """A chat model, a chain, or an agent's graph, its tools included: a `LanguageModel`.

    Attributes:
        runnable: What answers. A graph is given `{"messages": [...]}`, anything else the messages.
        to_input: Makes another input of the messages, as in `lambda messages: {"question": ...}`.
        config: LangChain's config for every reply: callbacks, tags, configurable.
        stall_sec: How long the next word may take.
    """

    runnable: Runnable[Any, Any]
    _: KW_ONLY
    to_input: Callable[[list[BaseMessage]], Any] | None = None
    config: dict[str, Any] | None = field(default=None, repr=False)
    stall_sec: float = 30.0
    _elsewhere: Elsewhere = field(default_factory=Elsewhere, repr=False, compare=False)

    def check(self) -> None:
        """See that it can be used.

        Raises:
            ConfigError: It is no runnable.
        """
        if not isinstance(self.runnable, Runnable):
            raise ConfigError(
                f"LangChainLLM takes a runnable, as in LangChainLLM(create_agent(...)), not "
                f"{type(self.runnable).__name__}"
            )

    def reply(
        self,
        messages: Sequence[Message],
        resources: Resources,
        tools: tuple[ToolFace, ...] = (),  # noqa: ARG002 - it brings its own
    ) -> AsyncIterator[ReplyEvent]:
        """See `LanguageModel.reply`; the tools that it uses are its own."""
        history: list[BaseMessage] = [
            _CLASSES[message.role](message.text) for message in spoken(messages)
        ]
        return self._elsewhere.stream(
            lambda: self._think(history), resources, name="langchain", stall_sec=self.stall_sec
        )

    async def _think(self, history: list[BaseMessage]) -> AsyncGenerator[ReplyEvent]:
        # A graph, without loading LangGraph to ask: it streams in modes.
        is_graph = hasattr(self.runnable, "stream_mode")
        asked: Any = {"messages": history} if is_graph else history
        if self.to_input is not None:
            asked = self.to_input(history)
        modes = {"stream_mode": "messages"} if is_graph else {}
        async for piece in self.runnable.astream(asked, self.config, **modes):  # type: ignore[arg-type]
            said = piece[0] if is_graph else piece
            if text := _words(said):
                yield TextPiece(text)


def _words(said: Any) -> str:  # noqa: ANN401 - any runnable's output
    """The words for the callee: not those of tools, nor what a graph was given."""
    if isinstance(said, str):
        return said
    return text_of(said.content) if isinstance(said, AIMessage | AIMessageChunk) else ""
