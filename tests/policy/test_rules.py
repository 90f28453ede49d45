"""Each rule of the dial policy says yes or no, and says why."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from patter_core.calls.policy import DialPolicy
from patter_core.calls.rules import CHANGING_RULES, FIXED_RULES, ProposedCall
from patter_core.calls.status import RETRYABLE
from patter_core.calls.tally import DAY, Tally
from patter_core.errors import ConfigError

PHONE = "+14155550100"
NOON_IN_NEW_YORK = datetime(2026, 7, 15, 16, 0, tzinfo=UTC)  # 9:00 in California


def ringing(to="+14155552671", **parts):
    return ProposedCall(
        **{"to": to, "from_": PHONE, "max_duration_sec": 180, "most_usd": 0.056, **parts}
    )


def no_of(policy, call, tally=None, now=NOON_IN_NEW_YORK):
    refusal = policy.judge(call) or policy.admit(call, tally or Tally(), now)
    return refusal.code if refusal else None


@pytest.mark.parametrize(
    ("to", "code"),
    [
        ("+14155552671", None),
        ("+12125551234", None),
        ("+1415555267", "policy_number"),
        ("+4402079460000", "policy_number"),
        ("+19005551234", "policy_kind"),
        ("+449012345678", "policy_kind"),
        ("+870773111632", "policy_kind"),
        ("+881612345678", "policy_kind"),
        ("+80812345678", "policy_kind"),
        ("+979123456789", "policy_kind"),
        ("+19115551234", "policy_kind"),
        ("+49116117", "policy_kind"),
        ("+15552671", "policy_number"),
        ("+44116123", "policy_number"),
        ("+14165550100", "policy_country"),
        ("+18095551234", "policy_country"),
        ("+442079460000", "policy_country"),
        ("+80012345678", "policy_country"),
        ("+883510012345", "policy_country"),
        ("+19999999999", "policy_country"),
    ],
)
def test_the_default_policy_of_a_phone_in_the_united_states(to, code):
    assert no_of(DialPolicy(), ringing(to)) == code


@pytest.mark.parametrize(
    ("countries", "from_", "to", "allowed"),
    [
        ("own", "+442079460123", "+442079460000", True),
        ("own", "+442079460123", "+447911123456", False),  # Guernsey
        ("own", "+442079460123", "+14155552671", False),
        ("own", "+19999999999", "+14155552671", True),  # Nobody's, but its code is named for the US
        ("own", "+883510012345", "+14155552671", False),
        ("own", "", "+14155552671", False),
        (["GB", "GG"], PHONE, "+447911123456", True),
        (["DE"], PHONE, "+14155552671", False),
        ([], PHONE, "+14155552671", False),
        (["US"], PHONE, "+80012345678", False),
        ("any", PHONE, "+80012345678", True),
        ("any", PHONE, "+911123456789", True),
    ],
)
def test_countries(countries, from_, to, allowed):
    refusal = DialPolicy(countries=countries).judge(ringing(to, from_=from_))
    assert (refusal.code if refusal else None) == (None if allowed else "policy_country")


@pytest.mark.parametrize(
    ("now", "to", "allowed"),
    [
        (datetime(2026, 1, 15, 15, 59, tzinfo=UTC), "+14155552671", False),  # 7:59
        (datetime(2026, 1, 15, 16, 0, tzinfo=UTC), "+14155552671", True),
        (datetime(2026, 1, 16, 4, 59, 59, tzinfo=UTC), "+14155552671", True),  # 20:59:59
        (datetime(2026, 1, 16, 5, 0, tzinfo=UTC), "+14155552671", False),
        # An hour earlier in summer.
        (datetime(2026, 7, 15, 15, 0, tzinfo=UTC), "+14155552671", True),
        (datetime(2026, 7, 15, 14, 59, tzinfo=UTC), "+14155552671", False),
        (datetime(2026, 7, 16, 4, 0, tzinfo=UTC), "+14155552671", False),
        # The day on which the clocks go forward, 8 March 2026, and the one before.
        (datetime(2026, 3, 7, 15, 30, tzinfo=UTC), "+14155552671", False),
        (datetime(2026, 3, 8, 15, 30, tzinfo=UTC), "+14155552671", True),
        # And back: 25 October 2026 in Berlin.
        (datetime(2026, 10, 24, 6, 30, tzinfo=UTC), "+4930123456", True),
        (datetime(2026, 10, 25, 6, 30, tzinfo=UTC), "+4930123456", False),
        # Half an hour's zone: India is at UTC+5:30.
        (datetime(2026, 1, 15, 2, 29, tzinfo=UTC), "+911123456789", False),
        (datetime(2026, 1, 15, 2, 30, tzinfo=UTC), "+911123456789", True),
        # No summer time in Arizona.
        (datetime(2026, 7, 15, 15, 0, tzinfo=UTC), "+16025551234", True),
        (datetime(2026, 1, 15, 15, 0, tzinfo=UTC), "+16025551234", True),
        # A mobile of Australia may be on the Cocos Islands (UTC+6:30) and on Lord Howe (UTC+11).
        (datetime(2026, 1, 15, 1, 29, tzinfo=UTC), "+61491570156", False),  # 7:59 and 12:29
        (datetime(2026, 1, 15, 1, 30, tzinfo=UTC), "+61491570156", True),
        (datetime(2026, 1, 15, 9, 59, tzinfo=UTC), "+61491570156", True),
        (datetime(2026, 1, 15, 10, 0, tzinfo=UTC), "+61491570156", False),  # 16:30 and 21:00
        # A toll-free number is anywhere from Newfoundland to Guam: an hour or two a day are left.
        (datetime(2026, 1, 15, 18, 0, tzinfo=UTC), "+18005551234", False),
        (datetime(2026, 1, 15, 22, 30, tzinfo=UTC), "+18005551234", True),
        # Nobody knows where a satellite phone is.
        (datetime(2026, 1, 15, 12, 0, tzinfo=UTC), "+870773111632", False),
    ],
)
def test_quiet_hours_are_kept_in_every_zone_of_the_callee(now, to, allowed):
    policy = DialPolicy(countries="any", refused_kinds=())
    assert no_of(policy, ringing(to), now=now) == (None if allowed else "policy_quiet_hours")


def test_a_number_whose_time_is_not_known_is_rung_without_calling_hours_only():
    for hours, code in (((0, 24), "policy_quiet_hours"), (None, None)):
        policy = DialPolicy(countries="any", refused_kinds=(), calling_hours=hours)
        assert no_of(policy, ringing("+870773111632")) == code


@pytest.mark.parametrize(
    ("tally", "code"),
    [
        (Tally(calls_to_number=4, calls_in_hour=59, calls_in_day=499, usd_in_day=19.944), None),
        (Tally(calls_to_number=5), "policy_calls_per_number"),
        (Tally(calls_in_hour=60), "policy_calls_per_hour"),
        (Tally(calls_in_day=500), "policy_calls_per_day"),
        (Tally(usd_in_day=19.9441), "policy_usd_per_day"),
        (Tally(usd_in_all=1e6), None),
        (Tally(do_not_call=True, calls_to_number=5), "policy_do_not_call"),
    ],
)
def test_caps_by_default(tally, code):
    assert no_of(DialPolicy(), ringing(), tally) == code


@pytest.mark.parametrize(
    ("rules", "tally", "code"),
    [
        ({"usd_per_call": 0.056}, Tally(), None),
        ({"usd_per_call": 0.0559}, Tally(), "policy_usd_per_call"),
        ({"usd_per_phone": 1.0}, Tally(usd_in_all=0.944), None),
        ({"usd_per_phone": 1.0}, Tally(usd_in_all=0.945), "policy_usd_per_phone"),
        ({"usd_per_day": 0}, Tally(), "policy_usd_per_day"),
        ({"calls_per_hour": 0}, Tally(), "policy_calls_per_hour"),
        ({"calls_per_number": None}, Tally(calls_to_number=9_999), None),
        ({"do_not_call": False}, Tally(do_not_call=True), None),
    ],
)
def test_caps_as_they_are_set(rules, tally, code):
    assert no_of(DialPolicy(**rules), ringing(), tally) == code


def test_the_simulation_refuses_nothing_that_has_a_numbers_form():
    busy = Tally(
        do_not_call=True, calls_to_number=9, calls_in_hour=999, calls_in_day=9_999, usd_in_day=1e9
    )
    for to in ("+1000000", "+19005551234", "+870773111632", "+19115551234"):
        for hour in range(24):
            now = datetime(2026, 1, 1, hour, tzinfo=UTC)
            call = ringing(to, from_="", most_usd=1e9)
            assert no_of(DialPolicy.simulation(), call, busy, now) is None
    assert not DialPolicy.simulation().changes


def test_a_rule_can_be_on_in_a_simulation():
    policy = DialPolicy.simulation(calls_per_hour=1)
    assert policy.changes
    assert no_of(policy, ringing("+1000000"), Tally(calls_in_hour=1)) == "policy_calls_per_hour"


@pytest.mark.parametrize("rule", ["do_not_call", "calling_hours", "calls_per_day", "usd_per_phone"])
def test_a_policy_with_one_changing_rule_changes(rule):
    assert DialPolicy.simulation(**{rule: getattr(DialPolicy(usd_per_phone=1), rule)}).changes


def test_every_rule_gives_its_verdict_and_a_sentence():
    verdicts = DialPolicy().verdicts(ringing(), Tally(), NOON_IN_NEW_YORK)
    assert len(verdicts) == len(FIXED_RULES) + len(CHANGING_RULES)
    assert all(verdict.allowed for verdict in verdicts)
    refusing = DialPolicy(
        deny=["+4"], allow=["+1"], max_call_sec=60, usd_per_call=0, usd_per_phone=0
    ).verdicts(
        ringing("+449012345678"),
        Tally(
            do_not_call=True, calls_to_number=9, calls_in_hour=99, calls_in_day=999, usd_in_day=99
        ),
        datetime(2026, 1, 1, 3, tzinfo=UTC),
    )
    assert [verdict.rule for verdict in refusing if verdict.allowed] == ["number"]
    for verdict in (*verdicts, *refusing):
        assert verdict.code not in RETRYABLE
        assert verdict.sentence[0].isupper() or verdict.sentence[0] in "$'0123456789"
        assert not verdict.sentence.endswith(".")
        assert "4490" not in verdict.sentence


@pytest.mark.parametrize(
    ("to", "tally", "now", "code"),
    [
        ("+12125551234", Tally(), NOON_IN_NEW_YORK, None),
        ("+12125551234", Tally(calls_in_day=9_999, usd_in_day=1e9), NOON_IN_NEW_YORK, None),
        ("+19005551234", Tally(), NOON_IN_NEW_YORK, "policy_kind"),
        ("+442079460000", Tally(), NOON_IN_NEW_YORK, "policy_country"),
        ("+14155550199", Tally(), NOON_IN_NEW_YORK, "policy_denied"),
        ("+12125551234", Tally(do_not_call=True), NOON_IN_NEW_YORK, "policy_do_not_call"),
        ("+12125551234", Tally(), NOON_IN_NEW_YORK - DAY / 2, "policy_quiet_hours"),
    ],
)
def test_a_transfer_is_judged_by_whom_it_would_ring(to, tally, now, code):
    refusal = DialPolicy(deny=["+14155550199"]).judge_transfer(ringing(to), tally, now)
    assert (refusal.code if refusal else None) == code


@pytest.mark.parametrize(
    "rules",
    [
        {"countries": "US"},
        {"countries": ["us"]},
        {"countries": ["USA"]},
        {"refused_kinds": "premium"},
        {"refused_kinds": ["premium_rate"]},
        {"calling_hours": (21, 8)},
        {"calling_hours": (8, 8)},
        {"calling_hours": (-1, 8)},
        {"calling_hours": (8, 25)},
        {"calling_hours": (8.5, 21)},
        {"calling_hours": 8},
        {"calling_hours": (True, 21)},
        {"calls_per_hour": -1},
        {"calls_per_hour": 1.5},
        {"calls_per_day": True},
        {"calls_per_number": "5"},
        {"usd_per_day": -0.01},
        {"usd_per_day": float("nan")},
        {"usd_per_call": "1"},
        {"consent": True},
        {"allow": "+1"},
        {"deny": ["1415"]},
        {"max_call_sec": 0},
    ],
)
def test_a_value_that_no_rule_can_use_is_refused_at_once_and_named(rules):
    with pytest.raises(ConfigError, match=next(iter(rules))):
        DialPolicy(**rules)


def test_windows_are_an_hour_and_a_day():
    assert timedelta(hours=24) == DAY
