"""Calls for minutes on end, four at a time: how many, and what they leave behind.

    python benchmarks/soak.py [minutes]

Prints calls per minute, resident memory, tasks, threads and descriptors, and plots them as text.
Exit code 1 when a call went wrong, or something grows.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
for each in (ROOT, ROOT / "integrations"):
    if str(each) not in sys.path:
        sys.path.insert(0, str(each))

import psutil  # noqa: E402

from patter import Patter, PatterTool  # noqa: E402
from patter.simulator import Callee, PhoneNetwork  # noqa: E402
from tests.calls.kit import PHONE, scripted  # noqa: E402

_LINES = 4
_SAMPLES = 60
_MOST_MB_PER_HOUR = 60.0
_BARS = " ▁▂▃▄▅▆▇█"


def plot(name: str, values: list[float], unit: str) -> str:
    """One row of bars, from the smallest to the largest value."""
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    bars = "".join(_BARS[1 + round((value - low) / span * 7)] for value in values)
    return f"{name:<12} {bars}  {low:.1f} to {high:.1f} {unit}"


def slope_per_hour(times: list[float], values: list[float]) -> float:
    """Least squares over the second half: the first warms up."""
    times, values = times[len(times) // 2 :], values[len(values) // 2 :]
    mean_t, mean_v = sum(times) / len(times), sum(values) / len(values)
    spread = sum((t - mean_t) ** 2 for t in times) or 1.0
    pairs = zip(times, values, strict=True)
    return sum((t - mean_t) * (v - mean_v) for t, v in pairs) / spread * 3_600


async def main(minutes: float) -> int:
    """Soak, and say how it went."""
    statuses = Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        return await soak(minutes, Path(folder) / "calls.sqlite", statuses)


async def soak(minutes: float, ledger: Path, statuses: Counter[str]) -> int:
    """Four lines, one network, one phone, for so many minutes."""
    process = psutil.Process()
    samples: list[tuple[float, float, float, float, float, float]] = []
    began = time.monotonic()
    over = began + minutes * 60
    async with PhoneNetwork() as network:
        phone = Patter(
            carrier=network.twilio(), phone_number=PHONE, clock=network.clock, ledger=ledger,
            max_concurrent_calls=_LINES,
        )  # fmt: skip
        tool = PatterTool(phone, agent=scripted())
        await tool.start()

        async def keep_calling(line: int) -> None:
            number = f"+1415555{line:04}"
            while time.monotonic() < over:
                network.add(number, Callee(says=["Hello?", "Four people.", "Bye."], rings_sec=0.5))
                statuses[(await tool.execute(to=number, max_duration_sec=60)).status] += 1

        async def watch() -> None:
            counted = 0
            while time.monotonic() < over:
                await asyncio.sleep(minutes * 60 / _SAMPLES)
                # The network remembers every call that it ever carried: that is not the engine's.
                network._switch.legs.clear()  # noqa: SLF001
                network._requests.clear()  # noqa: SLF001
                network._callbacks.clear()  # noqa: SLF001
                gc.collect()
                done = sum(statuses.values())
                per_minute = (done - counted) / (minutes / _SAMPLES)
                counted = done
                samples.append(
                    (
                        time.monotonic() - began,
                        per_minute,
                        process.memory_info().rss / 1e6,
                        float(len(await engine_tasks(phone))),
                        float(threading.active_count()),
                        float(process.num_fds()),
                    )
                )

        async with asyncio.TaskGroup() as group:
            for line in range(_LINES):
                group.create_task(keep_calling(line))
            group.create_task(watch())
        left = len(network.live_legs)
        await tool.stop()
    times, per_minute, memory, tasks, threads, descriptors = map(list, zip(*samples, strict=True))
    growth = slope_per_hour(times, memory)
    for name, values, unit in (
        ("calls", per_minute, "a minute"), ("memory", memory, "MB"), ("tasks", tasks, ""),
        ("threads", threads, ""), ("descriptors", descriptors, ""),
    ):  # fmt: skip
        print(plot(name, values, unit))
    made = sum(statuses.values())
    print(
        f"\n{made} calls in {minutes:g} min ({made / minutes:.0f} a minute): {dict(statuses)}; "
        f"legs left: {left}; memory {growth:+.1f} MB an hour over the second half"
    )
    grew = (
        max(tasks[-5:]) > max(tasks[:10]) + 10 or max(descriptors[-5:]) > max(descriptors[:10]) + 10
    )
    grows = minutes >= 5 and growth > _MOST_MB_PER_HOUR
    return 1 if grew or grows or left or set(statuses) != {"completed"} else 0


async def engine_tasks(phone: Patter) -> set[asyncio.Task[object]]:
    """The tasks on the engine's loop."""
    opened = await phone.opened()

    async def count() -> set[asyncio.Task[object]]:
        return asyncio.all_tasks()

    return await asyncio.wrap_future(opened.home.submit(count))


if __name__ == "__main__":
    sys.exit(asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 10.0)))
