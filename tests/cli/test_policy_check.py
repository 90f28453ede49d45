"""`patter policy check`: what each rule says of a number, and whether it may be rung."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from patter_core.calls.tally import DoNotCall
from patter_core.clock import SystemClock
from patter_core.ledgers.sqlite import SqliteLedger


def run(*arguments, state, **more):
    telling = ("TWILIO_", "PATTER_", "COLUMNS")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(telling)}
    return subprocess.run(
        [sys.executable, "-m", "patter.cli.main", "policy", "check", *arguments],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env={
            **kept,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "COLUMNS": "200",
            "PATTER_STATE_DIR": str(state),
            **more,
        },
    )


def noes(ran):
    rows = [line.split() for line in ran.stdout.splitlines()]
    return [row[0] for row in rows if len(row) > 1 and row[1] == "no"]


@pytest.mark.parametrize(
    ("number", "rule"),
    [
        ("+442079460000", "country"),
        ("+19005551234", "kind"),
        ("+1415555267", "number"),
        ("+112", "number"),
    ],
)
def test_a_number_that_a_rule_refuses(tmp_path, number, rule):
    ran = run(number, "--from", "+14155550100", state=tmp_path)
    assert (ran.returncode, ran.stderr) == (1, "")
    assert rule in noes(ran)
    assert f"{number} is not rung" in ran.stdout
    assert list(tmp_path.iterdir()) == [], "looking writes nothing"


def test_a_number_that_may_be_rung_at_this_hour(tmp_path):
    # Some of these is between 8 and 21 o'clock at any time.
    numbers = {"+14155552671": "+14155550100", "+442079460000": "+442079460001"}
    numbers |= {"+911123456789": "+911123456780", "+61293744000": "+61293744001"}
    ran = [run(number, state=tmp_path, PATTER_PHONE_NUMBER=own) for number, own in numbers.items()]
    allowed = [each for each in ran if each.returncode == 0]
    assert allowed
    assert all("may be rung now" in each.stdout and noes(each) == [] for each in allowed)
    assert all(noes(each) == ["quiet_hours"] for each in ran if each not in allowed)


def test_the_list_in_the_ledger_counts(tmp_path):
    async def opt_out():
        ledger = SqliteLedger(tmp_path / "calls.sqlite", clock=SystemClock(), retention_sec=60)
        await ledger.open()
        await ledger.add_do_not_call(DoNotCall(number="+14155552671", added_at=datetime.now(UTC)))
        await ledger.aclose()

    asyncio.run(opt_out())
    ran = run("+14155552671", "--from", "+14155550100", state=tmp_path)
    assert ran.returncode == 1
    assert "do_not_call" in noes(ran)


def test_asking_wrongly_is_told(tmp_path):
    assert run(state=tmp_path).returncode == 2
    ran = run("+14155552671", "--from", "nonsense", state=tmp_path)
    assert ran.returncode == 1
    assert "--from" in ran.stderr
