"""Every fault that is tried, and how it is brought about."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import resource
import signal
import sqlite3
import sys
import tempfile
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
from twilio.request_validator import RequestValidator

from benchmarks.fault_bench import SCALED, SILENT, TALKS, Fault, Tally, Trial, one_call, trial
from patter import DialPolicy, Patter, PatterTool, Twilio
from patter.simulator import Callee, PhoneNetwork
from patter_core.errors import ProviderError
from patter_core.pipeline.language_model import TextPiece
from patter_core.pipeline.realtime.engine import OpenAIRealtime
from patter_core.simulator import ScriptedRealtimeServer, ToolCall
from patter_core.speech import markers
from tests.calls.kit import CALLEE, PHONE, scripted

ROOT = Path(__file__).resolve().parents[1]
ANY = ("completed", "failed", "timeout", "no-answer", "busy", "interrupted", "canceled")


# --- creates -------------------------------------------------------------------------------------


def creates() -> list[Fault]:
    """The request that dials goes wrong, with and without a call made."""
    faults = []
    for kind in ("503", "500", "hang", "reset", "408", "redirect", "garbage"):
        for made in (True, False):

            def spoil(network: PhoneNetwork, kind: Any = kind, made: bool = made) -> None:
                network.faults.create(kind, after_creating=made)

            status = "completed" if made else "failed"
            words = "the call is made" if made else "no call is made"
            faults.append(
                Fault(
                    f"create: {kind}, {words}",
                    "carrier's answer",
                    one_call(spoil, status),
                    quick=kind in ("503", "reset"),
                )
            )
    faults += [
        Fault(
            "create: refused",
            "400 by the carrier",
            one_call(lambda n: n.faults.create("400"), "failed"),
            quick=True,
        ),
        Fault(
            "create: 429, a moment",
            "Retry-After: 1",
            one_call(lambda n: n.faults.create("429", retry_after_sec=1), "completed"),
        ),
        Fault(
            "create: 429, an hour",
            "Retry-After: 3600",
            one_call(lambda n: n.faults.create("429", retry_after_sec=3600), "failed"),
        ),
        Fault(
            "create: made, and never told",
            "503, callbacks lost, list broken",
            one_call(_never_told, "failed", callee=SILENT),
        ),
        Fault(
            "create: connection refused",
            "nobody listens at the carrier",
            lambda: _elsewhere("http://127.0.0.1:1"),
            quick=True,
        ),
        Fault(
            "create: no DNS",
            "a host that does not exist",
            lambda: _elsewhere("https://nobody.invalid"),
        ),
        Fault(
            "hang-up: 503 once",
            "carrier's answer",
            one_call(
                lambda n: n.faults.hang_ups("503"),
                "timeout",
                callee=SILENT,
                arguments={"max_duration_sec": 5},
            ),
        ),
        Fault(
            "hang-up: never taken",
            "every answer 503: the carrier's own limit",
            one_call(
                lambda n: n.faults.hang_ups("503", times=None),
                "timeout",
                callee=SILENT,
                arguments={"max_duration_sec": 5},
                limits=replace(SCALED, ending_sec=2.0),
            ),
        ),
    ]
    return faults


def _never_told(network: PhoneNetwork) -> None:
    network.add(CALLEE, Callee(behave="silent", rings_sec=12.0))
    network.faults.create("503", after_creating=True)
    network.faults.callbacks("lost")
    network.faults.lists("503", times=None)


async def _elsewhere(url: str) -> Tally:
    async with trial() as first:
        sid, token = first.network.account_sid, first.network.auth_token
        account = Twilio(sid, token, api_base_url=url)
        phone = Patter(
            carrier=account,
            phone_number=PHONE,
            ledger=":memory:",
            limits=SCALED,
            policy=DialPolicy.simulation(),
            webhook_url="calls.example.com",
            host="127.0.0.1",
            port=0,
        )
        tool = PatterTool(phone, agent=scripted())
        try:
            result = await tool.execute(to=CALLEE, idempotency_key="k")
        finally:
            await tool.stop()
        first.expect(result.error_code == "carrier_not_reached", f"{result.error_code}")
        first.expect(not result.may_have_dialed, "said to have dialled")
    return first.tally


# --- callbacks -----------------------------------------------------------------------------------


def callbacks() -> list[Fault]:
    """What the carrier tells is lost, repeated, reordered, forged or replayed."""
    return [
        *(
            Fault(
                f"callbacks: {kind}",
                "by the network",
                one_call(lambda n, kind=kind: n.faults.callbacks(kind), "completed"),
                quick=True,
            )
            for kind in ("lost", "doubled", "reordered")
        ),
        Fault("callbacks: all orders", "each of the 24 orders of four callbacks", _all_orders, 24),
        Fault("callbacks: each 100 times", "signed, posted again and again", _hundredfold, 1),
        Fault("callbacks: of an unknown call", "signed, with no reference of ours", _unknown, 1),
        Fault("callbacks: forged", "no signature, or a wrong one", _forged, 1),
        Fault("callbacks: replayed", "an ended call's, during the next one", _replayed, 1),
    ]


_orders = itertools.cycle(
    itertools.permutations(("ringing", "in-progress", "machine", "completed"))
)


class _Voice:
    """Posts callbacks in the carrier's name, or in nobody's."""

    def __init__(self, made: Trial, sid: str, callref: str) -> None:
        self.made, self.sid, self.callref = made, sid, callref

    async def tell(self, what: str, *, token: str | None = None) -> int:
        form = {"CallSid": self.sid, "AccountSid": self.made.network.account_sid}
        form |= {"AnsweredBy": "human"} if what == "machine" else {"CallStatus": what}
        route = "machine" if what == "machine" else "status"
        url = f"{self.made.phone.url}/twilio/{route}/{self.callref}"
        signer = RequestValidator(token or self.made.network.auth_token)
        headers = {"X-Twilio-Signature": signer.compute_signature(url, form)}
        async with aiohttp.ClientSession() as http:
            async with http.post(url, data=form, headers=headers) as answer:
                return answer.status


@asynccontextmanager
async def _live(callee: Callee = SILENT, **options: Any):
    """A live call that waits, in real time, for what is told of it."""
    async with trial(callee=callee, **options) as made:
        await made.tool.start()
        with made.network.clock.hold():
            live = await made.tool.submit(
                {"to": CALLEE, "first_message": "Hi.", "max_duration_sec": 60}
            )
            await made.network.until(lambda: any(leg.answered for leg in made.network.dials))
            (leg,) = made.network.dials
            exchange = made.phone._open.desk.exchange
            yield made, live, _Voice(made, leg.sid, exchange.callref(live.call_id))
        await live.hang_up()
        async with asyncio.timeout(20):
            result = await live.result()
        made.expect(result.status in ("completed", "canceled"), result.status)


async def _all_orders() -> Tally:
    made_callee = Callee(behave="silent", rings_sec=0.0, hangs_up_after_sec=0.3)
    async with trial(callee=made_callee) as made:
        await made.tool.start()
        made.network.faults.callbacks("lost")
        with made.network.clock.hold():
            live = await made.tool.submit({"to": CALLEE, "max_duration_sec": 60})
            await made.network.until(
                lambda: made.network.dials and not made.network.live_legs, what="the leg's end"
            )
            exchange = made.phone._open.desk.exchange
            sid = made.network.dials[0].sid
            voice = _Voice(made, sid, exchange.callref(live.call_id))
            for what in next(_orders):
                await voice.tell(what)
        async with asyncio.timeout(20):
            result = await live.result()
        made.expect((result.status, result.error_code) == ("completed", None), result.status)
    return made.tally


async def _hundredfold() -> Tally:
    async with _live() as (made, live, voice):
        for what in ("ringing", "in-progress", "machine"):
            await asyncio.gather(*(voice.tell(what) for _ in range(100)))
        made.expect(not live.done, "ended by repetition")
    return made.tally


async def _unknown() -> Tally:
    async with _live() as (made, live, voice):
        stranger = _Voice(made, voice.sid, voice.callref[::-1])
        made.expect(await stranger.tell("completed") == 403, "a stranger was believed")
        made.expect(not live.done, "ended by a stranger")
    return made.tally


async def _forged() -> Tally:
    async with _live() as (made, live, voice):
        made.expect(await voice.tell("completed", token="wrong") == 403, "a forgery was believed")
        made.expect(not live.done, "ended by a forgery")
    return made.tally


async def _replayed() -> Tally:
    async with trial(most_dials=2) as made:
        first = await made.call("completed")
        sid = made.network.dials[0].sid
        made.network.add(CALLEE, SILENT)
        with made.network.clock.hold():
            live = await made.tool.submit({"to": CALLEE, "max_duration_sec": 60})
            await made.network.until(lambda: made.network.live_legs)
            exchange = made.phone._open.desk.exchange
            voice = _Voice(made, sid, exchange.callref(first.call_id if first else ""))
            for what in ("ringing", "in-progress", "completed"):
                await voice.tell(what)
            made.expect(not live.done, "ended by an old callback")
        await live.hang_up()
        made.expect((await live.result()).status == "canceled", "another status")
    return made.tally


# --- media ---------------------------------------------------------------------------------------


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
    async with _live() as (made, live, _):
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


# --- providers -----------------------------------------------------------------------------------


class Broken:
    """Ears, a model or a voice that fail in one way once they are used."""

    def __init__(self, how: str) -> None:
        self.how = how

    async def fail(self) -> None:
        match self.how:
            case "401":
                raise ProviderError("scripted", "its key was refused (401)")
            case "drop":
                raise ProviderError("scripted", "the connection was lost", retryable=True)
            case "error":
                raise RuntimeError("a mistake in a provider")
            case _:
                await asyncio.Event().wait()


class BrokenModel(Broken):
    async def reply(self, messages: Any, resources: Any) -> Any:
        if self.how == "drop":
            yield TextPiece("For how ")
        await self.fail()
        yield TextPiece("never")


class BrokenVoice(Broken):
    async def speak(self, text: str, resources: Any) -> Any:
        if self.how == "drop":
            yield markers.encode(text)[:4_000]
        await self.fail()
        yield b""


class BrokenEars(Broken):
    @asynccontextmanager
    async def listen(self, report: Any, resources: Any) -> Any:
        if self.how == "401":
            await self.fail()
        how = self.how

        class Open:
            def feed(self, audio: bytes) -> None:
                if how == "drop":
                    raise ProviderError("scripted", "the connection was lost", retryable=True)
                if how == "error":
                    raise RuntimeError("a mistake in a provider")

        yield Open()


def providers() -> list[Fault]:
    """What speaks, listens or thinks fails during the call."""
    faults = []
    for part, broken in (("stt", BrokenEars), ("llm", BrokenModel), ("tts", BrokenVoice)):
        for how in ("401", "drop", "stall", "error"):

            def agent(part: str = part, broken: Any = broken, how: str = how) -> dict[str, Any]:
                return scripted(**{part: broken(how)})

            expected = ("failed", "timeout", "completed")
            faults.append(
                Fault(
                    f"{part}: {how}",
                    "by the provider",
                    one_call(
                        lambda n: None, *expected, agent=agent, arguments={"max_duration_sec": 30}
                    ),
                    2,
                    quick=how == "drop",
                )
            )
    for kind, at in (
        ("disconnect", "response.output_audio.delta"),
        ("stall", "response.output_audio.delta"),
        ("garbage", "response.output_audio.delta"),
        ("error", "response.created"),
        ("disconnect", 1),
        ("expire", "response.done"),
    ):
        faults.append(
            Fault(
                f"realtime: {kind} at {at}",
                "by the service",
                lambda kind=kind, at=at: _realtime(kind, at),
                2,
            )
        )
    faults.append(Fault("realtime: 401", "at the handshake", lambda: _realtime("401", 0), 2))
    return faults


async def _realtime(
    kind: Any, at: Any, *, script: Any = ("One.", "Two."), tools: Any = ()
) -> Tally:
    options = {"refuses": 401} if kind == "401" else {}
    async with ScriptedRealtimeServer(list(script), **options) as server:
        if kind and kind != "401":
            server.spoil(kind, at, times=None)
        voice = OpenAIRealtime(base_url=server.base_url, api_key="sk-test")
        async with trial(agent={"engine": voice, "tools": list(tools)}) as made:
            await made.call("failed", "timeout", "completed", max_duration_sec=40)
    return made.tally


def tools() -> list[Fault]:
    """A tool of the developer's misbehaves during a call."""

    async def hang() -> str:
        """Hang."""
        await asyncio.Event().wait()
        return ""

    async def raises() -> str:
        """Raise."""
        raise RuntimeError("a mistake in a tool")

    def block() -> str:
        """Block."""
        import time

        time.sleep(1.5)
        return "done"

    async def huge() -> str:
        """Say far too much."""
        return "x" * 5_000_000

    faults = []
    for name, function in (("hang", hang), ("raise", raises), ("block", block), ("huge", huge)):
        function.__name__ = f"tool_{name}"

        async def run(function: Any = function, name: str = name) -> Tally:
            script = (ToolCall(f"tool_{name}", {}), "Thank you.", "Bye.")
            return await _realtime(None, 0, script=script, tools=[Patter.tool(function)])

        faults.append(Fault(f"tool: {name}", "by its handler", run, 2))
    return faults


# --- store ---------------------------------------------------------------------------------------


def store() -> list[Fault]:
    """The disk, and what lies on it."""
    return [
        Fault("store: locked", "another process keeps a transaction open", _locked, 1),
        Fault("store: read-only", "the ledger's connection may not write", _read_only, 2),
        Fault("store: full", "RLIMIT_FSIZE, in a process of its own", _full, 2),
        Fault("store: corrupted tail", "noise at the end of the write-ahead log", _torn, 2),
        Fault("clock: a day forward", "wall clock, mid-call", lambda: _wall(days=1)),
        Fault("clock: a day back", "wall clock, mid-call", lambda: _wall(days=-1)),
    ]


async def _locked() -> Tally:
    async with trial() as made:
        await made.tool.start()
        with closing(sqlite3.connect(made.folder / "calls.sqlite", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            result = await made.tool.execute(to=CALLEE, idempotency_key="k")
            made.expect((result.status, result.error_code) == ("failed", "internal"), result.status)
            made.expect(not made.network.dials, "dialled without an intent")
            other.execute("ROLLBACK")
        await made.call("completed")  # It recovers by itself.
    return made.tally


async def _read_only() -> Tally:
    async with trial() as made:
        await made.tool.start()
        ledger = made.phone._settings.ledger
        connection = ledger._opened.database._connection

        def only(read: bool) -> None:
            connection.execute(f"PRAGMA query_only = {'ON' if read else 'OFF'}")

        await asyncio.wrap_future(ledger._workers.post(only, True))
        result = await made.tool.execute(to=CALLEE, idempotency_key="k")
        made.expect((result.status, result.error_code) == ("failed", "internal"), result.status)
        made.expect(not made.network.dials, "dialled without an intent")
        await asyncio.wrap_future(ledger._workers.post(only, False))
        await made.call("completed")
    return made.tally


def _tear(log: Path) -> None:
    log.write_bytes((log.read_bytes() if log.exists() else b"") + os.urandom(2_000))


async def _torn() -> Tally:
    async with _processes() as (network, start, tally, ledger):
        process = await start("stay", key="k")
        await process.comes_to("answered")
        await process.killed()
        await asyncio.to_thread(_tear, Path(f"{ledger}-wal"))
        await _recovered(network, tally, ledger)
    return tally


async def _full() -> Tally:
    async with _processes() as (network, start, tally, _):
        process = await start("full", key="k")
        result = await process.says("result")
        expected = (result["status"], result["error_code"]) == ("failed", "internal")
        tally.lost += not expected
        tally.notes.append("" if expected else f"{result['status']} {result['error_code']}")
        tally.lost += bool(network.dials)
        after = await process.says("result")
        if after["status"] != "completed":
            tally.lost += 1
            tally.notes.append(f"afterwards {after['error_code']}")
        await process.ends()
    tally.trials = 1
    return tally


async def _wall(days: int) -> Tally:
    async with _live(TALKS) as (made, _, _):
        made.network.clock._wall += timedelta(days=days)
    return made.tally


# --- process -------------------------------------------------------------------------------------


class Process:
    """A process that makes a call, and says by lines how it goes."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def says(self, name: str) -> Any:
        async with asyncio.timeout(20):
            while text := await self.process.stdout.readline():
                line = json.loads(text)
                if name in line:
                    return line[name]
        raise TimeoutError(f"the process ended and never said {name}")

    async def comes_to(self, event: str) -> None:
        while await self.says("event") != event:
            pass

    async def killed(self) -> None:
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGKILL)
        await self.ends()

    async def ends(self) -> int:
        async with asyncio.timeout(20):
            return await self.process.wait()


@asynccontextmanager
async def _processes():
    """A network at four times real time, and processes that make calls on it."""
    tally, started = Tally(trials=1), []
    with tempfile.TemporaryDirectory() as name:
        ledger = Path(name) / "calls.sqlite"
        async with PhoneNetwork(speed=4.0) as network:
            network.add(CALLEE, SILENT)

            async def start(then: str, **given: Any) -> Process:
                given |= {"then": then, "to": CALLEE, "ledger": str(ledger)}
                given |= {"account_sid": network.account_sid, "auth_token": network.auth_token}
                given |= {"api_base_url": network.api_base_url}
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "benchmarks.fault_process",
                    json.dumps(given),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.DEVNULL,
                    cwd=ROOT,
                    env={**os.environ, "PYTHONPATH": f"{ROOT / 'integrations'}:{ROOT}"},
                )
                started.append(process)
                return Process(process)

            try:
                yield network, start, tally, ledger
            finally:
                for process in started:
                    if process.returncode is None:
                        process.kill()
                    await process.wait()
                tally.dials += len(network.dials)
                tally.doubled += max(0, len(network.dials) - 1)
                try:
                    await network.until(lambda: not network.live_legs, 5.0)
                except TimeoutError:
                    tally.left += len(network.live_legs)


async def _recovered(network: PhoneNetwork, tally: Tally, ledger: Path) -> None:
    """Open a phone on what a dead process left: within 20 s nothing is up and the row is closed."""
    phone = Patter(carrier=network.twilio(), phone_number=PHONE, ledger=ledger)
    try:
        async with asyncio.timeout(20):
            await phone.start()
        tally.left += len(network.live_legs)
        result = await phone.result("k")
        dialled = bool(network.dials)
        if (dialled and result is None) or (result is not None and result.status == "in_progress"):
            tally.lost += 1
            tally.notes.append("no result after recovery")
        again = (
            await PatterTool(phone, agent=scripted()).execute(
                to=CALLEE, idempotency_key="k", max_duration_sec=60, first_message="Hi."
            )
            if dialled
            else None
        )
        if again is not None and not again.replayed:
            tally.lost += 1
            tally.notes.append("a key that was not replayed")
    finally:
        await phone.aclose()


_random = random.Random(6)


async def _sigkill() -> Tally:
    """Between the start of the engine and some way into the call, at any instant."""
    async with _processes() as (network, start, tally, ledger):
        process = await start("stay", key="k")
        await process.says("ready")
        await asyncio.sleep(_random.random() ** 2 * 2.5)
        await process.killed()
        await _recovered(network, tally, ledger)
    return tally


async def _signalled(number: int, then: str) -> Tally:
    async with _processes() as (network, start, tally, ledger):
        process = await start(then, key="k")
        await process.comes_to("answered")
        process.process.send_signal(number)
        async with asyncio.timeout(10):
            code = await process.ends()
        tally.left += len(network.live_legs)
        if then == "serve" and code != 0:
            tally.lost += 1
            tally.notes.append(f"exit code {code}")
        await _recovered(network, tally, ledger)
    return tally


async def _exits(then: str) -> Tally:
    async with _processes() as (network, start, tally, ledger):
        process = await start(then, key="k")
        await process.ends()
        await _recovered(network, tally, ledger)
    return tally


def process() -> list[Fault]:
    """The process is told to end, or ends without being told."""
    return [
        Fault("process: SIGKILL", "at 60 random instants, then the next start", _sigkill, 60),
        Fault(
            "process: SIGTERM",
            "serve(handle_signals=True), mid-call",
            lambda: _signalled(signal.SIGTERM, "serve"),
            3,
            quick=True,
        ),
        Fault(
            "process: SIGINT",
            "serve(handle_signals=True), mid-call",
            lambda: _signalled(signal.SIGINT, "serve"),
            2,
        ),
        Fault(
            "process: Ctrl-C", "asyncio.run, mid-call", lambda: _signalled(signal.SIGINT, "stay"), 2
        ),
        Fault("process: interpreter exit", "with a live call", lambda: _exits("exit"), 3),
        Fault("process: fork", "a child that ends, mid-call", lambda: _exits("fork"), 2),
    ]


# --- load ----------------------------------------------------------------------------------------


def load() -> list[Fault]:
    """More than there is room for."""
    return [
        Fault("load: 300 calls on 10 lines", "at once", _crowd, 1),
        Fault("load: one key, 1,000 times", "at once", _one_key, 1),
        Fault("load: queue full", "30 calls, 1 line, 5 may wait", _queue_full, 1),
        Fault("load: cancelled at random", "20 calls, each at some moment", _cancelled, 3),
        Fault("load: no descriptors", "RLIMIT_NOFILE, then back", _descriptors, 1),
    ]


async def _crowd() -> Tally:
    count = 300
    numbers = [f"+1415555{n:04}" for n in range(count)]
    async with trial(most_dials=count, max_concurrent_calls=10) as made:
        for number in numbers:
            made.network.add(number, Callee(says=["Bye."], rings_sec=0.2))
        await made.tool.start()
        async with asyncio.timeout(120):
            results = await asyncio.gather(*(made.tool.execute(to=number) for number in numbers))
        made.tally.lost += sum(result.status != "completed" for result in results)
        made.tally.doubled += len(made.network.dials) - len({leg.to for leg in made.network.dials})
    return made.tally


async def _one_key() -> Tally:
    async with trial() as made:
        await made.tool.start()
        async with asyncio.timeout(60):
            results = await asyncio.gather(
                *(made.tool.execute(to=CALLEE, idempotency_key="k") for _ in range(1_000))
            )
        made.expect({result.status for result in results} == {"completed"}, "another status")
        made.expect(len({result.call_id for result in results}) == 1, "another call")
    return made.tally


async def _queue_full() -> Tally:
    async with trial(most_dials=6, limits=replace(SCALED, queue_length=5)) as made:
        await made.tool.start()
        results = await asyncio.gather(*(made.tool.execute(to=CALLEE) for _ in range(30)))
        codes = [result.error_code for result in results]
        made.expect(codes.count("queue_full") == 24, f"{codes.count('queue_full')} refused")
        made.expect(codes.count(None) == 6, f"{codes.count(None)} made")
    return made.tally


async def _cancelled() -> Tally:
    async with trial(most_dials=20, max_concurrent_calls=5) as made:
        await made.tool.start()

        async def one(number: int) -> None:
            task = asyncio.create_task(made.tool.execute(to=CALLEE, idempotency_key=str(number)))
            await asyncio.wait([task], timeout=_random.random())
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        await asyncio.gather(*(one(number) for number in range(20)))
        await made.network.until(lambda: made.phone._open.desk.live == 0, 20)
        for leg_key in map(str, range(20)):
            stored = await made.phone.result(leg_key)
            made.expect(stored is None or stored.status != "in_progress", "still under way")
    return made.tally


async def _descriptors() -> Tally:
    async with trial() as made:
        await made.tool.start()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        taken = []
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 400), hard))
            while True:
                taken.append(os.open("/dev/null", os.O_RDONLY))
        except OSError:
            pass
        try:
            async with asyncio.timeout(20):
                result = await made.tool.execute(to=CALLEE, idempotency_key="k")
        finally:
            for descriptor in taken:
                os.close(descriptor)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        made.expect(result.status in ANY, result.status)
        if not result.may_have_dialed:
            await made.call("completed")
    return made.tally


def every_fault() -> list[Fault]:
    """All of them, in the order of the table."""
    return [
        *creates(),
        *callbacks(),
        *media(),
        *providers(),
        *tools(),
        *store(),
        *process(),
        *load(),
    ]
