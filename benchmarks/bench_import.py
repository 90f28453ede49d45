"""What importing Patter costs beyond a bare interpreter: CPU milliseconds, medians of nine.

Aims: `import patter` <= 100 ms, all its names <= 200 ms, and nothing heavy among the modules.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys

RUNS = 9
ALL_NAMES = "import patter\nfor name in patter.__all__: getattr(patter, name)"
STATEMENTS = {
    "bare interpreter": "pass",
    "import asyncio (for scale)": "import asyncio",
    "asyncio and one pydantic class (for scale)": (
        "import asyncio, pydantic\nclass A(pydantic.BaseModel): a: int"
    ),
    "import patter": "import patter",
    "all names of patter": ALL_NAMES,
}
HEAVY = ("aiohttp.web", "twilio", "openai", "numpy", "langchain_core", "llama_index", "agents")


def cpu_ms(code: str) -> float:
    """CPU time of a whole Python process, user and system, in milliseconds."""
    before = os.times()
    subprocess.run([sys.executable, "-c", code], check=True)
    after = os.times()
    user = after.children_user - before.children_user
    return (user + after.children_system - before.children_system) * 1_000


def main() -> None:
    """Print the table."""
    figures: dict[str, list[float]] = {name: [] for name in STATEMENTS}
    for _ in range(RUNS):  # In turn, so that a noisy moment strikes all of them.
        for name, code in STATEMENTS.items():
            figures[name].append(cpu_ms(code))
    bare = statistics.median(figures["bare interpreter"])
    print(f"{'CPU ms, median of ' + str(RUNS):45} {'whole':>7} {'beyond bare':>12}")
    for name, values in figures.items():
        median = statistics.median(values)
        print(f"{name:45} {median:7.0f} {median - bare:12.0f}")
    check = f"{ALL_NAMES}\nimport sys\nprint([m for m in {HEAVY!r} if m in sys.modules])"
    loaded = subprocess.run(
        [sys.executable, "-c", check], check=True, capture_output=True, text=True
    )
    print(f"heavy modules loaded by all names: {loaded.stdout.strip()}")


if __name__ == "__main__":
    main()
