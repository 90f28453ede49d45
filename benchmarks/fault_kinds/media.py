"""The audio of a call, and other guests at the door."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import aiohttp

from benchmarks.fault_bench import SCALED, Fault, Tally, live_call, one_call, trial


def media() -> list[Fault]:
    """The audio does not come, stops, or is somebody else's."""
    return [
        Fault(
            "media: never comes",
            "the network opens no socket",
            one_call(lambda n: n.faults.media("never_connects"), "completed", "failed"),
            quick=True,
        ),
        Fault(
            "media: says nothing",
            "a socket without a start",
            one_call(lambda n: n.faults.media("no_start"), "completed", "failed"),
        ),
        Fault(
            "media: dropped",
            "aborted two seconds in",
            one_call(lambda n: n.faults.media("dropped"), "completed", "failed"),
            quick=True,
        ),
        Fault(
            "media: half-open",
            "neither frames nor pongs, connection up",
            lambda: _raw(lambda s: None),
        ),
        Fault(
            "media: flood",
            "5,000 frames at once",
            lambda: _raw(lambda s: [s.audio() for _ in range(5_000)]),
        ),
        Fault(
            "media: malformed",
            "bytes that are no frame",
            lambda: _raw(lambda s: s.writer.write(b"\xff" * 200)),
        ),
        Fault("media: a huge frame", "70,000 bytes", lambda: _raw(lambda s: s.send(b"x" * 70_000))),
        Fault("media: reset", "RST", lambda: _raw(lambda s: s.writer.transport.abort())),
        Fault("media: a stranger", "no signature, while a call is live", _stranger, 1),
        Fault("door: slow clients", "100 connections that dawdle, during a call", _dawdlers, 1),
    ]


async def _raw(spoil: Any) -> Tally:
    from tests.server.test_door import LIMITS, own_stream

    async with trial(limits=replace(LIMITS, drain_sec=3.0)) as made:
        await made.tool.start()
        async with own_stream(made.network, made.tool) as (stream, live):
            spoil(stream)
            async with asyncio.timeout(15):
                result = await live.result()
        made.expect(result.error_code == "no_media", f"{result.status} {result.error_code}")
    return made.tally


async def _stranger() -> Tally:
    async with live_call() as (made, live, _):
        url = "ws" + made.phone.url.removeprefix("http") + "/twilio/media"
        async with aiohttp.ClientSession() as http:
            for _ in range(20):
                try:
                    await http.ws_connect(url)
                    made.expect(False, "a stranger came in")
                except aiohttp.WSServerHandshakeError as error:
                    made.expect(error.status == 403, f"{error.status}")
        made.expect(not live.done, "ended by a stranger")
    return made.tally


async def _dawdlers() -> Tally:
    async with trial(limits=replace(SCALED, unproven_connections=20)) as made:
        await made.tool.start()
        port = int(made.phone.url.rpartition(":")[2])
        crowd = [await asyncio.open_connection("127.0.0.1", port) for _ in range(100)]
        for _, writer in crowd:
            writer.write(b"POST /twilio/voice HTTP/1.1\r\nX-Slow:")
        await made.call("completed")
        for _, writer in crowd:
            writer.close()
    return made.tally
