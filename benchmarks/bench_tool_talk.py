"""How soon the agent answers, and falls silent, with a tool of three seconds running or none.

A real call in real time: a caller in a process of their own, on Twilio's wire over a real socket.
"turn" is from the last frame of what they say to the first frame of the answer; "clear" is from the
first frame of their interruption to the carrier's order to be silent. The blocks take turns, so
that a busy machine slows all alike. The floor is a frame that a bare aiohttp socket sends back.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web

from patter import (
    Patter,
    ScriptedLLM,
    ScriptedSTT,
    ScriptedToolCall,
    ScriptedTTS,
    Tool,
    TurnSettings,
    Twilio,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

ACCOUNT, TOKEN, HOST = "AC" + "b" * 32, "bench-token", "bench.example.com"
TOOL_SEC = 3.0
PAIRS = 3
STORY = " ".join(f"This is sentence {number}." for number in range(30))


async def waits(_arguments: object, _context: object) -> str:
    """Waits for something, as most tools do."""
    await asyncio.sleep(TOOL_SEC)
    return "waited"


def blocks(_arguments: object, _context: object) -> str:
    """Blocks a thread."""
    time.sleep(TOOL_SEC)
    return "blocked"


async def stalls(_arguments: object, _context: object) -> str:
    """Blocks the loop that it runs on, which is its author's."""
    time.sleep(TOOL_SEC)  # noqa: ASYNC251 - what must not be done, and is
    return "stalled"


TOOLS = {"waits": waits, "blocks": blocks, "stalls": stalls}


def script(messages: list[Any]) -> object:
    """The tool that is asked for, or a story; nothing to an interruption or to what a tool says."""
    word, _, what = messages[-1].text.partition(" ")
    if word == "Use":
        return ScriptedToolCall(what)
    return STORY if word == "Go" else ""


@asynccontextmanager
async def small_server(*routes: web.RouteDef) -> AsyncGenerator[str]:
    """Serves on this machine; yields the address."""
    app = web.Application()
    app.add_routes(routes)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def echo(request: web.Request) -> web.WebSocketResponse:
    """The floor: sends every frame back."""
    socket = web.WebSocketResponse(compress=False)
    await socket.prepare(request)
    async for message in socket:
        await socket.send_str(message.data)
    return socket


async def agree(_request: web.Request) -> web.Response:
    """The carrier's REST API, to which the call is hung up."""
    return web.json_response({"sid": "CA1", "status": "completed"})


async def measured(rounds: int) -> dict[str, list[float]]:
    """Seconds, by what was waited for."""
    path = "/2010-04-01/Accounts/{account}/Calls/{call}.json"
    async with small_server(web.post(path, agree), web.get("/", echo)) as other:
        phone = Patter(
            carrier=Twilio(ACCOUNT, TOKEN, api_base_url=other),
            phone_number="+14155550100",
            webhook_url=HOST,
            ledger=":memory:",
            host="127.0.0.1",
            port=0,
        )
        tools = [Tool(name=name, handler=run) for name, run in TOOLS.items()]
        agent = phone.agent(
            stt=ScriptedSTT(),
            llm=ScriptedLLM(script),
            tts=ScriptedTTS(),
            tools=tools,
            turns=TurnSettings(interrupt_after_ms=0, silence_prompt_sec=0),
        )
        serving = asyncio.create_task(phone.serve(agent))
        given = {
            "url": (await phone.opened()).address,
            "host": HOST,
            "account": ACCOUNT,
            "token": TOKEN,
            "call": "CA" + "1" * 32,
            "echo": other,
            "tools": list(TOOLS),
            "rounds": rounds,
            "pairs": PAIRS,
            "tool_sec": TOOL_SEC,
        }
        caller = await asyncio.create_subprocess_exec(
            sys.executable,
            str(Path(__file__).with_name("twilio_caller.py")),
            json.dumps(given),
            stdout=asyncio.subprocess.PIPE,
        )
        printed, _ = await caller.communicate()
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
    if caller.returncode:
        raise SystemExit("The caller gave up")
    found: dict[str, list[float]] = json.loads(printed)
    return found


def quartile(seconds: list[float]) -> float:
    """What a quarter of them is below: a busy machine disturbs it less than the median."""
    return sorted(seconds)[len(seconds) // 4]


def show(found: dict[str, list[float]]) -> None:
    """Print one line for each kind of wait, beside the same without a tool."""
    floor = statistics.median(found["echo"]) * 1e3
    print(f"a frame there and back, bare aiohttp: {floor:.2f} ms")
    print(f"{'':26}{'n':>4}{'p25 ms':>9}{'median ms':>11}{'p90 ms':>9}{'x p25':>7}{'x median':>10}")
    for kind in ("turn", "clear"):
        usual = quartile(found[f"no tool {kind}"]), statistics.median(found[f"no tool {kind}"])
        for tool in ("no tool", *TOOLS):
            seconds = sorted(found[f"{tool} {kind}"])
            quiet, median = quartile(seconds), statistics.median(seconds)
            late_ms = seconds[int(len(seconds) * 0.9)] * 1e3
            name = f"{kind}, {'no tool' if tool == 'no tool' else 'a tool that ' + tool}"
            print(
                f"  {name:24}{len(seconds):4}{quiet * 1e3:9.2f}{median * 1e3:11.2f}{late_ms:9.2f}"
                f"{quiet / usual[0]:7.2f}{median / usual[1]:10.2f}"
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=6)
    show(asyncio.run(measured(parser.parse_args().rounds)))
