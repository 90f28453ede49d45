"""The dial policy a second time, told from its documentation and not from its code.

It is slow and plain on purpose: it counts a list of calls where the engine asks a ledger, does its
own arithmetic in whole millionths of a dollar, and asks libphonenumber by other functions.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

import phonenumbers
from phonenumbers import PhoneNumberType, timezone
from phonenumbers.shortnumberinfo import connects_to_emergency_number, is_valid_short_number

PREMIUM_AND_SHARED = {
    PhoneNumberType.PREMIUM_RATE: "premium",
    PhoneNumberType.SHARED_COST: "shared_cost",
}


@dataclass(frozen=True)
class PastCall:
    """A call in the record: to whom, when, for how many millionths of a dollar."""

    to: str
    at: object
    micro_usd: int
    dialled: bool


def codes(rules, call, past, opted_out, now):
    """The codes of all rules that refuse `call`, as a set."""
    refused = set()
    number = phonenumbers.parse(call["to"])
    region = phonenumbers.region_code_for_number(number)
    if rules["possible_numbers_only"]:
        reason = phonenumbers.is_possible_number_with_reason(number)
        rewritten = f"+{number.country_code}{phonenumbers.national_significant_number(number)}"
        if reason != phonenumbers.ValidationResult.IS_POSSIBLE or rewritten != call["to"]:
            refused.add("policy_number")
    if kind_of(call["to"], number) in rules["refused_kinds"]:
        refused.add("policy_kind")
    if rules["countries"] != "any":
        allowed = rules["countries"]
        if allowed == "own":
            own = phonenumbers.parse(call["from_"])
            allowed = [
                phonenumbers.region_code_for_number(own)
                or phonenumbers.COUNTRY_CODE_TO_REGION_CODE[own.country_code][0]
            ]
        if region in (None, "001") or region not in allowed:
            refused.add("policy_country")
    if any(call["to"][: len(prefix)] == prefix for prefix in rules["deny"]):
        refused.add("policy_denied")
    if rules["allow"] and not any(call["to"][: len(prefix)] == prefix for prefix in rules["allow"]):
        refused.add("policy_not_allowed")
    if call["max_duration_sec"] > rules["max_call_sec"]:
        refused.add("policy_max_call_sec")
    if rules["usd_per_call"] is not None and call["micro_usd"] > micro(rules["usd_per_call"]):
        refused.add("policy_usd_per_call")
    if rules["do_not_call"] and call["to"] in opted_out:
        refused.add("policy_do_not_call")
    if rules["calling_hours"] is not None and not is_day(number, rules["calling_hours"], now):
        refused.add("policy_quiet_hours")
    day = [each for each in past if now - each.at < timedelta(days=1)]
    hour = [each for each in day if now - each.at < timedelta(seconds=3600)]
    counts = {
        "calls_per_number": sum(each.dialled and each.to == call["to"] for each in day),
        "calls_per_hour": sum(each.dialled for each in hour),
        "calls_per_day": sum(each.dialled for each in day),
    }
    for rule, count in counts.items():
        if rules[rule] is not None and count + 1 > rules[rule]:
            refused.add(f"policy_{rule}")
    spent = {
        "usd_per_day": sum(each.micro_usd for each in day),
        "usd_per_phone": sum(each.micro_usd for each in past),
    }
    for rule, micro_usd in spent.items():
        if rules[rule] is not None and micro_usd + call["micro_usd"] > micro(rules[rule]):
            refused.add(f"policy_{rule}")
    return refused


def micro(usd):
    return round(usd * 1_000_000)


def kind_of(text, number):
    code = number.country_code
    if code in (870, 881, 882):
        return "satellite"
    national = str(number.national_number)
    if (code == 61 and national[:3] in ("145", "147")) or (
        code == 86 and national[:4] in ("1349", "1740")
    ):
        return "satellite"
    if code == 979:
        return "premium"
    region = phonenumbers.COUNTRY_CODE_TO_REGION_CODE[code][0]
    if phonenumbers.number_type(number) == PhoneNumberType.UNKNOWN:
        if region != "001" and connects_to_emergency_number(
            phonenumbers.national_significant_number(number), region
        ):
            return "emergency"
        return "short" if is_valid_short_number(number) else "other"
    return PREMIUM_AND_SHARED.get(phonenumbers.number_type(number), "other")


def is_day(number, hours, now):
    zones = timezone.time_zones_for_number(number)
    if zones == ("Etc/Unknown",):
        zones = timezone.TIMEZONE_DATA.get(str(number.country_code), ())
    if not zones:
        return False
    for zone in zones:
        local = now.astimezone(ZoneInfo(zone))
        minutes = local.hour * 60 + local.minute
        if minutes < hours[0] * 60 or minutes >= hours[1] * 60:
            return False
    return True
