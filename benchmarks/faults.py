"""Injects every fault, on real sockets, and prints what became of it; exit code 1 if one hurt.

python benchmarks/faults.py [--quick] [--only WORD,WORD] [--minutes 15]
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
import time
from dataclasses import fields
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
for each in (ROOT, ROOT / "integrations"):
    if str(each) not in sys.path:
        sys.path.insert(0, str(each))

from benchmarks.fault_bench import SCALED, Fault, Tally  # noqa: E402
from benchmarks.fault_list import every_fault  # noqa: E402
from patter import Limits  # noqa: E402

_TRIAL_SEC = 150.0
_HEAD = ("fault", "how injected", "trials", "dials", "doubled", "left", "lost", "verdict")


async def tried(fault: Fault, *, give_up_at: float) -> Tally:
    """All trials of one fault, one after another."""
    tally = Tally()
    for _ in range(fault.trials):
        if time.monotonic() > give_up_at:
            tally.lost += 1
            tally.notes.append("out of time")
            break
        try:
            async with asyncio.timeout(_TRIAL_SEC):
                tally.add(await fault.run())
        except Exception as error:  # noqa: BLE001 - a trial that breaks is a finding, not the end
            tally.add(Tally(trials=1, lost=1, notes=[f"{type(error).__name__}: {error}"[:400]]))
    return tally


def row(cells: tuple[object, ...]) -> str:
    """One line of the table."""
    name, how, *numbers, verdict = cells
    return f"{name!s:<36} {how!s:<48} " + " ".join(f"{n!s:>7}" for n in numbers) + f"  {verdict}"


def scaled_limits() -> str:
    """Which limits differ from what the engine has."""
    usual = Limits()
    changed = [
        f"{f.name}={getattr(SCALED, f.name):g}"
        for f in fields(Limits)
        if getattr(SCALED, f.name) != getattr(usual, f.name)
    ]
    return ", ".join(changed)


async def main() -> int:
    """Try what was asked for, and say how it went."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--minutes", type=float, default=15.0)
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    print(f"Limits scaled down for this: {scaled_limits()}\n")
    print(row(_HEAD))
    began, total, bad = time.monotonic(), Tally(), 0
    chosen = [
        fault
        for fault in every_fault()
        if any(word in fault.name for word in options.only.split(","))
        and (fault.quick or not options.quick)
    ]
    for fault in chosen:
        tally = await tried(fault, give_up_at=began + options.minutes * 60)
        total.add(tally)
        bad += not tally.good
        verdict = "ok" if tally.good else f"BAD {'; '.join(sorted(set(tally.notes))[:3])}"
        numbers = (tally.trials, tally.dials, tally.doubled, tally.left, tally.lost)
        print(row((fault.name, fault.how, *numbers, verdict)), flush=True)
    numbers = (total.trials, total.dials, total.doubled, total.left, total.lost)
    print(
        row(
            (
                f"{len(chosen)} faults",
                f"{time.monotonic() - began:.0f} s",
                *numbers,
                "ok" if not bad else f"{bad} BAD",
            )
        )
    )
    return 1 if bad or not chosen else 0


if __name__ == "__main__":
    # A shell that starts this in the background has it ignore Ctrl-C, and whatever it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(asyncio.run(main()))
