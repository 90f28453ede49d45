"""`patter calls`: what became of earlier calls, read from the ledger."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from patter_core.calls.result import iso_time
from patter_core.config import Limits, state_directory
from patter_core.ledgers.reading import recorded_calls

if TYPE_CHECKING:
    import argparse

    from patter_core.calls.ledger import CallRow


def add_calls(commands: Any) -> None:  # noqa: ANN401 - argparse keeps the type to itself
    """Add the subcommand."""
    calls = commands.add_parser(
        "calls",
        help="list earlier calls, or show one",
        description="Lists the calls in the ledger, newest first; or shows one with what was said, "
        "as long as that is kept. Rings nobody and changes nothing.",
    )
    calls.add_argument("call", nargs="?", default="", help="a call_id or an idempotency key")
    calls.add_argument("--json", action="store_true", help="print JSON, one call a line")
    calls.add_argument("--last", type=int, default=20, metavar="N", help="how many (default: 20)")
    calls.add_argument(
        "--ledger", metavar="FILE", help="which ledger (default: the one in the state directory)"
    )


def run_calls(options: argparse.Namespace) -> int:
    """List calls, or show one; exit code 1 when there is none.

    Raises:
        LedgerError: The ledger cannot be read.
    """
    path = Path(options.ledger) if options.ledger else state_directory() / "calls.sqlite"
    retention_sec = Limits().transcript_retention_sec
    found = recorded_calls(
        path,
        now=datetime.now(UTC),
        retention_sec=retention_sec,
        limit=max(1, options.last),
        call=options.call,
    )
    if not found:
        what = f"no call {options.call}" if options.call else "no calls"
        print(f"patter: {path} has {what}", file=sys.stderr)
        return 1
    for row in found:
        if options.json:
            print(json.dumps(row.as_result().to_dict(), ensure_ascii=False))
        elif options.call:
            _show(row)
        else:
            print(_line(row))
    return 0


def _line(row: CallRow) -> str:
    call = row.as_result().to_dict()
    started = (call["started_at"] or iso_time(row.intended_at) or "")[:19].replace("T", " ")
    return (
        f"{row.call_id}  {started}  {row.to:<16} {call['status']:<12} "
        f"{call['duration_seconds']:>6.0f} s  {call['cost_usd']:.4f} USD"
    )


def _show(row: CallRow) -> None:
    call = row.as_result().to_dict()
    for name in ("call_id", "to", "status", "error", "ended_by", "answered_by", "started_at",
                 "ended_at", "duration_seconds", "cost_usd"):  # fmt: skip
        if call[name] is not None:
            print(f"{name:<18}{call[name]}")
    if row.transcript_expired:
        print("\nWhat was said is no longer kept.")
    elif call["transcript"]:
        print()
    for turn in call["transcript"]:
        cut = " (cut off)" if turn["cut"] else ""
        print(f"{turn['started_ms'] / 1_000:>7.1f}  {turn['role']:<7}{turn['text']}{cut}")
