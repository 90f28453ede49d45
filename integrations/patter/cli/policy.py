"""`patter policy check`: a table of what each rule of the default dial policy says of a number."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from patter_core.calls.bounds import is_e164
from patter_core.calls.cost import minutes_usd
from patter_core.calls.policy import DialPolicy
from patter_core.calls.rules import ProposedCall, Verdict
from patter_core.calls.tally import Tally
from patter_core.clock import SystemClock
from patter_core.config import Limits, setting, state_directory
from patter_core.errors import ConfigError
from patter_core.ledgers.sqlite import SqliteLedger
from patter_core.telephony.carrier import scope_of
from patter_core.telephony.twilio.account import Twilio

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime


def run_policy_check(
    number: str, *, own_number: str, max_duration_sec: int, ledger: str | None
) -> int:
    """Print what each rule says of ringing `number` now; 0 when it may be rung, 1 when not.

    Raises:
        ConfigError: The phone's own number is no number.
        LedgerError: There is a ledger, and it cannot be read.
    """
    own_number = own_number or setting("PATTER_PHONE_NUMBER")
    if own_number and not is_e164(own_number):
        raise ConfigError(f"--from is {own_number!r}; it is E.164, as in +14155550100")
    carrier, limits, now = Twilio(), Limits(), SystemClock().wall()
    call = ProposedCall(
        to=number,
        from_=own_number,
        max_duration_sec=max_duration_sec,
        most_usd=minutes_usd(carrier.usd_per_minute, max_duration_sec + limits.carrier_margin_sec),
    )
    path = Path(ledger) if ledger else state_directory() / "calls.sqlite"
    # Looking must not make a ledger where there is none, and then nothing was used up either.
    known = path.expanduser().exists()
    scope = scope_of(carrier, own_number)
    tally = asyncio.run(_tally(path, scope, number, now)) if known else Tally()
    verdicts = DialPolicy().verdicts(call, tally, now)
    _show(number, verdicts, counted=str(path) if known else "")
    return 0 if all(verdict.allowed for verdict in verdicts) else 1


async def _tally(path: Path, scope: str, to: str, now: datetime) -> Tally:
    ledger = SqliteLedger(
        path, clock=SystemClock(), retention_sec=Limits().transcript_retention_sec
    )
    await ledger.open()
    try:
        return await ledger.tally(scope, to, now)
    finally:
        await ledger.aclose()


def _show(number: str, verdicts: Sequence[Verdict], *, counted: str) -> None:
    table = Table(box=None, pad_edge=False)
    for heading in ("rule", "verdict", "why"):
        table.add_column(heading)
    for verdict in verdicts:
        word = Text("yes", "green") if verdict.allowed else Text("no", "bold red")
        table.add_row(verdict.rule, word, Text(verdict.sentence))
    console = Console(highlight=False)
    console.print(table)
    refusals = [verdict.rule for verdict in verdicts if not verdict.allowed]
    console.print()
    console.print(Text(f"Calls and the do-not-call list: {counted or 'none yet'}"))
    if refusals:
        console.print(Text(f"{number} is not rung: {', '.join(refusals)}"))
    else:
        console.print(Text(f"{number} may be rung now"))
    console.print(Text("This is no legal advice."))
