"""What is known of a number: its kind, its country, where its bell may be heard."""

from __future__ import annotations

import phonenumbers
import pytest
from phonenumbers import PhoneNumberType

from patter_core.calls.number_facts import KINDS, canonical, facts_of

NUMBERS = [
    # number, kind, region
    ("+14155552671", "fixed_line_or_mobile", "US"),
    ("+12125551234", "fixed_line_or_mobile", "US"),
    ("+14165550100", "fixed_line_or_mobile", "CA"),
    ("+18095551234", "fixed_line_or_mobile", "DO"),
    ("+18765551234", "mobile", "JM"),
    ("+18005551234", "toll_free", "US"),
    ("+18885551234", "toll_free", "US"),
    ("+19005551234", "premium", "US"),
    ("+442079460000", "fixed_line", "GB"),
    ("+447400123456", "mobile", "GB"),
    ("+447911123456", "mobile", "GG"),
    ("+448001111111", "toll_free", "GB"),
    ("+449012345678", "premium", "GB"),
    ("+449098790000", "premium", "GB"),
    ("+447012345678", "personal", "GB"),
    ("+4930123456", "fixed_line", "DE"),
    ("+4915112345678", "mobile", "DE"),
    ("+498001234567", "toll_free", "DE"),
    ("+499001234567", "premium", "DE"),
    ("+4918012345", "shared_cost", "DE"),
    ("+33112345678", "fixed_line", "FR"),
    ("+33612345678", "mobile", "FR"),
    ("+33899123456", "premium", "FR"),
    ("+33810123456", "shared_cost", "FR"),
    ("+911123456789", "fixed_line", "IN"),
    ("+919876543210", "mobile", "IN"),
    ("+911861234567890", "premium", "IN"),
    ("+390612345678", "fixed_line", "IT"),
    ("+393123456789", "mobile", "IT"),
    ("+61491570156", "mobile", "AU"),
    ("+61147123456", "satellite", "AU"),
    ("+611900654321", "premium", "AU"),
    ("+611300654321", "shared_cost", "AU"),
    ("+8613491234567", "satellite", "CN"),
    ("+79991234567", "mobile", "RU"),
    ("+77011234567", "mobile", "KZ"),
    ("+870773111632", "satellite", None),
    ("+881612345678", "satellite", None),
    ("+8821612345678", "satellite", None),
    ("+80012345678", "toll_free", None),
    ("+80812345678", "shared_cost", None),
    ("+979123456789", "premium", None),
    ("+19115551234", "emergency", None),
    ("+44999123456", "emergency", None),
    ("+49116117", "short", "DE"),
    ("+447700900123", "unknown", None),  # For films and books.
    ("+19999999999", "unknown", None),
]


@pytest.mark.parametrize(("number", "kind", "region"), NUMBERS)
def test_the_kind_and_the_country_of_a_number(number, kind, region):
    facts = facts_of(number)
    assert (facts.kind, facts.region) == (kind, region)
    assert facts.possible
    assert facts.canonical


@pytest.mark.parametrize(
    "number",
    ["", "112", "+112", "+911", "+0123456789", "14155552671", "+1415555267\uff11", "+999123456789"],
)
def test_nothing_is_known_of_what_is_no_number(number):
    facts = facts_of(number)
    assert (facts.possible, facts.kind, facts.region, facts.zones) == (False, "unknown", None, ())


@pytest.mark.parametrize(
    "number",
    ["+1415555267", "+15552671", "+44116123", "+141555526711", "+3361234567", "+5215512345678"],
)
def test_a_number_of_a_length_that_its_country_lacks_is_not_possible(number):
    assert not facts_of(number).possible


@pytest.mark.parametrize(
    ("spelled", "right"),
    [
        ("+4402079460000", "+442079460000"),
        ("+49030123456", "+4930123456"),
        ("+330612345678", "+33612345678"),
    ],
)
def test_a_spelling_that_rings_another_number_is_told_from_it(spelled, right):
    assert not facts_of(spelled).canonical
    assert facts_of(right).canonical
    assert canonical(spelled) == right


def test_the_zero_of_an_italian_number_belongs_to_it():
    assert facts_of("+390612345678").canonical


@pytest.mark.parametrize(
    ("number", "zones"),
    [
        ("+14155552671", {"America/Los_Angeles"}),
        ("+12125551234", {"America/New_York"}),
        ("+18085551234", {"Pacific/Honolulu"}),
        ("+4930123456", {"Europe/Berlin"}),
        ("+911123456789", {"Asia/Calcutta"}),
        (
            "+447700900123",
            {"Europe/Guernsey", "Europe/Isle_of_Man", "Europe/Jersey", "Europe/London"},
        ),
        ("+61893001234", {"Australia/Adelaide", "Australia/Perth"}),
        ("+870773111632", set()),
    ],
)
def test_the_zones_of_a_number(number, zones):
    assert set(facts_of(number).zones) == zones


@pytest.mark.parametrize("number", ["+18005551234", "+79991234567", "+61491570156"])
def test_a_number_that_may_be_anywhere_in_its_country_has_all_its_zones(number):
    assert len(facts_of(number).zones) > 5


def test_a_number_that_is_nobodys_may_be_anywhere_in_its_country():
    assert len(facts_of("+19999999999").zones) > 5


def test_every_country_has_its_examples_told_by_kind_and_none_is_short_or_an_emergency():
    told = {
        name.lower(): value
        for name, value in vars(PhoneNumberType).items()
        if isinstance(value, int)
    }
    told["premium"], told["personal"] = told.pop("premium_rate"), told.pop("personal_number")
    seen = 0
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        for kind, value in told.items():
            example = phonenumbers.example_number_for_type(region, value)
            if example is None or kind == "unknown":
                continue
            number = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
            facts = facts_of(number)
            if facts.kind == "satellite" or not facts.possible:
                continue
            actual = next(k for k, v in told.items() if v == phonenumbers.number_type(example))
            assert facts.kind == actual, number
            assert facts.region is not None, number
            assert facts.canonical, number
            seen += 1
    assert seen > 900


def test_every_zone_that_a_number_can_have_is_one_that_this_machine_knows():
    from zoneinfo import ZoneInfo

    from phonenumbers.tzdata import TIMEZONE_DATA

    for zone in {zone for zones in TIMEZONE_DATA.values() for zone in zones} - {"Etc/Unknown"}:
        ZoneInfo(zone)


def test_the_kinds_are_those_that_are_documented():
    assert {facts_of(number).kind for number, _, _ in NUMBERS} <= KINDS
