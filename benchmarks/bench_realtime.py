"""What OpenAI Realtime costs the engine: CPU for a minute of call, and how quickly it reacts.

CPU: our process holds a carrier's media socket and the service's socket; both far ends live in
another process. The floor is a bare aiohttp relay that passes as many frames of the same sizes
between the same two sockets and looks at none of them. A minute has 3,000 frames of the callee and
half a minute of the agent's speech: 1,500 frames to the carrier. (The service sends those to us in
150 chunks, as it does; the relay gets them frame by frame, since it cannot cut them.)

Then: from `speech_started` to `clear`, and from the answer to the greeting's first byte.
Aims: CPU <= 1.3 x the relay; `clear` <= 0.3 ms; greeting <= 5 ms.
"""

from __future__ import annotations

import asyncio
import base64
import statistics
import sys
import time
from typing import Any

import aiohttp
import orjson
from aiohttp import web

from patter_core.clock import SystemClock
from patter_core.pipeline.plan import SessionPlan
from patter_core.pipeline.realtime.engine import OpenAIRealtime
from patter_core.pipeline.resources import Resources
from patter_core.pipeline.session import ClearAudio, PlayAudio, PlayMark, VoiceEvent
from patter_core.pipeline.turn_settings import TurnSettings
from patter_core.server.media_link import SocketLink
from patter_core.simulator import ScriptedRealtimeServer
from patter_core.telephony.carrier import MediaAudio, MediaMark
from patter_core.telephony.twilio.media import TwilioMediaWire

FRAMES = 3_000
CHUNK_FRAMES = 10
RUNS = 5
FRAME = base64.b64encode(bytes(range(96, 256))).decode()
CHUNK = base64.b64encode(bytes(range(96, 256)) * CHUNK_FRAMES).decode()
START = {
    "event": "start",
    "streamSid": "MZ1",
    "start": {"accountSid": "AC1", "streamSid": "MZ1", "callSid": "CA1", "customParameters": {}},
}
HEARD = (
    '{"type":"input_audio_buffer.speech_started","item_id":"u","audio_start_ms":0}',
    '{"type":"input_audio_buffer.speech_stopped","item_id":"u","audio_end_ms":0}',
)
PLAN = SessionPlan(call_id="bench", instructions="", turns=TurnSettings(silence_prompt_sec=0))


# --- the other process -----------------------------------------------------------------------


class Outside:
    """Both far ends: the carrier, who rings in, and the service, which is rung up."""

    def __init__(self, *, relay: bool) -> None:
        self._relay = relay
        self._taken = asyncio.Semaphore(0)
        self._service: web.WebSocketResponse | None = None
        self._up = asyncio.Event()

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """The service."""
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        self._service = socket
        if not self._relay:
            await socket.send_str('{"type":"session.created","event_id":"e","session":{}}')
        else:
            self._up.set()
        async for message in socket:
            if message.data.startswith('{"type":"session.update"'):
                await socket.send_str('{"type":"session.updated","event_id":"e","session":{}}')
                for event in HEARD:
                    await socket.send_str(event)
                self._up.set()
            else:
                self._taken.release()
        return socket

    async def call(self, door: str) -> None:
        """The carrier: a minute of call, one frame after another, as they come in a real one."""
        async with aiohttp.ClientSession() as http, http.ws_connect(door) as carrier:
            await carrier.send_str(orjson.dumps(START).decode())
            await self._up.wait()
            reading = asyncio.ensure_future(self._read(carrier))
            media = {"event": "media", "streamSid": "MZ1", "media": {"payload": FRAME}}
            frame = orjson.dumps(media).decode()
            for number in range(FRAMES):
                await self._speak(number)
                await carrier.send_str(frame)
                await self._taken.acquire()
            reading.cancel()

    async def _speak(self, number: int) -> None:
        if number >= FRAMES // 2 or self._service is None:
            return
        delta = {"type": "response.output_audio.delta", "event_id": "event_0123456789"}
        ids = {"response_id": "resp_1", "item_id": "item_1", "output_index": 0, "content_index": 0}
        if self._relay:
            await self._service.send_str(orjson.dumps(delta | ids | {"delta": FRAME}).decode())
        elif number % CHUNK_FRAMES == 0:
            await self._service.send_str(orjson.dumps(delta | ids | {"delta": CHUNK}).decode())

    async def _read(self, carrier: aiohttp.ClientWebSocketResponse) -> None:
        async for message in carrier:
            if '"mark"' in message.data:
                await carrier.send_str(message.data)


async def outside(kind: str, door: str) -> None:
    """Be the other process."""
    far = Outside(relay=kind == "relay")
    app = web.Application()
    app.add_routes([web.get("/v1/realtime", far.serve)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await far.call(door)
    await runner.cleanup()


# --- our process -----------------------------------------------------------------------------


async def relayed(_request: web.Request, carrier: web.WebSocketResponse, service: str) -> None:
    """The floor: frames from here to there, and from there to here."""
    async with aiohttp.ClientSession() as http, http.ws_connect(service) as far:

        async def back() -> None:
            async for message in far:
                await carrier.send_str(message.data)

        backwards = asyncio.ensure_future(back())
        await carrier.receive()
        async for message in carrier:
            await far.send_str(message.data)
        backwards.cancel()


async def conversed(request: web.Request, carrier: web.WebSocketResponse, service: str) -> None:
    """The same with the engine between: the carrier's wire, the session, the service's wire."""
    engine = OpenAIRealtime(base_url=service.removesuffix("/realtime"), api_key="x")
    wire = TwilioMediaWire()
    async with aiohttp.ClientSession() as http:
        resources = Resources(http=http, clock=SystemClock())
        async with engine.open(PLAN, resources) as session:
            transport: Any = request.transport
            link = SocketLink(
                carrier, transport, wire, most_unsent=1_000_000, abort=transport.abort
            )

            def emit(event: VoiceEvent) -> None:
                match event:
                    case PlayAudio(audio=audio):
                        link.play(audio)
                    case PlayMark(name=name):
                        link.mark(name)
                    case _:
                        pass

            tasks = [asyncio.ensure_future(link.write()), asyncio.ensure_future(session.run(emit))]
            async for message in carrier:
                match wire.read(message.data):
                    case MediaAudio(audio=audio):
                        session.hear_audio(audio)
                    case MediaMark(name=name):
                        session.hear_mark(name)
                    case _:
                        pass
            for task in tasks:
                task.cancel()


async def minute(kind: str) -> float:
    """CPU ms of our process for a minute of call."""
    spent: asyncio.Future[float] = asyncio.get_running_loop().create_future()
    service = ""

    async def door(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        cpu = time.process_time()
        try:
            await (relayed if kind == "relay" else conversed)(request, socket, service)
        except Exception as error:  # noqa: BLE001 - told to whoever waits for the figure
            spent.set_exception(error)
        else:
            spent.set_result((time.process_time() - cpu) * 1_000)
        return socket

    app = web.Application()
    app.add_routes([web.get("/", door)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    address = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    other = await asyncio.create_subprocess_exec(
        sys.executable, __file__, kind, address, stdout=asyncio.subprocess.PIPE
    )
    port = int(await other.stdout.readline()) if other.stdout is not None else 0
    service = f"http://127.0.0.1:{port}/v1/realtime"
    try:
        async with asyncio.timeout(60):
            result = await spent
            await other.wait()
    finally:
        if other.returncode is None:
            other.kill()
    await runner.cleanup()
    return result


async def reaction_ms() -> tuple[float, float]:
    """Medians: from `speech_started` as it was read to `clear`; from the answer to the greeting."""
    clears: list[float] = []
    greetings: list[float] = []
    started = '{"type":"input_audio_buffer.speech_started","item_id":"u%d","audio_start_ms":0}'
    plan = SessionPlan(call_id="bench", instructions="", greeting="Hello. " * 40)
    async with ScriptedRealtimeServer() as server, aiohttp.ClientSession() as http:
        engine = OpenAIRealtime(base_url=server.base_url, api_key="x")
        resources = Resources(http=http, clock=SystemClock())
        for number in range(100):
            async with engine.open(plan, resources) as session:
                first: asyncio.Future[float] = asyncio.get_running_loop().create_future()
                cleared: list[float] = []

                def emit(
                    event: VoiceEvent,
                    first: asyncio.Future[float] = first,
                    cleared: list[float] = cleared,
                ) -> None:
                    if isinstance(event, PlayAudio) and not first.done():
                        first.set_result(time.perf_counter())
                    elif isinstance(event, ClearAudio):
                        cleared.append(time.perf_counter())

                began = time.perf_counter()
                running = asyncio.ensure_future(session.run(emit))
                greetings.append((await first - began) * 1_000)
                await asyncio.sleep(0.05)  # The rest of it comes.
                for _ in range(40):  # Past the time in which people pick up.
                    session.hear_audio(b"\xff" * 160)
                frame = started % number
                asked = time.perf_counter()
                session._take(frame)  # noqa: SLF001 - what the socket's reader calls
                clears.append((cleared[0] - asked) * 1_000)
                running.cancel()
    return statistics.median(clears), statistics.median(greetings)


async def main() -> None:
    """Print the figures, with what they are to be."""
    cpu: dict[str, list[float]] = {"relay": [], "patter": []}
    for _ in range(RUNS):
        for kind, values in cpu.items():
            values.append(await minute(kind))
    relay, ours = (statistics.median(values) for values in cpu.values())
    clear_ms, greeting_ms = await reaction_ms()
    print(f"CPU of our process for a minute of call, medians of {RUNS} turn about:")
    print(f"  bare aiohttp relay             {relay:8.1f} ms  (at best {min(cpu['relay']):.1f})")
    print(f"  Patter                         {ours:8.1f} ms  (at best {min(cpu['patter']):.1f})")
    print(f"  ratio                          {ours / relay:8.2f}     (aim: at most 1.3)")
    print("medians of 100:")
    print(f"  speech_started -> clear        {clear_ms:8.3f} ms  (aim: at most 0.3)")
    print(f"  answer -> greeting's first byte{greeting_ms:8.3f} ms  (aim: at most 5)")


if __name__ == "__main__":
    arguments: list[Any] = sys.argv[1:]
    asyncio.run(outside(*arguments) if arguments else main())
