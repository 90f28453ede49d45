"""What a conversation asks of a language model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from patter_core.pipeline.resources import Resources


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the conversation, as a model reads it."""

    role: Literal["system", "user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True)
class TextPiece:
    """A piece of the reply, of any length: a letter, a token, or everything."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokensUsed:
    """What a reply took, as the provider counts it; may come once, at the end."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0


ReplyEvent = TextPiece | TokensUsed
"""What a model streams."""


class LanguageModel(Protocol):
    """A model of some vendor: a frozen value whose constructor touches no network."""

    def reply(self, messages: Sequence[Message], resources: Resources) -> AsyncIterator[ReplyEvent]:
        """Stream the next reply. Closing the iterator early cancels the request.

        Raises:
            ProviderError: No reply could be had, or it broke off.
        """
        ...
