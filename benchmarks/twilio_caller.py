"""A caller on Twilio's wire, in real time, who notes how long they wait for what.

Started by `bench_tool_talk.py` with what to do as JSON; prints the seconds that each wait took.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import time
import xml.etree.ElementTree as ET
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
from twilio.request_validator import RequestValidator

from patter_core.audio.frames import FRAME_BYTES, SILENT_FRAME
from patter_core.speech import markers

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

FRAME_SEC = 0.02
PAUSE_SEC = 0.3
LONGEST_WAIT_SEC = 10.0

now = time.perf_counter


class Caller:
    """One call: frames out every 20 ms, marks echoed when what came before them was played."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Speak on `socket`, which is open."""
        self._socket = socket
        self._saying: asyncio.Queue[tuple[bytes, asyncio.Future[float]]] = asyncio.Queue()
        self._came: dict[str, asyncio.Future[float]] = {}
        self._marks: list[str] = []
        self._played_at = 0.0

    async def start(self, account: str, call: str, parameters: dict[str, str]) -> None:
        """Say whose stream it is."""
        await self._send(event="connected", protocol="Call", version="1.0.0")
        start = {
            "accountSid": account,
            "streamSid": "MZ1",
            "callSid": call,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": parameters,
        }
        await self._send(event="start", start=start)

    async def say(self, text: str) -> tuple[float, float]:
        """Speak; when the first frame left, and the last."""
        audio = markers.encode(text)
        left = []
        for start in range(0, len(audio), FRAME_BYTES):
            left.append(asyncio.get_running_loop().create_future())
            self._saying.put_nowait((audio[start : start + FRAME_BYTES], left[-1]))
        return await left[0], await left[-1]

    def expect(self, event: str) -> asyncio.Future[float]:
        """When the next frame of this kind comes."""
        self._came[event] = asyncio.get_running_loop().create_future()
        return self._came[event]

    async def talk(self) -> None:
        """Send a frame every 20 ms, for ever."""
        began, count = now(), 0
        while True:
            frame, left = SILENT_FRAME, None
            if not self._saying.empty():
                frame, left = self._saying.get_nowait()
            media = {"track": "inbound", "payload": base64.b64encode(frame).decode()}
            await self._send(event="media", media=media)
            if left is not None:
                left.set_result(now())
            count += 1
            await asyncio.sleep(max(0.0, began + count * FRAME_SEC - now()))

    async def listen(self) -> None:
        """Take what comes, until the socket closes."""
        async for message in self._socket:
            at, frame = now(), json.loads(message.data)
            event = frame["event"]
            if (waiting := self._came.pop(event, None)) is not None:
                waiting.set_result(at)
            if event == "media":
                seconds = len(base64.b64decode(frame["media"]["payload"])) / 8_000
                self._played_at = max(self._played_at, at) + seconds
            elif event == "mark":
                self._marks.append(frame["mark"]["name"])
                delay = max(0.0, self._played_at - at)
                asyncio.get_running_loop().call_later(delay, self._echo, self._marks[-1])
            elif event == "clear":
                self._played_at = at
                for name in list(self._marks):
                    self._echo(name)

    def _echo(self, name: str) -> None:
        if name in self._marks:
            self._marks.remove(name)
            self._saying_marks.create_task(self._send(event="mark", mark={"name": name}))

    async def _send(self, **frame: Any) -> None:
        if not self._socket.closed:
            await self._socket.send_str(json.dumps({"streamSid": "MZ1", **frame}))

    @asynccontextmanager
    async def on_the_line(self) -> AsyncGenerator[None]:
        """Talk and listen while the block runs."""
        async with asyncio.TaskGroup() as self._saying_marks:
            tasks = [self._saying_marks.create_task(work) for work in (self.talk(), self.listen())]
            yield
            for task in tasks:
                task.cancel()


async def ring(session: aiohttp.ClientSession, given: dict[str, str]) -> tuple[str, dict[str, str]]:
    """Ask the voice webhook; the stream's path, and its parameters."""
    form = {
        "AccountSid": given["account"],
        "CallSid": given["call"],
        "From": "+14155552671",
        "To": "+14155550100",
        "CallStatus": "ringing",
        "Direction": "inbound",
    }
    path = "/twilio/voice"
    headers = {"X-Twilio-Signature": _signed(given, f"https://{given['host']}{path}", form)}
    async with session.post(given["url"] + path, data=form, headers=headers) as response:
        stream = ET.fromstring(await response.text()).find(".//Stream")  # noqa: S314
    if stream is None:
        raise SystemExit("The phone did not take the call")
    named = {str(part.get("name")): str(part.get("value")) for part in stream.iter("Parameter")}
    return str(stream.get("url")), named


def _signed(given: dict[str, str], url: str, form: dict[str, str]) -> str:
    return RequestValidator(given["token"]).compute_signature(url, form)


async def block(caller: Caller, tool: str, pairs: int, tool_sec: float) -> dict[str, list[float]]:
    """Have a tool begin, if any, then be answered and interrupt, `pairs` times."""
    took: dict[str, list[float]] = {"turn": [], "clear": []}
    began = now()
    if tool:
        await caller.say(f"Use {tool}")
        await asyncio.sleep(PAUSE_SEC)
    for number in range(pairs):
        heard = caller.expect("media")
        _, asked = await caller.say(f"Go {number}")
        took["turn"].append(await asyncio.wait_for(heard, LONGEST_WAIT_SEC) - asked)
        await asyncio.sleep(PAUSE_SEC)
        cleared = caller.expect("clear")
        interrupted, _ = await caller.say(f"No {number}")
        took["clear"].append(await asyncio.wait_for(cleared, LONGEST_WAIT_SEC) - interrupted)
    if tool and now() > began + tool_sec:
        raise SystemExit("The tool ended before the talk did")
    await asyncio.sleep(max(0.0, began + tool_sec + 4 * PAUSE_SEC - now()))
    return took


async def main(given: dict[str, Any]) -> None:
    """Make one call, and print what it took."""
    took: dict[str, list[float]] = {}
    async with aiohttp.ClientSession() as session:
        stream, parameters = await ring(session, given)
        headers = {"X-Twilio-Signature": _signed(given, stream, {})}
        path = stream.removeprefix(f"wss://{given['host']}")
        async with session.ws_connect(given["url"] + path, headers=headers) as socket:
            caller = Caller(socket)
            await caller.start(given["account"], given["call"], parameters)
            async with caller.on_the_line():
                for tool in ["", *given["tools"]] * given["rounds"]:
                    found = await block(caller, tool, given["pairs"], given["tool_sec"])
                    for kind, seconds in found.items():
                        took.setdefault(f"{tool or 'no tool'} {kind}", []).extend(seconds)
                await socket.close()
        async with session.ws_connect(given["echo"]) as socket:
            took["echo"] = []
            for _ in range(200):
                sent = now()
                await socket.send_str("x" * 300)
                await socket.receive()
                took["echo"].append(now() - sent)
                await asyncio.sleep(FRAME_SEC / 4)
    sys.stdout.write(json.dumps(took))


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
