"""Chat models of OpenAI, and of every server that speaks its chat completions."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import KW_ONLY, dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from patter_core.calls.cost import Prices
from patter_core.config import setting
from patter_core.errors import ConfigError, ProviderError
from patter_core.pipeline.language_model import TextPiece, TokensUsed, ToolAsked
from patter_core.pipeline.providers.chat_tools import (
    ToolFragments,
    message_parameter,
    tool_parameter,
)

# The client is imported where it is used: it takes most of a second, `import patter` must not.
if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Sequence

    from openai import AsyncOpenAI, AsyncStream
    from openai.types.chat import ChatCompletionChunk
    from openai.types.completion_usage import CompletionUsage

    from patter_core.pipeline.language_model import Message, ReplyEvent
    from patter_core.pipeline.resources import Resources
    from patter_core.pipeline.tool_use import ToolFace

_NAME = "openai"
_AFTER_THE_END_SEC = 1.0  # How long the count of tokens may hold up the end of a reply.


def _tokens_at(fresh: float, cached: float, written: float) -> Prices:
    return Prices(
        usd_per_million_input_tokens=fresh,
        usd_per_million_cached_tokens=cached,
        usd_per_million_output_tokens=written,
    )


_LIST_PRICES = {
    "gpt-4.1": _tokens_at(2.00, 0.50, 8.00),
    "gpt-4.1-mini": _tokens_at(0.40, 0.10, 1.60),
    "gpt-4.1-nano": _tokens_at(0.10, 0.025, 0.40),
    "gpt-4o": _tokens_at(2.50, 1.25, 10.00),
    "gpt-4o-mini": _tokens_at(0.15, 0.075, 0.60),
}


@dataclass(frozen=True, slots=True)
class OpenAILLM:
    """A chat model: a `LanguageModel`.

    Attributes:
        model: The model's name, as the server knows it.
        api_key: The key; "" takes the environment's OPENAI_API_KEY.
        base_url: Another server that speaks the same protocol, as in "http://127.0.0.1:8080/v1".
        temperature: How freely the model chooses its words; None leaves it to the server.
        max_output_tokens: The longest reply; None leaves it to the server.
        first_token_sec: How long the first word may take.
        stall_sec: How long every word after it may take.
        prices: What its tokens cost; None takes OpenAI's list price where we know the model's, and
            nothing elsewhere.
    """

    model: str = "gpt-4.1-mini"
    _: KW_ONLY
    api_key: str = field(default="", repr=False)
    base_url: str | None = None
    temperature: float | None = None
    max_output_tokens: int | None = None
    first_token_sec: float = 10.0
    stall_sec: float = 10.0
    prices: Prices | None = None

    def __post_init__(self) -> None:
        """Look the prices up when none were given."""
        if self.prices is None:
            known = _LIST_PRICES.get(self.model) if self.base_url is None else None
            object.__setattr__(self, "prices", known or Prices())

    def check(self) -> None:
        """See that it can be used, as far as that shows without the network.

        Raises:
            ConfigError: There is no key, no model, or no address.
        """
        # Whoever makes an agent may wait for this import; a call in progress may not.
        import_module("openai")
        self._key()
        if not self.model:
            raise ConfigError("OpenAILLM: model is empty")
        if self.base_url is not None and not self.base_url.startswith(("http://", "https://")):
            raise ConfigError("OpenAILLM: base_url must begin with http:// or https://")

    async def prepare(self, resources: Resources) -> None:
        """Make the client, before anybody is rung."""
        await self._client(resources)

    async def reply(
        self,
        messages: Sequence[Message],
        resources: Resources,
        tools: tuple[ToolFace, ...] = (),
    ) -> AsyncIterator[ReplyEvent]:
        """See `LanguageModel.reply`."""
        client = await self._client(resources)
        now = asyncio.get_running_loop().time
        first_token_by = now() + self.first_token_sec
        next_token_sec: float | None = None  # From the first one on.
        finished = wrote = False
        fragments: ToolFragments | None = None
        usage: CompletionUsage | None = None
        try:
            async with _outstanding(resources, first_token_by):
                create: Any = client.chat.completions.create
                request = self._request(messages, tools)
                stream: AsyncStream[ChatCompletionChunk] = await create(**request)
            try:
                while True:
                    by = first_token_by if next_token_sec is None else now() + next_token_sec
                    async with _outstanding(resources, by):
                        chunk = await anext(stream, None)
                    if chunk is None:
                        break
                    usage = chunk.usage or usage
                    for choice in chunk.choices or ():
                        if text := choice.delta.content or choice.delta.refusal:
                            next_token_sec, wrote = self.stall_sec, True
                            yield TextPiece(text)
                        if choice.delta.tool_calls:
                            next_token_sec = self.stall_sec
                            if fragments is None:
                                fragments = ToolFragments()
                                if wrote:  # What was said can be spoken while arguments come.
                                    yield TextPiece("\n")
                            fragments.add(choice.delta.tool_calls)
                        if choice.finish_reason is not None:
                            finished, next_token_sec = True, _AFTER_THE_END_SEC
            finally:
                await stream.close()
        except Exception as error:
            # What breaks after the last word leaves the reply whole.
            if not finished:
                raise _said_plainly(error) from error
        if not finished and usage is None:
            raise ProviderError(_NAME, "the reply broke off", retryable=True)
        for asked in fragments.requests() if fragments is not None else ():
            yield ToolAsked(asked)
        if usage is not None:
            yield _tokens(usage)

    def _request(self, messages: Sequence[Message], tools: tuple[ToolFace, ...]) -> dict[str, Any]:
        request: dict[str, Any] = {
            "model": self.model,
            "messages": [message_parameter(message) for message in messages],
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if tools:
            request["tools"] = [tool_parameter(face) for face in tools]
        if self.temperature is not None:
            request["temperature"] = self.temperature
        if self.max_output_tokens is not None:
            # OpenAI's newer models refuse the old name; other servers know no other.
            name = "max_completion_tokens" if self.base_url is None else "max_tokens"
            request[name] = self.max_output_tokens
        return request

    async def _client(self, resources: Resources) -> AsyncOpenAI:
        """The phone's one client for this key and server."""
        key = self._key()

        @asynccontextmanager
        async def opened() -> AsyncGenerator[AsyncOpenAI]:
            from openai import AsyncOpenAI

            # Again is the conversation's to decide: a silent second attempt doubles the wait.
            async with AsyncOpenAI(api_key=key, base_url=self.base_url, max_retries=0) as client:
                yield client

        return await resources.shared((OpenAILLM, key, self.base_url), opened)

    def _key(self) -> str:
        if key := self.api_key or setting("OPENAI_API_KEY"):
            return key
        raise ConfigError(
            "OpenAILLM: no key. Set the environment variable OPENAI_API_KEY, or pass api_key= "
            "(any text for a server of your own that asks for none)"
        )


@asynccontextmanager
async def _outstanding(resources: Resources, by: float) -> AsyncGenerator[None]:
    """Something that the server must do `by` then, in the loop's own time."""
    with resources.clock.hold():
        async with asyncio.timeout_at(by):
            yield


def _tokens(usage: CompletionUsage) -> TokensUsed:
    details = usage.prompt_tokens_details
    return TokensUsed(
        input_tokens=usage.prompt_tokens or 0,
        output_tokens=usage.completion_tokens or 0,
        cached_tokens=(details.cached_tokens or 0) if details is not None else 0,
    )


def _said_plainly(error: Exception) -> ProviderError:
    """`error` in a sentence without keys, addresses and the server's own words."""
    import openai

    def said(sentence: str, *, retryable: bool = False) -> ProviderError:
        return ProviderError(_NAME, sentence, retryable=retryable)

    match error:
        case TimeoutError() | openai.APITimeoutError():
            return said("it took too long to answer", retryable=True)
        case openai.AuthenticationError() | openai.PermissionDeniedError():
            return said(f"the API key was refused (HTTP {error.status_code})")
        case openai.NotFoundError():
            return said("no such model, or no such address (HTTP 404)")
        case openai.RateLimitError() if error.code == "insufficient_quota":
            return said("the account's quota is used up (HTTP 429)")
        case openai.RateLimitError():
            return said("too many requests (HTTP 429)", retryable=True)
        case openai.APIStatusError() if error.status_code >= 500 or error.status_code in (408, 409):
            return said(f"the service failed (HTTP {error.status_code})", retryable=True)
        case openai.APIStatusError():
            return said(f"the request was refused (HTTP {error.status_code})")
        case openai.APIConnectionError():
            return said("it could not be reached, or the connection broke", retryable=True)
        case openai.APIResponseValidationError():
            return said("its answer could not be read")
        case openai.APIError():
            return said("the service broke off its reply", retryable=True)
        case _:
            return said(f"its answer could not be read ({type(error).__name__})")
