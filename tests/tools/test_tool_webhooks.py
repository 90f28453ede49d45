from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from patter_core.clock import SystemClock
from patter_core.tools.checked_tool import check_tools
from patter_core.tools.definition import Tool
from patter_core.tools.executor import ToolExecutor, ToolInvocation, ToolResult
from patter_core.tools.signature import signature, verify_signature
from patter_core.tools.url_guard import UrlGuard
from patter_core.tools.webhook import Webhooks
from tests.telephony.raw_http import RawServer
from tests.tools.connections import connections
from tests.tools.resolvers import Answers

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

ASKED = ToolInvocation(
    "call-1", "request-1", "look_up", '{"order_id": "ORD-1"}', caller="+1415", callee="+1416"
)
MEBIBYTE = 1024 * 1024


class Hurried(SystemClock):
    """Real time, but for the pauses between attempts."""

    def __init__(self) -> None:
        self.pauses: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)


def reply(
    body: bytes | str = b"{}", status: int = 200, kind: str = "application/json", **headers: str
) -> bytes:
    body = body.encode() if isinstance(body, str) else body
    fields = {
        "Content-Type": kind,
        "Content-Length": str(len(body)),
        "Connection": "close",
        **headers,
    }
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items() if value]
    return "\r\n".join([f"HTTP/1.1 {status} Status", *lines, "", ""]).encode() + body


@asynccontextmanager
async def calling(server: RawServer, **tool: Any) -> AsyncGenerator[ToolExecutor]:
    guard = UrlGuard(allow_hosts={f"127.0.0.1:{server.port}"})
    fields = {
        "name": "look_up",
        "parameters": {"type": "object", "properties": {"order_id": {"type": "string"}}},
        "webhook_url": f"{server.url}/orders?x=%2F",
        "timeout_sec": 5.0,
    }
    async with Webhooks(guard) as webhooks, asyncio.timeout(30):
        yield ToolExecutor(
            tools=check_tools([{**fields, **tool}], guard=guard),
            webhooks=webhooks,
            clock=Hurried(),
            jitter=lambda: 0.0,
        )


def error_of(result: ToolResult) -> str:
    told = json.loads(result.output)
    assert not result.ok
    assert told["fallback"] is True
    assert told["error"] == result.error
    return told["error"]


async def test_a_webhook_is_sent_what_it_needs_and_its_json_goes_on_as_it_is(raw_server: Any):
    server = await raw_server(reply('{"status":  "shipped"}'))
    async with calling(server) as tools:
        result = await tools.execute(ASKED)
    assert result == ToolResult("request-1", ok=True, error=None, output='{"status":  "shipped"}')
    (request,) = server.requests
    assert (request.method, request.target) == ("POST", "/orders?x=%2F")
    assert json.loads(request.body) == {
        "tool": "look_up",
        "tool_name": "look_up",
        "arguments": {"order_id": "ORD-1"},
        "call_id": "call-1",
        "caller": "+1415",
        "callee": "+1416",
        "attempt": 1,
    }
    assert request.headers["content-type"] == "application/json"
    assert request.headers["idempotency-key"]
    assert "x-patter-signature" not in request.headers
    assert "cookie" not in request.headers


async def test_a_secret_signs_the_time_and_the_body(raw_server: Any):
    server = await raw_server(reply())
    async with calling(server, webhook_secret="hush") as tools:
        await tools.execute(ASKED)
    (request,) = server.requests
    header = request.headers["x-patter-signature"]
    now = datetime.now(UTC)
    assert verify_signature("hush", header, request.body, now=now)
    assert not verify_signature("other", header, request.body, now=now)
    assert not verify_signature("hush", header, request.body + b" ", now=now)
    assert not verify_signature("hush", header, request.body, now=now + timedelta(seconds=400))
    assert not verify_signature("hush", header.replace("t=", "t=1"), request.body, now=now)
    assert not verify_signature("hush", "", request.body, now=now)


def test_the_signature_is_an_hmac_that_anybody_can_compute():
    # printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac hush
    assert signature("hush", 1_700_000_000, b'{"a":1}') == ("t=1700000000,v1=" + SIGNED)


SIGNED = "7cfd1df542c33ab7251748ffdc6e7fed278c63b83d4ece95a4534b0ad465571b"


@pytest.mark.parametrize("status", [300, 302, 307, 400, 401, 404, 408, 429, 500, 503])
async def test_any_status_but_2xx_is_tried_again_with_the_same_key(raw_server: Any, status: int):
    server = await raw_server(reply("{}", status, Location="http://169.254.169.254/"))
    async with calling(server) as tools:
        with connections() as seen:
            result = await tools.execute(ASKED)
        assert tools._clock.pauses == [0.5, 1.0]
    assert error_of(result) == "tool_failed"
    assert str(status) in result.output
    assert [json.loads(request.body)["attempt"] for request in server.requests] == [1, 2, 3]
    assert len({request.headers["idempotency-key"] for request in server.requests}) == 1
    assert set(seen) == {("127.0.0.1", server.port)}


async def test_a_second_attempt_may_succeed(raw_server: Any):
    server = await raw_server(reply("{}", 503), reply('{"ok":1}'))
    async with calling(server) as tools:
        assert (await tools.execute(ASKED)).output == '{"ok":1}'


async def test_no_retries_means_one_attempt(raw_server: Any):
    server = await raw_server(reply("{}", 503))
    async with calling(server, max_retries=0) as tools:
        assert error_of(await tools.execute(ASKED)) == "tool_failed"
    assert len(server.requests) == 1


async def test_a_redirect_to_the_metadata_service_is_not_followed(raw_server: Any):
    target = "http://169.254.169.254/latest/meta-data/"
    server = await raw_server(reply("{}", 302, Location=target))
    async with calling(server, max_retries=0) as tools:
        with connections() as seen:
            result = await tools.execute(ASKED)
    assert error_of(result) == "tool_failed"
    assert seen == [("127.0.0.1", server.port)]


CUT_OFF = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{}"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x00\x01garbage\r\n\r\n",
        b"HTTP/1.1 200",
        CUT_OFF,
        reply(gzip.compress(b"{}")[:-9], Content_Encoding="gzip"),
        reply(b"no gzip", Content_Encoding="gzip"),
        reply(gzip.compress(b"[1]") + gzip.compress(b"[2]"), Content_Encoding="gzip"),
    ],
    ids=["nothing", "garbage", "half a line", "too short", "half a gzip", "no gzip", "two gzips"],
)  # fmt: skip
async def test_what_is_no_whole_answer_is_tried_again(raw_server: Any, answer: bytes):
    server = await raw_server(answer)
    async with calling(server) as tools:
        assert error_of(await tools.execute(ASKED)) == "tool_failed"
    assert len(server.requests) == 3


async def test_a_server_that_resets_is_tried_again(raw_server: Any):
    server = await raw_server(b"", reset=True)
    async with calling(server) as tools:
        assert error_of(await tools.execute(ASKED)) == "tool_failed"
    assert len(server.requests) == 3


async def test_a_server_that_is_not_there_is_a_failure(raw_server: Any):
    server = await raw_server(reply())
    gone = RawServer([reply()])
    gone.port = server.port
    listener = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    gone.port = listener.sockets[0].getsockname()[1]
    listener.close()
    await listener.wait_closed()
    async with calling(gone) as tools:
        with connections() as seen:
            assert error_of(await tools.execute(ASKED)) == "tool_failed"
    assert len(seen) == 3


@pytest.mark.parametrize(
    "answer",
    [
        reply("<html>No</html>", kind="text/html"),
        reply("<html>No</html>"),
        reply("{}", kind="text/plain"),
        reply("{}", kind=""),
        reply(""),
        reply("{'a': 1}"),
        reply('{"a": NaN}'),
        reply(b'{"a": "\xff"}'),
        reply("[" * 100_000),
        reply("", 204),
        reply("{}", Content_Encoding="br"),
        reply("{}", Content_Encoding="gzip, gzip"),
    ],
)
async def test_an_answer_that_is_no_json_is_final(raw_server: Any, answer: bytes):
    server = await raw_server(answer)
    async with calling(server) as tools:
        assert error_of(await tools.execute(ASKED)) == "tool_failed"
    assert len(server.requests) == 1


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "application/problem+json"])
async def test_json_by_its_other_names_will_do(raw_server: Any, kind: str):
    server = await raw_server(reply('{"a":"ü"}', kind=kind))
    async with calling(server) as tools:
        assert (await tools.execute(ASKED)).output == '{"a":"ü"}'


@pytest.mark.parametrize(
    ("coding", "squeeze"), [("gzip", gzip.compress), ("deflate", zlib.compress)]
)
async def test_a_compressed_answer_is_read(raw_server: Any, coding: str, squeeze: Any):
    server = await raw_server(reply(squeeze(b'{"a":1}'), Content_Encoding=coding))
    async with calling(server) as tools:
        assert (await tools.execute(ASKED)).output == '{"a":1}'


def text_of(size: int) -> str:
    return '"' + "x" * (size - 2) + '"'


def chunked(body: bytes) -> bytes:
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    return head + b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n"


@pytest.mark.parametrize("wrap", [reply, chunked])
async def test_an_answer_of_exactly_the_cap_is_read_and_one_byte_more_is_not(
    raw_server: Any, wrap: Any
):
    server = await raw_server(
        wrap(text_of(MEBIBYTE).encode()), wrap(text_of(MEBIBYTE + 1).encode())
    )
    async with calling(server) as tools:
        assert len((await tools.execute(ASKED)).output) == MEBIBYTE
        assert error_of(await tools.execute(ASKED)) == "result_too_large"
    assert len(server.requests) == 2


async def test_a_length_over_the_cap_is_refused_before_anything_is_read(raw_server: Any):
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99999999\r\n\r\n"
    server = await raw_server(head)
    async with calling(server) as tools:
        assert error_of(await tools.execute(ASKED)) == "result_too_large"


async def test_a_bomb_is_defused_while_it_grows(raw_server: Any):
    tracemalloc = pytest.importorskip("tracemalloc")
    bomb = gzip.compress(b'"' + b"0" * 200 * MEBIBYTE + b'"')
    assert len(bomb) < MEBIBYTE
    server = await raw_server(reply(bomb, Content_Encoding="gzip"))
    async with calling(server) as tools:
        tracemalloc.start()
        result = await tools.execute(ASKED)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert error_of(result) == "result_too_large"
    assert peak < 12 * MEBIBYTE


async def test_of_a_longer_answer_than_it_says_nothing_more_is_ever_read(raw_server: Any):
    lying = reply("{}", Connection="keep-alive") + b'{"more": 1}' * 100
    server = await raw_server(lying)
    async with calling(server) as tools:
        result = await tools.execute(ASKED)
    assert "more" not in result.output
    assert result.output == "{}" or error_of(result) == "tool_failed"


async def test_a_server_that_drips_gets_no_more_time_than_the_whole_attempt_has(raw_server: Any):
    server = await raw_server(reply(), pause_sec=0.02)
    async with calling(server, timeout_sec=0.3) as tools:
        assert error_of(await tools.execute(ASKED)) == "tool_timeout"
    assert len(server.requests) == 1


async def test_a_server_that_never_answers_is_left_and_not_asked_again(raw_server: Any):
    server = await raw_server(None)
    async with calling(server, timeout_sec=0.1) as tools:
        assert error_of(await tools.execute(ASKED)) == "tool_timeout"
    assert len(server.requests) == 1


async def test_proxies_of_the_environment_are_not_used(
    raw_server: Any, monkeypatch: pytest.MonkeyPatch
):
    proxy = await raw_server(reply('"from the proxy"'))
    server = await raw_server(reply('"from the server"'))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    async with calling(server) as tools:
        assert (await tools.execute(ASKED)).output == '"from the server"'
    assert proxy.connections == 0


async def test_a_connection_is_used_again(raw_server: Any):
    server = await raw_server(reply(Connection="keep-alive"), keep=True)
    async with calling(server) as tools:
        for _ in range(5):
            assert (await tools.execute(ASKED)).ok
    assert server.connections == 1


async def test_cookies_are_not_kept(raw_server: Any):
    server = await raw_server(reply(Set_Cookie="session=1; Path=/"))
    async with calling(server) as tools:
        await tools.execute(ASKED)
        await tools.execute(ASKED)
    assert all("cookie" not in request.headers for request in server.requests)


async def test_a_url_that_leads_inside_is_told_as_a_result():
    guard = UrlGuard()
    hook = Tool(name="look_up", webhook_url="http://api.example.com/")

    async with Webhooks(guard, resolver=Answers("10.0.0.1")) as webhooks:
        tools = ToolExecutor(tools=check_tools([hook], guard=guard), webhooks=webhooks)
        with connections() as seen:
            result = await tools.execute(ASKED)
    assert error_of(result) == "url_refused"
    assert seen == []


async def test_side_by_side_means_side_by_side(raw_server: Any):
    together = asyncio.Barrier(8)

    class Waiting(RawServer):
        async def handle(self, reader: Any, writer: Any) -> None:
            await together.wait()
            await super().handle(reader, writer)

    waiting = Waiting([reply()])
    listener = await asyncio.start_server(waiting.handle, "127.0.0.1", 0)
    waiting.port = listener.sockets[0].getsockname()[1]
    async with calling(waiting) as tools:
        results = await asyncio.gather(*(tools.execute(ASKED) for _ in range(8)))
    listener.close()
    assert all(result.ok for result in results)
