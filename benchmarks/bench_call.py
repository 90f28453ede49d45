"""A text-fast call of ten turns, execute() to result, both sides of the wire in one process.

Prints CPU and wall time of each call (aim: <= 200 ms of CPU with both sides), with a floor in the
same run: as many frames as such a call has, relayed between two bare aiohttp sockets. Then a
hundred calls one after another, and whether tasks, threads, descriptors and memory came back.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import threading
import time

import psutil
from aiohttp import ClientSession, web

from patter import Patter, PatterTool, ScriptedLLM, ScriptedSTT, ScriptedTTS
from patter.simulator import Callee, PhoneNetwork

CALLEE = "+14155552671"
TURNS = 10
REPLIES = [f"This is what the agent says in turn {turn}." for turn in range(TURNS)]
LINES = [f"This is what I answer in turn {turn}, more or less." for turn in range(TURNS)]
RUNS = 7
MANY = 100


async def one_call(tool: PatterTool) -> tuple[float, float, float]:
    """CPU ms, wall ms, and the call's own seconds."""
    cpu, wall = time.process_time(), time.perf_counter()
    result = await tool.execute(to=CALLEE, goal="Talk for ten turns")
    if result.status != "completed" or len(result.transcript) < 2 * TURNS - 1:
        raise SystemExit(f"The call went wrong: {result.to_json()}")
    cpu_ms = (time.process_time() - cpu) * 1_000
    return cpu_ms, (time.perf_counter() - wall) * 1_000, result.duration_seconds


async def relay_floor(frames: int) -> float:
    """CPU ms that `frames` media frames cost on one bare aiohttp WebSocket, both ends."""
    frame = '{"event":"media","streamSid":"MZ","media":{"payload":"' + "/" * 216 + '"}}'

    async def echo(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(message.data)
        return socket

    app = web.Application()
    app.add_routes([web.get("/", echo)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    async with ClientSession() as session, session.ws_connect(f"http://127.0.0.1:{port}/") as ws:
        cpu = time.process_time()
        for _ in range(frames):
            await ws.send_str(frame)
            await ws.receive()
        spent = time.process_time() - cpu
    await runner.cleanup()
    return spent * 1_000


def footprint() -> dict[str, int]:
    """What a process holds."""
    gc.collect()
    process = psutil.Process()
    return {
        "tasks here": len(asyncio.all_tasks()),
        "threads": threading.active_count(),
        "descriptors": process.num_fds(),
        "memory KiB": process.memory_info().rss // 1024,
    }


async def main() -> None:
    """Print the figures."""
    async with PhoneNetwork() as network:
        network.add(CALLEE, Callee(says=LINES))
        phone = Patter(
            carrier=network.twilio(),
            phone_number="+14155550100",
            ledger=":memory:",
            clock=network.clock,
        )
        parts = {"stt": ScriptedSTT(), "llm": ScriptedLLM(REPLIES), "tts": ScriptedTTS()}
        tool = PatterTool(phone, agent=parts)
        async with phone:
            await one_call(tool)  # What is made once is made now.
            runs = [await one_call(tool) for _ in range(RUNS)]
            cpu_ms = statistics.median(run[0] for run in runs)
            frames = int(runs[0][2] * 50)
            floors = [await relay_floor(frames) for _ in range(RUNS)]
            floor_ms = statistics.median(floors)
            print(f"a call of {TURNS} turns, {runs[0][2]:.1f} s of talk, medians of {RUNS}:")
            print(f"  CPU, both sides     {cpu_ms:7.0f} ms")
            print(f"  wall                {statistics.median(run[1] for run in runs):7.0f} ms")
            print(f"  floor: {frames} frames echoed by bare aiohttp {floor_ms:5.0f} ms CPU")
            print(f"  ratio to the floor  {cpu_ms / floor_ms:7.1f}")
            for _ in range(MANY // 4):  # Caches fill first.
                await one_call(tool)
            before = footprint()
            for _ in range(MANY):
                await one_call(tool)
            after = footprint()
            print(f"{MANY} more calls, before and after:")
            for name, value in before.items():
                print(f"  {name:12} {value:8} {after[name]:8}")


if __name__ == "__main__":
    asyncio.run(main())
