"""The door, by raw sockets: what is slow, huge or broken ends itself, and nobody else."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gc
import json
import os
import socket
import struct
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from aiohttp import web
from twilio.request_validator import RequestValidator

from patter import Limits
from patter.simulator import Callee
from patter_core.server.app import bind
from patter_core.server.connections import Connections, listening
from tests.calls.conftest import network, new_phone, new_tool, speed
from tests.calls.kit import CALLEE, bounded, scripted

__all__ = ["network", "new_phone", "new_tool", "speed"]

LIMITS = Limits(
    request_sec=0.5,
    idle_connection_sec=0.5,
    unproven_connections=20,
    heartbeat_sec=0.4,
    frames_at_once=200,
    frames_per_sec=100,
    unsent_chars=64 * 1024,
    media_start_sec=30,
    media_lost_sec=1,
)


@pytest.fixture
async def tool(new_tool):
    tool = new_tool(phone={"limits": LIMITS, "max_concurrent_calls": 3})
    await tool.start()
    return tool


@asynccontextmanager
async def knock(tool):
    """A raw connection to the door."""
    port = int(tool._phone.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def ended(reader):
    """Everything that still comes, until the other side ends the connection."""
    received = b""
    async with asyncio.timeout(30):
        with contextlib.suppress(ConnectionError):
            while piece := await reader.read(65_536):
                received += piece
    return received


async def healthy(tool):
    async with asyncio.timeout(30), knock(tool) as (reader, writer):
        writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b"200 OK" in await reader.read(65_536)


# --- requests ------------------------------------------------------------------------------------


async def test_who_says_nothing_is_shown_out(tool):
    async with knock(tool) as (reader, _):
        assert await ended(reader) == b""


async def test_headers_that_come_byte_by_byte_end_at_the_deadline(tool):
    async with knock(tool) as (reader, writer):
        ending = asyncio.create_task(ended(reader))
        for byte in b"POST /twilio/status/x HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 500:
            if ending.done():
                break
            writer.write(bytes([byte]))
            await asyncio.sleep(0.02)
        assert await ending == b""


async def test_a_body_that_never_comes_ends_at_the_deadline(tool):
    async with knock(tool) as (reader, writer):
        writer.write(
            b"POST /twilio/status/x HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf"
        )
        assert await ended(reader) == b""


async def test_a_connection_that_asks_nothing_more_is_closed(tool):
    async with knock(tool) as (reader, writer):
        writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" in await ended(reader)


async def test_a_second_request_has_the_same_deadline(tool):
    async with knock(tool) as (reader, writer):
        writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" in await reader.read(65_536)
        writer.write(b"GET /health HTTP/1.1\r\nHo")
        assert await ended(reader) == b""


@pytest.mark.parametrize(
    ("request_bytes", "answer"),
    [
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b" 400 "),
        (b"GET /health HTTP/1.1\r\nX: " + b"a" * 20_000 + b"\r\n\r\n", b" 400 "),
        (b"GET /health HTTP/1.1\r\n" + b"X-A: b\r\n" * 300 + b"\r\n", b" 400 "),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(64) + b"\r\n\r\n", b" 400 "),
        (b"NONSENSE\r\n\r\n", b" 400 "),
        (
            b"POST /twilio/voice HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n"
            + b"a" * 200_000,
            b" 413 ",
        ),
        (
            b"POST /twilio/voice HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            + b"8000\r\n"
            + b"a" * 0x8000
            + b"\r\n8000\r\n"
            + b"a" * 0x8000
            + b"\r\n1\r\na\r\n",
            b" 413 ",
        ),
    ],
    ids=["url", "header", "headers", "tls", "nonsense", "body", "chunks"],
)
async def test_what_is_too_much_is_refused(tool, request_bytes, answer):
    async with knock(tool) as (reader, writer):
        writer.write(request_bytes)
        assert answer in await ended(reader)
    await healthy(tool)


async def test_strangers_who_crowd_the_door_make_room_oldest_first(new_tool):
    # Each may take its time: who goes was shown out to make room.
    tool = new_tool(phone={"limits": replace(LIMITS, request_sec=90)})
    await tool.start()
    async with contextlib.AsyncExitStack() as stack:
        crowd = [await stack.enter_async_context(knock(tool)) for _ in range(40)]
        assert await ended(crowd[0][0]) == b""
        await healthy(tool)


async def test_who_comes_while_the_door_closes_is_shown_out():
    runner = web.AppRunner(web.Application())
    await runner.setup()
    listener = bind("127.0.0.1", 0)
    async with listening(runner, listener, Connections(LIMITS)):
        late = socket.create_connection(listener.getsockname())
        # Two turns of the loop: it is found at the door, and is about to be let in.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    await runner.cleanup()
    gc.collect()  # What was left open would be complained of here.
    reader, writer = await asyncio.open_connection(sock=late)
    assert await ended(reader) == b""
    writer.close()


async def test_a_call_goes_on_while_strangers_flood_the_door(network, tool):
    async def flood():
        while True:
            with contextlib.suppress(OSError):
                async with knock(tool) as (_, writer):
                    writer.write(b"GET /twilio/media HTTP/1.1\r\n" + os.urandom(200))
                    await writer.drain()

    flooding = [asyncio.create_task(flood()) for _ in range(20)]
    try:
        result = await bounded(tool.execute(to=CALLEE, first_message="Hi."))
    finally:
        for task in flooding:
            task.cancel()
        await asyncio.gather(*flooding, return_exceptions=True)
    assert (result.status, result.ended_by) == ("completed", "callee")


# --- media sockets -------------------------------------------------------------------------------


class RawStream:
    """A carrier's end of a media socket, byte for byte, for what a proper client never does."""

    def __init__(self, network, tool, reader, writer):
        self.network, self.tool = network, tool
        self.reader, self.writer = reader, writer

    async def upgrade(self):
        url = "ws" + self.tool._phone.url.removeprefix("http") + "/twilio/media"
        signature = RequestValidator(self.network.auth_token).compute_signature(url, {})
        self.writer.write(
            b"GET /twilio/media HTTP/1.1\r\nHost: x\r\n"
            b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            b"X-Twilio-Signature: " + signature.encode() + b"\r\n\r\n"
        )
        answer = await bounded(self.reader.readuntil(b"\r\n\r\n"))
        assert b" 101 " in answer

    def send(self, payload, opcode=0x1, final=True):
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        size = len(data)
        head = bytes([(0x80 if final else 0) | opcode])
        if size < 126:
            head += bytes([0x80 | size])
        elif size < 65_536:
            head += bytes([0x80 | 126]) + struct.pack("!H", size)
        else:
            head += bytes([0x80 | 127]) + struct.pack("!Q", size)
        self.writer.write(head + b"\0\0\0\0" + data)  # Masked with nothing.

    def start(self, leg, callref):
        self.send(
            {
                "event": "start",
                "sequenceNumber": "1",
                "streamSid": "MZ" + "0" * 32,
                "start": {
                    "accountSid": self.network.account_sid,
                    "streamSid": "MZ" + "0" * 32,
                    "callSid": leg.sid,
                    "tracks": ["inbound"],
                    "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
                    "customParameters": {"callref": callref},
                },
            }
        )

    def audio(self):
        payload = base64.b64encode(b"\xff" * 160).decode()
        self.send({"event": "media", "streamSid": "MZ" + "0" * 32, "media": {"payload": payload}})


@asynccontextmanager
async def own_stream(network, tool, **order):
    """A live call whose audio this test brings; the network's own socket says nothing."""
    network.add(CALLEE, Callee(behave="silent", rings_sec=0.0))
    network.faults.media("no_start")
    with network.clock.hold():
        live = await bounded(tool.submit(to=CALLEE, max_duration_sec=1800, **order))
        await network.until(lambda: any(leg.answered for leg in network.dials))
        (leg,) = network.live_legs
        callref = tool._phone._opening._open.desk.exchange.callref(live.call_id)
        async with knock(tool) as (reader, writer):
            stream = RawStream(network, tool, reader, writer)
            await stream.upgrade()
            stream.start(leg, callref)
            yield stream, live


async def lost(network, live):
    result = await bounded(live.result())
    assert (result.status, result.error_code) == ("failed", "no_media")
    await network.until(lambda: not network.live_legs)


async def test_a_half_open_media_socket_is_noticed_and_the_call_hung_up(network, tool):
    """It neither says anything nor answers a ping; its connection stays up all the time."""
    async with own_stream(network, tool) as (stream, live):
        got = await ended(stream.reader)
        assert b"\x89\x00" in got, "it was pinged"
    await lost(network, live)


async def test_a_media_socket_that_answers_pings_stays(network, tool):
    async with own_stream(network, tool) as (stream, live):
        for _ in range(3):
            await bounded(stream.reader.readuntil(b"\x89\x00"))
            stream.send(b"", opcode=0xA)
        assert not live.done
        await live.hang_up()
        assert (await bounded(live.result())).status == "canceled"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda stream: stream.send(b"x" * 70_000),
        lambda stream: [
            stream.send(b"x" * 30_000, opcode=min(n, 0) or (n == 0), final=False) for n in range(4)
        ],
        lambda stream: stream.send(b"\xff\xfe", opcode=0x1),
        lambda stream: stream.send(b"binary", opcode=0x2),
        lambda stream: stream.writer.write(b"\xff" * 100),
        lambda stream: [stream.audio() for _ in range(5_000)],
        lambda stream: [stream.send({"event": "mark"}) for _ in range(5_000)],
        lambda stream: stream.writer.transport.abort(),
    ],
    ids=["frame", "fragments", "text", "binary", "garbage", "audio flood", "flood", "reset"],
)
async def test_what_no_carrier_sends_ends_that_call_and_no_other(network, tool, spoil):
    async with own_stream(network, tool) as (stream, live):
        spoil(stream)
        await ended(stream.reader)
    await lost(network, live)
    network.add(CALLEE, Callee(says=["Hello?", "Bye."], rings_sec=0.0))
    assert (await bounded(tool.execute(to=CALLEE))).status == "completed"


async def test_frames_that_cannot_be_read_are_passed_over(network, tool):
    async with own_stream(network, tool) as (stream, live):
        for text in (b"", b"{", b"[]", b"null", b'{"event": 7}', b'{"event":"media"}', b"1e999"):
            stream.send(text)
            stream.audio()
        await bounded(stream.reader.readuntil(b"\x89\x00"))
        stream.send(b"", opcode=0xA)
        assert not live.done
        await live.hang_up()
        await bounded(live.result())


async def test_a_side_that_takes_nothing_is_dropped(network, new_tool):
    """It sends audio and reads none, while the agent talks on and on."""
    agent = scripted(first_message="word " * 3_000)
    tool = new_tool(
        agent=agent, phone={"limits": replace(LIMITS, heartbeat_sec=30, media_start_sec=3_000)}
    )
    await tool.start()
    async with own_stream(network, tool) as (stream, live):
        stream.writer.transport.pause_reading()
        began = network.clock.now()
        with contextlib.suppress(ConnectionError):
            for n in range(40_000):
                stream.audio()
                if n % 50 == 0:
                    network.clock.advance(began + n * 0.02)
                    await asyncio.sleep(0.001)
                    await stream.writer.drain()
        await lost(network, live)
