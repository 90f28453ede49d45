"""A server that answers with exactly the bytes that a test wants, and a line to it."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from patter_core.clock import SystemClock
from patter_core.config import Limits
from patter_core.telephony.twilio.account import Twilio

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

ACCOUNT = "AC" + "0a" * 16
TOKEN = "12345"
SOON = Limits(dial_request_sec=0.6, carrier_request_sec=0.3)


@dataclass(frozen=True)
class Request:
    """A request as it arrived."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.target).query, keep_blank_values=True)

    @property
    def form(self) -> dict[str, list[str]]:
        return parse_qs(self.body.decode(), keep_blank_values=True, strict_parsing=True)


def http_answer(status: int, body: bytes | str = b"", **headers: str) -> bytes:
    """A well-formed answer; `Retry_After="5"` gives a header `Retry-After: 5`."""
    content = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status} Status", f"Content-Length: {len(content)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + content


@dataclass
class RawServer:
    """Answers each request with the next bytes in `answers`, the last ones for good.

    None in their place never answers. After what does not say `keep` the connection is closed.
    """

    answers: list[bytes | None]
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    keep: bool = False
    reset: bool = False
    pause_sec: float = 0.0
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                self.requests.append(await _read_request(reader))
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                if answer is None:
                    await asyncio.sleep(3600)
                    return
                if self.pause_sec:
                    await self._dribble(writer, answer)
                writer.write(b"" if self.pause_sec else answer)
                await writer.drain()
                if not self.keep:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            if self.reset:
                writer.transport.abort()
            writer.close()

    async def _dribble(self, writer: asyncio.StreamWriter, answer: bytes) -> None:
        for position in range(len(answer)):
            writer.write(answer[position : position + 1])
            await asyncio.sleep(self.pause_sec)


async def _read_request(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.rstrip().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method, target, headers, body)


@pytest.fixture
async def raw_server() -> AsyncGenerator[Callable[..., Awaitable[RawServer]]]:
    """Starts servers: `await raw_server(answer, answer, ..., keep=True)`."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(*answers: bytes | None, **options: object) -> RawServer:
            server = RawServer(list(answers), **options)
            connections: set[asyncio.Task[None]] = set()

            def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                connections.add(asyncio.ensure_future(server.handle(reader, writer)))

            async def stop() -> None:
                listener.close()
                for connection in connections:
                    connection.cancel()
                await asyncio.gather(*connections, return_exceptions=True)

            listener = await asyncio.start_server(accept, "127.0.0.1", 0)
            stack.push_async_callback(stop)
            server.port = listener.sockets[0].getsockname()[1]
            return server

        yield start


@pytest.fixture
async def line_to() -> AsyncGenerator[Callable[..., object]]:
    """Makes lines: `line_to(url)`, over one HTTP session, with little patience."""
    async with aiohttp.ClientSession() as http:

        def make(url: str, limits: Limits = SOON, clock: object = None) -> object:
            account = Twilio(ACCOUNT, TOKEN, api_base_url=url)
            return account.line(http, clock or SystemClock(), limits)

        yield make
