"""The policy and the ledger against an oracle that was written apart from them.

`make test` runs a few thousand generated cases; `python tests/policy/test_policy_oracle.py --many`
runs 100,000, and `PATTER_POLICY_CASES` any number.
"""

from __future__ import annotations

import os
import random
import sqlite3
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

if __name__ == "__main__":
    root = Path(__file__).parents[2]
    sys.path[:0] = [str(root), str(root / "integrations")]

import phonenumbers

from patter_core.calls.ledger import CallRow
from patter_core.calls.policy import DialPolicy
from patter_core.calls.rules import ProposedCall
from patter_core.calls.status import State
from patter_core.calls.tally import DoNotCall
from patter_core.ledgers import counting, rows, schema
from tests.policy import oracle

FEW, MANY = 3_000, 100_000
PHONES = ("+14155550100", "+442079460000", "+4930123456", "+14165550100", "+19999999999")
# The days on which clocks change in America, Europe and Australia, and some that are none.
DAYS = [
    *((2026, 3, 8), (2026, 11, 1), (2026, 3, 29), (2026, 10, 25), (2026, 4, 5), (2026, 10, 4)),
    *((2026, 1, 1), (2026, 7, 15), (2028, 2, 29)),
]
NUMBERS = [
    *("+14155552671", "+12125551234", "+18085551234", "+16025551234", "+18005551234"),
    *("+19005551234", "+14165550100", "+18095551234", "+442079460001", "+4402079460001"),
    *("+447400123456", "+449012345678", "+448451234567", "+4930123456", "+49030123456"),
    *("+499001234567", "+49116117", "+44116123", "+19115551234", "+44999123456"),
    *("+33112345678", "+33899123456", "+911123456789", "+919876543210", "+79991234567"),
    *("+61491570156", "+61147123456", "+870773111632", "+881612345678", "+80012345678"),
    *("+80812345678", "+979123456789", "+883510012345", "+19999999999", "+1415555267"),
]


def a_number(chance):
    if chance.random() < 0.6:
        return chance.choice(NUMBERS)
    if chance.random() < 0.5:
        code = chance.choice(sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE))
    else:
        code = chance.choice((1, 1, 44, 49, 33, 91))
    return f"+{code}{chance.randrange(10**8, 10**10)}"[:16]


def some_rules(chance):
    def maybe(*values):
        return chance.choice(values)

    return {
        "possible_numbers_only": chance.random() < 0.7,
        "refused_kinds": maybe(
            ("premium", "shared_cost", "satellite", "emergency", "short"), (), ("premium",)
        ),
        "countries": maybe("own", "own", "any", ["US", "GB"], ["DE", "IN", "AU", "FR"], []),
        "deny": maybe((), (), ("+1212",), ("+4", "+14155552671")),
        "allow": maybe((), (), (), ("+1",), ("+44", "+14155552671")),
        "max_call_sec": maybe(1_800, 180, 60),
        "do_not_call": chance.random() < 0.7,
        "calling_hours": maybe(None, (8, 21), (8, 21), (0, 24), (9, 17)),
        "calls_per_number": maybe(None, 5, 1, 3),
        "calls_per_hour": maybe(None, 60, 3, 0),
        "calls_per_day": maybe(None, 500, 6),
        "usd_per_call": maybe(None, 2.0, 0.056, 0.05),
        "usd_per_day": maybe(None, 20.0, 0.28, 0.1),
        "usd_per_phone": maybe(None, None, 0.5, 1.0),
    }


def a_moment(chance):
    day = datetime(*chance.choice(DAYS), tzinfo=UTC)
    return day + timedelta(
        minutes=30 * chance.randrange(-24, 72), seconds=chance.choice((0, -1, 1))
    )


def some_past(chance, to, now):
    hour, day, tick = timedelta(hours=1), timedelta(days=1), timedelta(microseconds=1)
    ages = (hour, hour - tick, hour + tick, day, day - tick, day + tick, tick, -tick, -day, -hour)
    for _ in range(chance.choice((0, 0, 1, 2, 4, 8))):
        age = chance.choice(ages) if chance.random() < 0.4 else day * (chance.random() * 1.5 - 0.2)
        dialled = chance.random() < 0.8
        yield oracle.PastCall(
            to=to if chance.random() < 0.5 else chance.choice(NUMBERS),
            at=now - age,
            micro_usd=chance.choice((0, 14_000, 28_000, 56_000, 100_000)) if dialled else 0,
            dialled=dialled,
        )


def a_ledger():
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.row_factory = sqlite3.Row
    schema.make(connection)
    return connection


def fill(connection, past, opted_out, now):
    connection.execute("DELETE FROM calls")
    connection.execute("DELETE FROM spending")
    connection.execute("DELETE FROM do_not_call")
    for index, each in enumerate(past):
        row = CallRow(
            call_id=f"call_{index}",
            owner="owner",
            scope="scope",
            key=None,
            fingerprint="",
            state=State.INTENT,
            to=each.to,
            from_="",
            intended_at=each.at,
            counts=each.dialled,
            charge_usd=each.micro_usd / 1_000_000,
        )
        rows.insert_call(connection, row)
    for number in opted_out:
        counting.add_do_not_call(connection, DoNotCall(number=number, added_at=now))


def check(seed, connection, seen):
    """One case; raises with the seed when the policy and the oracle differ."""
    chance = random.Random(seed)
    rules, to, now = some_rules(chance), a_number(chance), a_moment(chance)
    duration, micro_usd = (
        chance.choice((30, 60, 180, 1_800)),
        chance.choice((14_000, 56_000, 434_000)),
    )
    asked = {"to": to, "from_": chance.choice(PHONES), "max_duration_sec": duration}
    past = list(some_past(chance, to, now))
    if chance.random() < 0.2:  # Just enough, or a millionth of a dollar short of it.
        spent = sum(each.micro_usd for each in past if now - each.at < timedelta(days=1))
        rules["usd_per_day"] = (spent + micro_usd - chance.choice((0, 1))) / 1_000_000
    opted_out = {chance.choice(NUMBERS), *([to] if chance.random() < 0.2 else [])}
    try:
        expected = oracle.codes(rules, {**asked, "micro_usd": micro_usd}, past, opted_out, now)
    except phonenumbers.NumberParseException:
        expected = None
    fill(connection, past, opted_out, now)
    policy = DialPolicy(**rules)
    call = ProposedCall(**asked, most_usd=micro_usd / 1_000_000)
    tally = counting.read_tally(connection, "scope", to, now)
    verdicts = policy.verdicts(call, tally, now)
    if expected is None:
        return
    refused = [verdict.code for verdict in verdicts if not verdict.allowed]
    assert set(refused) == expected, (seed, to, refused, expected)
    no = policy.judge(call) or policy.admit(call, tally, now)
    assert (no.code if no else None) == next(iter(refused), None), (seed, to)
    seen.update(refused or ["allowed"])


def check_many(count, first_seed=0):
    connection, seen = a_ledger(), Counter()
    for seed in range(first_seed, first_seed + count):
        check(seed, connection, seen)
    connection.close()
    return seen


def test_the_policy_agrees_with_the_oracle():
    count = int(os.environ.get("PATTER_POLICY_CASES", str(FEW)))
    seen = check_many(count, first_seed=random.SystemRandom().randrange(2**40))
    for code in ("allowed", "policy_number", "policy_kind", "policy_country", "policy_quiet_hours"):
        assert seen[code] > count / 200, seen


if __name__ == "__main__":
    began = time.monotonic()
    cases = MANY if "--many" in sys.argv else FEW
    for name, times in sorted(check_many(cases).items()):
        print(f"{name:26}{times:8}")  # noqa: T201 - run by hand, to be read
    print(f"{cases} cases in {time.monotonic() - began:.0f} s, no difference")  # noqa: T201
