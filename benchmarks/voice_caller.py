"""People who ring: as many as one likes, let in as Twilio lets them in, 20 ms a frame in real time.

They do not run on the same stack as what they measure: a socket's bytes are looked at as they come,
without a task that has to be woken first. Prints one line of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import hmac
import json
import secrets
import statistics
import time
import urllib.parse
import urllib.request
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from typing import Any

import psutil
from voice_parts import FRAME_SEC, SAMPLE_RATE_HZ, SILENT_FRAME, SILENT_FRAMES, TONE_FRAME
from voice_parts import TONE_FRAMES as MARKER_FRAMES

_TONE = base64.b64encode(TONE_FRAME).decode()
_SILENCE = base64.b64encode(SILENT_FRAME).decode()
_BEFORE_SEC = 0.6
_BETWEEN_FRAMES = 10
_LISTENS_SEC = 0.8  # How long somebody listens before they interrupt.
_TAKES_SEC = 6.0
_NO_MASK = bytes(4)  # A client has to mask what it sends; with zeros that changes nothing.
_CALLER, _CALLEE = "+15550001111", "+15550002222"


@dataclass(slots=True)
class Figures:
    """What all calls measured, in seconds.

    Attributes:
        counts: Whether the figures count by now: calls have begun, and nobody waits for others.
    """

    counts: bool = False
    turn: list[float] = field(default_factory=list)
    clear: list[float] = field(default_factory=list)
    greeting: list[float] = field(default_factory=list)
    ahead: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    dropped_sec: list[float] = field(default_factory=list)
    lost: int = 0
    underruns: int = 0


class Caller(asyncio.Protocol):
    """One call on its media socket: a WebSocket client of its own, and what the caller does."""

    def __init__(self, path: str, headers: dict[str, str], parameters: dict[str, str]) -> None:
        """Ring nobody yet; `answered` is done once the socket is open."""
        self.answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.greeted = asyncio.Event()
        self.closed = False
        self.figures = Figures()
        self.interrupts = False
        self._path = path
        self._headers = headers
        self._parameters = parameters
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._stream = "MZ" + secrets.token_hex(16)
        self._call = parameters.pop("callSid")
        self._account = parameters.pop("accountSid")
        self._chunks = 0
        self._doing = "listens"
        self._frames_left = 0
        self._interrupting = False
        self._asked_at: float | None = None  # When the marker was over that is to be answered.
        self._cut_at: float | None = None  # When the sound began that is to interrupt.
        self._started_at: float | None = None
        self._reply_began = 0.0
        self._plays_until = 0.0
        self._marks: list[str] = []

    # --- the socket --------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        if not isinstance(transport, asyncio.Transport):
            raise TypeError("Calls have stream sockets")
        self._transport = transport
        lines = [
            f"GET {self._path} HTTP/1.1",
            "Host: 127.0.0.1",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {base64.b64encode(secrets.token_bytes(16)).decode()}",
            *(f"{name}: {value}" for name, value in self._headers.items()),
        ]
        transport.write("\r\n".join([*lines, "", ""]).encode())

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        now = time.perf_counter()
        self._received += data
        if not self.answered.done():
            head, separator, rest = bytes(self._received).partition(b"\r\n\r\n")
            if not separator:
                return
            self._received = bytearray(rest)
            if b" 101 " not in head.partition(b"\r\n")[0]:
                self.answered.set_exception(ConnectionError(head.decode(errors="replace")))
                return
            self.answered.set_result(None)
        while (frame := self._next_frame()) is not None:
            kind, payload = frame
            if kind == 0x1:
                self._take(json.loads(payload), now)
            elif kind == 0x9:
                self._write(payload, kind=0xA)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self.closed = True
        if not self.answered.done():
            self.answered.set_exception(exc or ConnectionError("closed before it was open"))

    def _next_frame(self) -> tuple[int, bytes] | None:
        received = self._received
        if len(received) < 4:
            return None
        size, begins = received[1] & 0x7F, 2
        if size == 126:
            size, begins = int.from_bytes(received[2:4], "big"), 4
        if len(received) < begins + size:
            return None
        payload = bytes(received[begins : begins + size])
        kind = received[0] & 0xF
        del received[: begins + size]
        return kind, payload

    def _write(self, payload: bytes, *, kind: int = 0x1) -> None:
        size = len(payload)
        length = bytes((0x80 | size,)) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
        if self._transport is not None and not self.closed:
            self._transport.write(bytes((0x80 | kind,)) + length + _NO_MASK + payload)

    # --- what the carrier says ---------------------------------------------------------------

    def begin(self) -> None:
        """Say whose call it is."""
        start = {
            "accountSid": self._account,
            "callSid": self._call,
            "streamSid": self._stream,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8_000, "channels": 1},
            "customParameters": self._parameters,
        }
        self._tell({"event": "connected", "protocol": "Call", "version": "1.0.0"})
        self._tell({"event": "start", "start": start})
        self._started_at = time.perf_counter()

    def end(self) -> None:
        """Hang up."""
        stop = {"accountSid": self._account, "callSid": self._call}
        self._tell({"event": "stop", "stop": stop})
        if self._transport is not None:
            self._transport.close()
        self.closed = True

    def _tell(self, message: dict[str, Any]) -> None:
        message["streamSid"] = self._stream
        self._write(json.dumps(message).encode())

    def _send(self, payload: str) -> float:
        """Send a frame; when that was."""
        self._chunks += 1
        now = time.perf_counter()
        self._write(
            f'{{"event":"media","sequenceNumber":"{self._chunks}","media":{{"track":"inbound",'
            f'"chunk":"{self._chunks}","timestamp":"{self._chunks * 20}","payload":"{payload}"}},'
            f'"streamSid":"{self._stream}"}}'.encode()
        )
        return now

    # --- what the caller does ----------------------------------------------------------------

    async def talk(self, phase: float) -> None:
        """Speak and listen until the call is over; `phase` keeps callers from acting as one."""
        self._doing, self._frames_left = "pauses", round(_BEFORE_SEC / FRAME_SEC + phase * 60)
        due = time.perf_counter() + phase * FRAME_SEC
        while not self.closed:
            await asyncio.sleep(due - time.perf_counter())
            if self.figures.counts:
                self.figures.late.append(max(0.0, time.perf_counter() - due))
            self._frame()
            due += FRAME_SEC

    def _frame(self) -> None:
        if self._doing == "listens":
            self._listen()
            return
        sent = self._send(_TONE if self._doing == "speaks" else _SILENCE)
        if self._doing == "speaks" and self._interrupting and self._frames_left == MARKER_FRAMES:
            self._cut_at = sent
        self._frames_left -= 1
        if self._frames_left > 0:
            return
        match self._doing:
            case "pauses":
                self._interrupting = False
                self._doing, self._frames_left = "speaks", MARKER_FRAMES
            case "speaks":
                self._doing, self._frames_left = "stops", SILENT_FRAMES
            case _:
                self._doing, self._asked_at = "listens", sent

    def _listen(self) -> None:
        now = self._send(_SILENCE)
        if self._asked_at is not None:
            if now - self._asked_at > _TAKES_SEC:
                self.figures.lost += 1
                self._asked_at = None
                self._doing, self._frames_left = "pauses", _BETWEEN_FRAMES
        elif self.interrupts and not self._interrupting:
            if now - self._reply_began > _LISTENS_SEC:
                self._interrupting = True
                self._doing, self._frames_left = "speaks", MARKER_FRAMES
        elif now > self._plays_until + 0.15:
            self.figures.lost += self._cut_at is not None
            self._cut_at = None
            self._doing, self._frames_left = "pauses", _BETWEEN_FRAMES

    def _take(self, message: dict[str, Any], now: float) -> None:
        match message["event"]:
            case "media":
                self._hear(len(message["media"]["payload"]) * 3 // 4 / SAMPLE_RATE_HZ, now)
            case "mark":
                self._marks.append(message["mark"]["name"])
                wait = max(0.0, self._plays_until - now)
                asyncio.get_running_loop().call_later(wait, self._return_mark, self._marks[-1])
            case "clear":
                if self._cut_at is not None:
                    self._note(self.figures.clear, now - self._cut_at)
                    self._note(self.figures.dropped_sec, max(0.0, self._plays_until - now))
                    self._cut_at = None
                self._plays_until = now
                for name in self._marks[:]:
                    self._return_mark(name)
            case _:
                pass

    def _hear(self, seconds: float, now: float) -> None:
        if self._started_at is not None:
            if not self._chunks:
                self.figures.greeting.append(now - self._started_at)
                self.greeted.set()
            self._started_at = None
        if self._asked_at is not None:
            self._note(self.figures.turn, now - self._asked_at)
            self._asked_at, self._reply_began = None, now
        elif self._doing == "listens" and now > self._plays_until + 0.001:
            self.figures.underruns += self.figures.counts
        self._plays_until = max(self._plays_until, now) + seconds
        self._note(self.figures.ahead, self._plays_until - now)

    def _return_mark(self, name: str) -> None:
        if name in self._marks:
            self._marks.remove(name)
            self._tell({"event": "mark", "mark": {"name": name}})

    def _note(self, figures: list[float], seconds: float) -> None:
        if self.figures.counts:
            figures.append(seconds)


# --- ringing -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """How calls get in: what the server said when it listened."""

    port: int
    path: str
    voice_path: str = ""
    public_url: str = ""
    auth_token: str = ""
    account_sid: str = ""

    def _sign(self, url: str, form: list[tuple[str, str]]) -> str:
        text = url + "".join(name + value for name, value in sorted(form))
        mac = hmac.new(self.auth_token.encode(), text.encode(), hashlib.sha1)
        return base64.b64encode(mac.digest()).decode()

    def ring(self) -> Caller:
        """Ask the voice webhook what to do with a call, if there is one: its stream."""
        call = {
            "callSid": "CA" + secrets.token_hex(16),
            "accountSid": self.account_sid or "AC" + "b" * 32,
        }
        if not self.voice_path:
            return Caller(self.path, {}, call)
        form = [
            ("AccountSid", call["accountSid"]),
            ("CallSid", call["callSid"]),
            ("From", _CALLER),
            ("To", _CALLEE),
            ("CallStatus", "ringing"),
            ("Direction", "inbound"),
            ("ApiVersion", "2010-04-01"),
        ]
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{self.voice_path}",
            urllib.parse.urlencode(form).encode(),
            {"X-Twilio-Signature": self._sign(self.public_url + self.voice_path, form)},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            stream = ET.fromstring(answer.read()).find(".//Stream")  # noqa: S314 - our own
        if stream is None:
            raise SystemExit("The voice webhook named no stream")
        url = stream.attrib["url"]
        given = {each.attrib["name"]: each.attrib["value"] for each in stream.iter("Parameter")}
        headers = {"X-Twilio-Signature": self._sign(url, [])}
        return Caller(urllib.parse.urlsplit(url).path, headers, {**given, **call})

    async def call(self, figures: Figures) -> Caller:
        """Somebody whose call was answered."""
        loop = asyncio.get_running_loop()
        caller = self.ring()
        caller.figures = figures
        await loop.create_connection(lambda: caller, "127.0.0.1", self.port)
        async with asyncio.timeout(10):
            await caller.answered
        caller.begin()
        return caller


async def talked(door: Door, options: argparse.Namespace) -> dict[str, Any]:
    """Figures of several calls at once that talk for a while, and what the server needed."""
    figures = Figures()
    server = psutil.Process(options.server_pid)
    warm = await door.call(Figures())
    talking = asyncio.create_task(warm.talk(0.0))
    await asyncio.sleep(_BEFORE_SEC + 2.0)
    warm.end()
    await talking
    before_mb = server.memory_info().rss / 2**20
    callers: list[Caller] = []
    tasks: list[asyncio.Task[None]] = []
    for number in range(options.calls):
        caller = await door.call(figures)
        caller.interrupts = options.profile == "barge"
        tasks.append(asyncio.create_task(caller.talk(number / options.calls)))
        callers.append(caller)
        await asyncio.sleep(0.01)
    await asyncio.sleep(_BEFORE_SEC + 0.5 + 0.03 * options.calls)
    figures.counts = True
    began, cpu = time.perf_counter(), server.cpu_times()
    await asyncio.sleep(options.seconds)
    took, now_cpu = time.perf_counter() - began, server.cpu_times()
    figures.counts = False
    spent = now_cpu.user + now_cpu.system - cpu.user - cpu.system
    memory_mb = server.memory_info().rss / 2**20 - before_mb
    alive = sum(not caller.closed for caller in callers)
    for caller in callers:
        caller.end()
    await asyncio.gather(*tasks)
    return {
        "calls": options.calls,
        "alive": alive,
        "cpu_sec_per_call_min": spent / (max(1, alive) * took / 60),
        "mb_per_call": memory_mb / options.calls,
        "turn_ms": _summary(figures.turn),
        "clear_ms": _summary(figures.clear),
        "ahead_ms": _summary(figures.ahead),
        "dropped_ms": _summary(figures.dropped_sec),
        "late_ms": _summary(figures.late),
        "underruns": figures.underruns,
        "lost": figures.lost,
    }


async def greeted(door: Door, options: argparse.Namespace) -> dict[str, Any]:
    """How soon one caller after another is greeted."""
    figures = Figures()
    for _ in range(options.calls):
        caller = await door.call(figures)
        async with asyncio.timeout(_TAKES_SEC):
            await caller.greeted.wait()
        caller.end()
        await asyncio.sleep(0.05)
    return {"greeting_ms": _summary(figures.greeting[1:])}


def _summary(seconds: list[float]) -> dict[str, float]:
    if not seconds:
        return {}
    ordered = sorted(each * 1_000 for each in seconds)
    return {
        "count": len(ordered),
        "p50": statistics.median(ordered),
        "p95": ordered[int(0.95 * (len(ordered) - 1))],
    }


def main() -> None:
    """Parse what the benchmark passes, and print what was measured."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--door", required=True, help="what the server said, as JSON")
    parser.add_argument("--server-pid", type=int, required=True)
    parser.add_argument("--profile", choices=["turns", "barge", "greeting"], default="turns")
    parser.add_argument("--calls", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    door = Door(**json.loads(options.door))
    measured = greeted if options.profile == "greeting" else talked
    print(json.dumps(asyncio.run(measured(door, options))))


if __name__ == "__main__":
    main()
