"""The pipeline in writing: its model and its tools, without ears and without a voice."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, assert_never

from patter_core.calls.transcript import Turn
from patter_core.errors import ProviderError
from patter_core.pipeline.language_model import TextPiece, TokensUsed, ToolAsked
from patter_core.pipeline.record import Record
from patter_core.pipeline.strangers import streamed
from patter_core.pipeline.written import WrittenReply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from patter_core.pipeline.language_model import LanguageModel, Message
    from patter_core.pipeline.plan import SessionPlan
    from patter_core.pipeline.record import ToolRound
    from patter_core.pipeline.resources import Resources
    from patter_core.pipeline.tool_use import ToolFace, ToolRequest


class WrittenCascade:
    """One conversation with a language model: a `WrittenConversation`."""

    def __init__(
        self, llm: LanguageModel, plan: SessionPlan, resources: Resources, *, model_sec: float
    ) -> None:
        """Talk to `llm`, each piece of whose replies may take `model_sec` to come."""
        self._llm = llm
        self._resources = resources
        self._model_sec = model_sec
        self._faces = plan.tools.faces if plan.tools is not None else ()
        self._record = Record(plan.instructions)
        self._said: list[str] = []
        self._round: ToolRound | None = None
        if plan.greeting:
            self._record.agent_said(_agent(plan.greeting), None)

    def take(self, text: str) -> None:
        """See `WrittenConversation.take`."""
        self._said.append(text)

    def take_outputs(self, outputs: Sequence[str]) -> None:
        """See `WrittenConversation.take_outputs`."""
        asks = self._round.asks if self._round is not None else []
        for ask, output in zip(asks, outputs, strict=True):
            ask.output = output

    async def reply(self, *, tools: bool) -> WrittenReply:
        """See `WrittenConversation.reply`."""
        texts, self._said = self._said, []
        messages = self._record.ask(texts)
        faces = self._faces if tools else ()
        try:
            reply = await self._once(messages, faces)
        except ProviderError as error:
            self._record.not_answered()
            if not error.retryable:
                raise
            reply = await self._once(self._record.ask(()), faces)
        self._round = None
        if reply.requests:
            self._round = self._record.tools_asked(reply.text, reply.requests)
        self._record.agent_said(_agent(reply.text) if reply.text else None, self._round)
        return reply

    async def _once(
        self, messages: tuple[Message, ...], faces: tuple[ToolFace, ...]
    ) -> WrittenReply:
        words: list[str] = []
        requests: list[ToolRequest] = []
        events = streamed(
            self._llm,
            lambda: self._llm.reply(messages, self._resources, faces),
            self._resources.clock,
            self._model_sec,
        )
        async with aclosing(events) as reply:
            async for event in reply:
                match event:
                    case TextPiece(text=text):
                        words.append(text)
                    case ToolAsked(request=request):
                        requests.append(request)
                    case TokensUsed():
                        pass
                    case _:
                        assert_never(event)
        return WrittenReply("".join(words).strip(), tuple(requests) if faces else ())


def _agent(text: str) -> Turn:
    return Turn(role="agent", text=text, started_ms=0)
