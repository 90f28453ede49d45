"""How quickly a voice answers, gives way and greets, and what a minute of call costs.

    python benchmarks/bench_voice.py [--seconds 10] [--many 50]

Two servers are rung in turns, by callers in a process of their own: Patter, with ears, a model and
a voice that take no time, and the floor, a bare aiohttp socket that does the same for the wire.
Read the ratios: whatever else runs on the machine slows both.

With BENCH_DIR, the folder of a side-by-side bench of several engines, and BENCH_HOME, its
environments, that bench is run as well, with every engine whose environment is there.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

HERE = Path(__file__).resolve().parent
SERVERS = {"patter": HERE / "srv_patter.py", "floor": HERE / "voice_floor.py"}
FEW = 10
GREETED = 25
PEERS = ("getpatter", "pipecat")
_ENDS_SEC = 10.0
_LATE_MS = 5.0

Figures = dict[str, Any]


@contextmanager
def server(name: str, *options: str) -> Generator[tuple[int, Figures]]:
    """A server that listens: its process, and what it said about getting in."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    command = [sys.executable, str(SERVERS[name]), "--port", str(port), *options]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=_environment()
    ) as process:
        try:
            told = process.stdout.readline() if process.stdout is not None else ""
            said = json.loads(told or "null")
            if said is None:
                raise SystemExit(f"{name} did not start")
            said = {key: said[key] for key in said if key not in ("ready", "pid")}
            yield process.pid, {"port": port, **said}
        finally:
            process.terminate()
            try:
                process.wait(_ENDS_SEC)
            except subprocess.TimeoutExpired:
                process.kill()


def _environment() -> dict[str, str]:
    root = HERE.parent
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(root / "integrations"), str(root)])}


def measured(name: str, profile: str, calls: int, seconds: float) -> Figures:
    """What `calls` callers measured at one server."""
    options = ["--greets"] if profile == "greeting" else []
    with server(name, *options) as (pid, door):
        command = [sys.executable, str(HERE / "voice_caller.py"), "--door", json.dumps(door)]
        command += ["--server-pid", str(pid), "--profile", profile]
        command += ["--calls", str(calls), "--seconds", str(seconds)]
        told = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=120, check=True)
    figures: Figures = json.loads(told.stdout)
    late = figures.get("late_ms", {}).get("p95", 0.0)
    if late > _LATE_MS:
        print(f"  ({name}: the callers were up to {late:.0f} ms late; the machine is busy)")
    if figures.get("lost"):
        print(f"  ({name}: {figures['lost']} turns or clears never came)")
    return figures


def both(profile: str, calls: int, seconds: float, times: int) -> dict[str, list[Figures]]:
    """The same at both servers, one after the other, several times."""
    found: dict[str, list[Figures]] = {name: [] for name in SERVERS}
    for turn in range(times):
        for name in list(SERVERS)[:: 1 if turn % 2 == 0 else -1]:
            found[name].append(measured(name, profile, calls, seconds))
    return found


def line(what: str, found: dict[str, list[Figures]], *keys: str, aim: str = "") -> None:
    """Print one figure of both, and how they compare."""
    patter, floor = (statistics.median(_at(each, keys) for each in found[name]) for name in SERVERS)
    ratio = f"{patter / floor:8.1f}" if floor > 0 else " " * 8
    print(f"  {what:42}{patter:10.3f}{floor:10.3f}{ratio}   {aim}".rstrip(), flush=True)


def alone(what: str, found: dict[str, list[Figures]], *keys: str) -> None:
    """Print a figure that the floor has nothing to set against."""
    print(f"  {what:42}{statistics.median(_at(each, keys) for each in found['patter']):10.3f}")


def _at(figures: Figures, keys: Sequence[str]) -> float:
    for key in keys:
        figures = figures.get(key, {})
    return figures if isinstance(figures, float | int) else float("nan")


def side_by_side(seconds: float) -> None:
    """Run the bench of several engines."""
    bench, home = Path(os.environ["BENCH_DIR"]), Path(os.environ["BENCH_HOME"])
    peers = [peer for peer in PEERS if (home / peer / "bin" / "python").exists()]
    targets = ",".join(["patter", *peers, "floor-aiohttp"])
    environment = {
        **_environment(),
        "BENCH_PATTER_PY": sys.executable,
        "BENCH_PATTER_ADAPTER": str(SERVERS["patter"]),
    }
    for profile, calls in (("turns", "10,50"), ("barge", "10")):
        print(f"\nside by side, {profile}:", flush=True)
        command = [str(home / "floor" / "bin" / "python"), str(bench / "bench.py")]
        command += ["--targets", targets, "--calls", calls, "--profile", profile]
        command += ["--seconds", str(seconds), "--repeats", "1"]
        subprocess.run(command, env=environment, check=True)


def main() -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each run lasts")
    parser.add_argument("--many", type=int, default=50, help="callers at once, at most")
    options = parser.parse_args()
    seconds, many = options.seconds, options.many
    print("how a voice answers; loopback, parts that take no time, medians")
    load = f"(load of the machine: {os.getloadavg()[0]:.1f})"
    print(f"  {load:42}{'patter':>10}{'floor':>10}   ratio", flush=True)
    turns = both("turns", FEW, seconds, 2)
    line(f"caller stops -> first audio, ms, {FEW} calls", turns, "turn_ms", "p50", aim="<= 0.5 ms")
    line("  95 % within, ms", turns, "turn_ms", "p95")
    barge = both("barge", FEW, seconds, 2)
    line(f"caller speaks -> clear, ms, {FEW} calls", barge, "clear_ms", "p50", aim="<= 0.2 ms")
    line("  95 % within, ms", barge, "clear_ms", "p95")
    greeting = both("greeting", GREETED, seconds, 1)
    line("stream starts -> greeting, ms, one by one", greeting, "greeting_ms", "p50", aim="<= 5 ms")
    line(f"CPU seconds per call minute, {FEW} calls", turns, "cpu_sec_per_call_min")
    crowd = both("turns", many, seconds, 1)
    line(f"CPU seconds per call minute, {many} calls", crowd, "cpu_sec_per_call_min")
    line(f"caller stops -> first audio, ms, {many} calls", crowd, "turn_ms", "p50")
    alone("audio that a clear drops, ms", barge, "dropped_ms", "p50")
    alone("audio written ahead, ms", crowd, "ahead_ms", "p50")
    alone("underruns", crowd, "underruns")
    alone("memory per call, MB", crowd, "mb_per_call")
    if {"BENCH_DIR", "BENCH_HOME"} <= os.environ.keys():
        side_by_side(seconds)


if __name__ == "__main__":
    main()
