"""Tools behind a URL: one signed POST, and an answer that is held to size, time and form."""

from __future__ import annotations

import re
import zlib
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson

from patter_core.errors import PatterError
from patter_core.tools.signature import signature
from patter_core.tools.url_guard import (
    AddressRefused,
    PublicResolver,
    UrlGuard,
    UrlRefused,
    public_socket,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from types import TracebackType
    from typing import Self

    from aiohttp.abc import AbstractResolver

_JSON_TYPE = re.compile(r"application/(?:[\w.+-]+\+)?json", re.IGNORECASE)
_KEEP_ALIVE_SEC = 15.0
_PIECE_BYTES = 64 * 1024


class WebhookFailed(PatterError):
    """A webhook gave no usable answer; says why in a sentence for the model.

    Attributes:
        retryable: Whether a further attempt makes sense: it answered with an error, or not at all.
    """

    def __init__(self, sentence: str, *, retryable: bool) -> None:
        super().__init__(sentence)
        self.retryable = retryable


class WebhookTooLarge(PatterError):
    """A webhook's answer is over the cap."""


class Webhooks:
    """Calls tools' webhooks, over connections that all calls of a phone share.

    Opened with `async with`, on the loop that uses it.
    """

    def __init__(
        self,
        guard: UrlGuard,
        *,
        max_bytes: int = 1024 * 1024,
        resolver: AbstractResolver | None = None,
    ) -> None:
        """Store what is needed; nothing is opened.

        Args:
            guard: Which URLs may be called.
            max_bytes: How long an answer may be, uncompressed.
            resolver: Looks names up; aiohttp's own when not given.
        """
        self.guard = guard
        self._max_bytes = max_bytes
        self._resolver = resolver
        self._public: aiohttp.ClientSession | None = None
        self._exempt: aiohttp.ClientSession | None = None
        self._exits = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Open both sessions: one that judges every address, one for hosts that are exempt."""
        resolver = self._resolver or aiohttp.ThreadedResolver()
        async with AsyncExitStack() as stack:
            # No cache of names: an answer is judged when it is used, and used at once.
            self._public = await stack.enter_async_context(
                _session(
                    resolver=PublicResolver(resolver),
                    socket_factory=public_socket,
                    use_dns_cache=False,
                )
            )
            self._exempt = await stack.enter_async_context(_session(resolver=resolver))
            self._exits = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close both."""
        await self._exits.aclose()
        self._public = self._exempt = None

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> str:
        """Send one POST, and return the JSON text that answers it. Bounded by the caller.

        Raises:
            UrlRefused: The URL, or what its name leads to, is not called.
            WebhookTooLarge: The answer is over the cap.
            WebhookFailed: There is no answer, an error, or something that is no JSON.
        """
        guarded = self.guard.check(url)
        session = self._exempt if guarded.exempt else self._public
        if session is None:
            raise WebhookFailed("The tool cannot be reached now.", retryable=False)
        try:
            async with session.post(
                guarded.url, data=body, headers=headers, allow_redirects=False
            ) as response:
                if not 200 <= response.status < 300:
                    raise WebhookFailed(
                        f"The tool's server answered with status {response.status}.", retryable=True
                    )
                if not _JSON_TYPE.fullmatch(response.content_type):
                    raise WebhookFailed(
                        "The tool's server did not answer in JSON.", retryable=False
                    )
                return _json_text(await self._read(response))
        except aiohttp.ClientError as error:
            if isinstance(getattr(error, "os_error", None), AddressRefused):
                raise UrlRefused("The URL leads to an address that is not public.") from error
            raise WebhookFailed(
                "The tool's server could not be reached.", retryable=True
            ) from error
        except (OSError, ValueError) as error:
            raise WebhookFailed(
                "The tool's server could not be reached.", retryable=True
            ) from error

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        """The whole body, which is never let grow past the cap, in either of its forms."""
        if (response.content_length or 0) > self._max_bytes:
            raise WebhookTooLarge
        inflater = _inflater(response.headers.get("Content-Encoding", "identity"))
        body = bytearray()
        received = 0
        async for piece in response.content.iter_chunked(_PIECE_BYTES):
            received += len(piece)
            room = self._max_bytes + 1 - len(body)
            body += piece if inflater is None else _inflate(inflater, piece, room)
            if len(body) > self._max_bytes or received > self._max_bytes:
                raise WebhookTooLarge
        if inflater is not None and not inflater.eof:
            raise WebhookFailed("The tool's server broke off its answer.", retryable=True)
        return bytes(body)


def request_headers(
    *, idempotency_key: str, body: bytes, secret: str | None, now: datetime
) -> dict[str, str]:
    """What is sent with a webhook's body.

    Args:
        idempotency_key: The same at every attempt.
        body: What is signed.
        secret: Signs it, if there is one.
        now: An aware time.
    """
    headers = {"Idempotency-Key": idempotency_key}
    if secret:
        headers["X-Patter-Signature"] = signature(secret, int(now.timestamp()), body)
    return headers


def _session(**connector: Any) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE_SEC, **connector),
        cookie_jar=aiohttp.DummyCookieJar(),
        # Its own decompression may make a hundred megabytes of one piece before anybody can count.
        auto_decompress=False,
        trust_env=False,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
        headers={
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Accept-Encoding": "gzip, deflate",
        },
    )


def _inflater(encoding: str) -> Any:  # noqa: ANN401 - the standard library does not name its type
    match encoding.strip().lower():
        case "" | "identity":
            return None
        case "gzip" | "x-gzip" | "deflate":
            return zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # By its header, which of both.
        case _:
            raise WebhookFailed("The tool's server answered in an unknown form.", retryable=False)


def _inflate(inflater: Any, piece: bytes, room: int) -> bytes:  # noqa: ANN401 - as above
    try:
        inflated: bytes = inflater.decompress(piece, room)
    except zlib.error as error:
        raise WebhookFailed("The tool's server broke its answer.", retryable=True) from error
    if inflater.unused_data:
        # A second part, or anything else: the first alone would be half an answer.
        raise WebhookFailed("The tool's server broke its answer.", retryable=True)
    return inflated


def _json_text(body: bytes) -> str:
    try:
        orjson.loads(body)
        return body.decode()
    except ValueError as error:
        raise WebhookFailed("The tool's server did not answer in JSON.", retryable=False) from error
