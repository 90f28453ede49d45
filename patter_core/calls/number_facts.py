"""What the numbering plans of the world say of one number: its kind, its country, its time zones.

libphonenumber knows, and is loaded on the first question.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, get_args

from patter_core.calls.bounds import is_e164

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber

NumberKind = Literal[
    "fixed_line",
    "mobile",
    "fixed_line_or_mobile",
    "toll_free",
    "premium",
    "shared_cost",
    "voip",
    "personal",
    "pager",
    "uan",
    "voicemail",
    "satellite",
    "emergency",
    "short",
    "unknown",
]
"""What sort of line it is. `uan` is a company's number for all its offices; `unknown` is a number
that the plan of its country has given to nobody, as far as libphonenumber knows."""

KINDS: frozenset[str] = frozenset(get_args(NumberKind))

# Inmarsat, the satellite systems under +881, the networks of no country under +882 (satellites,
# ships, aircraft), and what Australia and China have set aside for satellites in their own plans.
_SATELLITE = ("+870", "+881", "+882", "+61145", "+61147", "+861349", "+861740")
_INTERNATIONAL_PREMIUM = "+979"
_NO_COUNTRY = "001"
_UNKNOWN_ZONE = "Etc/Unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberFacts:
    """What is known of one number.

    Attributes:
        possible: Whether its country has numbers of this length, area code and all. It may still be
            nobody's.
        canonical: Whether it is written as libphonenumber writes it: with no digit, such as the
            0 of a national prefix, that the network would drop. Such spellings of one number
            would each pass for another.
        region: The country that it belongs to, ISO 3166 as in "US"; None when that is not known,
            or it belongs to none.
        main_region: The country that its calling code is named for, as "US" is for +1.
        zones: Every time zone where it may ring, by IANA's names; empty when not known.
    """

    possible: bool
    canonical: bool
    kind: NumberKind
    region: str | None
    main_region: str | None
    zones: tuple[str, ...]


_NOTHING_KNOWN = NumberFacts(
    possible=False, canonical=False, kind="unknown", region=None, main_region=None, zones=()
)


@lru_cache(maxsize=1_024)
def facts_of(number: str) -> NumberFacts:
    """The facts about `number`, E.164; nothing is known of what is not, or of no country."""
    import phonenumbers

    if not is_e164(number):
        return _NOTHING_KNOWN
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return _NOTHING_KNOWN
    main_region = _country(phonenumbers.region_code_for_country_code(parsed.country_code or 0))
    return NumberFacts(
        possible=_is_possible(parsed),
        canonical=_as_e164(parsed) == number,
        kind=_kind(number, parsed, main_region),
        region=_country(phonenumbers.region_code_for_number(parsed)),
        main_region=main_region,
        zones=_zones(parsed),
    )


def canonical(number: str) -> str:
    """`number`, E.164, as libphonenumber writes it; as it is where that is not known."""
    import phonenumbers

    try:
        return _as_e164(phonenumbers.parse(number))
    except phonenumbers.NumberParseException:
        return number


def _is_possible(parsed: PhoneNumber) -> bool:
    import phonenumbers

    # Not `is_possible_number`, which lets a number pass whose area code is missing.
    reason = phonenumbers.is_possible_number_with_reason(parsed)
    return reason == phonenumbers.ValidationResult.IS_POSSIBLE


def _as_e164(parsed: PhoneNumber) -> str:
    import phonenumbers

    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def _country(region: str | None) -> str | None:
    return None if region in (None, _NO_COUNTRY, "ZZ") else region


def _kind(number: str, parsed: PhoneNumber, main_region: str | None) -> NumberKind:
    import phonenumbers

    if number.startswith(_SATELLITE):
        return "satellite"
    if number.startswith(_INTERNATIONAL_PREMIUM):
        return "premium"
    if phonenumbers.is_valid_number(parsed):
        return _kinds_by_type()[phonenumbers.number_type(parsed)]
    # Only what is no subscriber's: Delhi's and Paris's own numbers begin with 112 too.
    digits = phonenumbers.national_significant_number(parsed)
    if main_region is not None and phonenumbers.connects_to_emergency_number(digits, main_region):
        return "emergency"
    if phonenumbers.is_valid_short_number(parsed):
        return "short"
    return "unknown"


@lru_cache(maxsize=1)
def _kinds_by_type() -> dict[int, NumberKind]:
    from phonenumbers import PhoneNumberType

    return {
        PhoneNumberType.FIXED_LINE: "fixed_line",
        PhoneNumberType.MOBILE: "mobile",
        PhoneNumberType.FIXED_LINE_OR_MOBILE: "fixed_line_or_mobile",
        PhoneNumberType.TOLL_FREE: "toll_free",
        PhoneNumberType.PREMIUM_RATE: "premium",
        PhoneNumberType.SHARED_COST: "shared_cost",
        PhoneNumberType.VOIP: "voip",
        PhoneNumberType.PERSONAL_NUMBER: "personal",
        PhoneNumberType.PAGER: "pager",
        PhoneNumberType.UAN: "uan",
        PhoneNumberType.VOICEMAIL: "voicemail",
        PhoneNumberType.UNKNOWN: "unknown",
    }


def _zones(parsed: PhoneNumber) -> tuple[str, ...]:
    from phonenumbers.timezone import time_zones_for_number
    from phonenumbers.tzdata import TIMEZONE_DATA

    zones = time_zones_for_number(parsed)
    if _UNKNOWN_ZONE in zones:
        # It is nobody's as far as is known, so it may be anywhere that its calling code reaches.
        zones = TIMEZONE_DATA.get(str(parsed.country_code), ())
    return tuple(zones)
