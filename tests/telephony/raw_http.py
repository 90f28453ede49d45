"""A server that answers with exactly the bytes that a test wants, and keeps what it was sent."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from patter_core.config import Limits

ACCOUNT = "AC" + "0a" * 16
TOKEN = "12345"
CALL = "CA" + "1f" * 16
SOON = Limits(dial_request_sec=0.6, carrier_request_sec=0.3)
"""The patience of who will wait in vain."""


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


def answer(status: int, body: str = "", **headers: str) -> bytes:
    """A well-formed answer; `Retry_After="5"` gives a header `Retry-After: 5`."""
    lines = [f"HTTP/1.1 {status} Status", f"Content-Length: {len(body.encode())}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", body]).encode()


@dataclass
class RawServer:
    """Answers each request with the next bytes in `answers`, the last ones for good.

    None in their place never answers. After what does not say `keep` the connection is closed.
    """

    answers: list[bytes | None]
    requests: list[Request] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
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
                self.asked.set()
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
