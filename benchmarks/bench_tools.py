"""What running a tool costs, beside the bare thing that it wraps.

Every row alternates with its yardstick in short rounds, so that a busy machine slows both alike;
shown are the median round, and the one that only a tenth was quicker than, which had more quiet.
Aims: the executor on the loop that calls it <= 25 us on a quiet machine, with validation, breaker
and timeout (other engines, measured elsewhere: 18 without validation, 244, 499); a webhook <= 1.3
times the bare POST. `bench_tool_talk.py` measures talk while a tool runs.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import threading
import time
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
from aiohttp import web

from patter_core.guest_loop import GuestLoops
from patter_core.tools.checked_tool import check_tools
from patter_core.tools.definition import Tool
from patter_core.tools.executor import ToolExecutor
from patter_core.tools.invocation import ToolInvocation
from patter_core.tools.url_guard import UrlGuard
from patter_core.tools.webhook import Webhooks

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Generator

PARAMETERS = {
    "type": "object",
    "properties": {
        "product_id": {"type": "string", "maxLength": 40},
        "quantity": {"type": "integer", "minimum": 1},
    },
    "required": ["product_id"],
    "additionalProperties": False,
}
INVOCATION = ToolInvocation("call", "request", "stock", '{"product_id": "SKU-1042", "quantity": 3}')
BODY = orjson.dumps({"tool": "stock", "arguments": {"product_id": "SKU-1042", "quantity": 3}})


async def stock(arguments: dict[str, Any], _context: object) -> dict[str, Any]:
    """A handler that has nothing to wait for."""
    return {"product_id": arguments["product_id"], "in_stock": True, "quantity": 17}


async def bare_call() -> object:
    """The handler alone."""
    return await stock({"product_id": "SKU-1042", "quantity": 3}, None)


async def bare_timeout() -> object:
    """The handler, bounded."""
    async with asyncio.timeout(10):
        return await stock({"product_id": "SKU-1042", "quantity": 3}, None)


def executor(**options: Any) -> ToolExecutor:
    """An executor with the handler as its one tool."""
    tool = Tool(name="stock", description="Looks.", parameters=PARAMETERS, handler=stock)
    return ToolExecutor(tools=check_tools([tool], guard=UrlGuard()), **options)


@contextmanager
def another_loop() -> Generator[asyncio.AbstractEventLoop]:
    """A loop on a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@asynccontextmanager
async def webhook_server() -> AsyncGenerator[str]:
    """The address of a server that answers every POST alike."""
    answer = orjson.dumps({"product_id": "SKU-1042", "in_stock": True, "quantity": 17})

    async def take(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=answer, content_type="application/json")

    app = web.Application()
    app.router.add_post("/stock", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    yield f"{host}:{port}"
    await runner.cleanup()


async def round_us(once: Callable[[], Awaitable[object]], times: int) -> float:
    """How long one took, on average of `times`."""
    started = time.perf_counter()
    for _ in range(times):
        await once()
    return (time.perf_counter() - started) / times * 1e6


def tenth(values: list[float]) -> float:
    """What only a tenth of `values` is below."""
    return sorted(values)[len(values) // 10]


async def compare(
    title: str, rows: dict[str, Callable[[], Awaitable[object]]], rounds: int, times: int
) -> None:
    """Print the rows beside the first of them."""
    taken: dict[str, list[float]] = {name: [] for name in rows}
    for once in rows.values():
        await round_us(once, max(times // 4, 1))
    for _ in range(rounds):
        for name, once in rows.items():
            taken[name].append(await round_us(once, times))
    yardstick = next(iter(taken.values()))
    print(f"\n{title}\n{'':42}{'median us':>11}{'p10 us':>9}{'x median':>10}{'x p10':>8}")
    usual, quiet = statistics.median(yardstick), tenth(yardstick)
    for name, values in taken.items():
        median, low = statistics.median(values), tenth(values)
        print(f"  {name:40}{median:11.1f}{low:9.1f}{median / usual:10.2f}{low / quiet:8.2f}")


async def main(rounds: int, times: int) -> None:
    """Print all three tables."""
    own = executor()
    await compare(
        "An async handler on the loop that calls it",
        {
            "asyncio.timeout around the handler": bare_timeout,
            "the handler alone": bare_call,
            "ToolExecutor.execute": lambda: own.execute(INVOCATION),
        },
        rounds,
        times,
    )
    with another_loop() as loop:
        guests = GuestLoops()
        hopping = executor(run_user_code=partial(guests.call, loop))
        await compare(
            "An async handler on another loop",
            {
                "bare run_coroutine_threadsafe": lambda: asyncio.wrap_future(
                    asyncio.run_coroutine_threadsafe(bare_call(), loop)
                ),
                "ToolExecutor.execute": lambda: hopping.execute(INVOCATION),
            },
            rounds,
            max(times // 4, 1),
        )
        guests.stop()
    async with webhook_server() as address:
        guard = UrlGuard(allow_hosts={address})
        url = f"http://{address}/stock"
        tool = Tool(name="stock", description="Looks.", parameters=PARAMETERS, webhook_url=url)
        async with Webhooks(guard) as webhooks, aiohttp.ClientSession() as bare:
            calling = ToolExecutor(tools=check_tools([tool], guard=guard), webhooks=webhooks)

            async def post() -> object:
                headers = {"Content-Type": "application/json"}
                async with bare.post(url, data=BODY, headers=headers) as response:
                    return await response.json()

            await compare(
                "A webhook on this machine",
                {
                    "bare aiohttp POST": post,
                    "ToolExecutor.execute": lambda: calling.execute(INVOCATION),
                },
                rounds,
                max(times // 20, 1),
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1_001)
    parser.add_argument("--times", type=int, default=20)
    options = parser.parse_args()
    asyncio.run(main(options.rounds, options.times))
