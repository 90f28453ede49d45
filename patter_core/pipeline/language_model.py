"""What a conversation asks of a language model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from patter_core.pipeline.resources import Resources
    from patter_core.pipeline.tool_use import ToolFace, ToolRequest


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the conversation, as a model reads it.

    Attributes:
        text: What was said; of a tool, its output.
        requests: The tools that an assistant's message asks for. Each of them is answered by
            exactly one tool's message, right after it and in this order.
        function_call_id: Of a tool's message: the request that it answers.
    """

    role: Literal["system", "user", "assistant", "tool"]
    text: str
    requests: tuple[ToolRequest, ...] = ()
    function_call_id: str = ""


@dataclass(frozen=True, slots=True)
class TextPiece:
    """A piece of the reply, of any length: a letter, a token, or everything."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolAsked:
    """The reply asks for a tool. They run, side by side, when the reply has ended."""

    request: ToolRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class TokensUsed:
    """What a reply took, as the provider counts it; may come once, at the end."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0


ReplyEvent = TextPiece | ToolAsked | TokensUsed
"""What a model streams."""


class LanguageModel(Protocol):
    """A model of some vendor: a frozen value whose constructor touches no network."""

    def reply(
        self,
        messages: Sequence[Message],
        resources: Resources,
        tools: tuple[ToolFace, ...] = (),
    ) -> AsyncIterator[ReplyEvent]:
        """Stream the next reply. Closing the iterator early cancels the request.

        Args:
            messages: The conversation so far.
            resources: What the phone lends.
            tools: What the reply may ask for.

        Raises:
            ProviderError: No reply could be had, or it broke off.
        """
        ...
