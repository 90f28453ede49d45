"""An agent of the OpenAI Agents SDK as the brain of a call."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any, cast

from patter.brains.elsewhere import Elsewhere, spoken
from patter.extras import needs_extra
from patter_core.errors import ConfigError
from patter_core.pipeline.language_model import TextPiece, TokensUsed

with needs_extra("openai_agents", "agents"):
    from agents import Agent, RunConfig, Runner

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Sequence

    from agents import TResponseInputItem

    from patter_core.pipeline.language_model import Message, ReplyEvent
    from patter_core.pipeline.resources import Resources
    from patter_core.pipeline.tool_use import ToolFace


@dataclass(frozen=True, slots=True)
class OpenAIAgentsLLM:
    """An agent with its tools and handoffs: a `LanguageModel`.

    Attributes:
        agent: Who answers.
        context: The run's context, the same for every reply.
        run_config: The run's configuration.
        max_turns: How many turns one reply may take.
        stall_sec: How long the next word may take.
    """

    agent: Agent[Any]
    _: KW_ONLY
    context: Any = field(default=None, repr=False)
    run_config: RunConfig | None = field(default=None, repr=False)
    max_turns: int = 10
    stall_sec: float = 30.0
    _elsewhere: Elsewhere = field(default_factory=Elsewhere, repr=False, compare=False)

    def check(self) -> None:
        """See that it can be used.

        Raises:
            ConfigError: It is no agent of the SDK.
        """
        if not isinstance(self.agent, Agent):
            raise ConfigError(
                "OpenAIAgentsLLM takes an agent of the Agents SDK, as in "
                f"OpenAIAgentsLLM(Agent(...)), not {type(self.agent).__name__}"
            )

    def reply(
        self,
        messages: Sequence[Message],
        resources: Resources,
        tools: tuple[ToolFace, ...] = (),  # noqa: ARG002 - it brings its own
    ) -> AsyncIterator[ReplyEvent]:
        """See `LanguageModel.reply`; the tools that it uses are its own."""
        history = [{"role": message.role, "content": message.text} for message in spoken(messages)]
        return self._elsewhere.stream(
            lambda: self._think(cast("list[TResponseInputItem]", history)),
            resources,
            name="openai_agents",
            stall_sec=self.stall_sec,
        )

    async def _think(self, history: list[TResponseInputItem]) -> AsyncGenerator[ReplyEvent]:
        run = Runner.run_streamed(
            self.agent,
            history,
            context=self.context,
            run_config=self.run_config,
            max_turns=self.max_turns,
        )
        try:
            async for event in run.stream_events():
                if event.type == "raw_response_event":
                    data = event.data
                    if data.type == "response.output_text.delta" and data.delta:
                        yield TextPiece(data.delta)
            usage = run.context_wrapper.usage
            yield TokensUsed(input_tokens=usage.input_tokens, output_tokens=usage.output_tokens)
        finally:
            run.cancel()
