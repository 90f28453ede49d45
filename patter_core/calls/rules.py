"""The rules of a dial policy, one small function each: a proposed call in, a verdict out.

Those that look at the call alone never change their mind about it; the others are asked again at
the last moment, with what the phone has used up by then. Sentences name no number: they go to a
model, and into logs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from patter_core.calls.number_facts import facts_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from patter_core.calls.policy import DialPolicy
    from patter_core.calls.status import ErrorCode
    from patter_core.calls.tally import Tally

    FixedRule = Callable[[DialPolicy, "ProposedCall"], "Verdict"]
    ChangingRule = Callable[[DialPolicy, "ProposedCall", Tally, datetime], "Verdict"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedCall:
    """A call, as the rules see it.

    Attributes:
        to: The number to ring, E.164.
        from_: The phone's own number, E.164; "" when there is none.
        most_usd: What the carrier is assumed to charge at most.
    """

    to: str
    from_: str
    max_duration_sec: int
    most_usd: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one rule says of a call.

    Attributes:
        code: The error code of a call that this rule refuses.
        sentence: Why it is allowed, or refused and what to do about it; without a full stop.
    """

    code: ErrorCode
    allowed: bool
    sentence: str

    @property
    def rule(self) -> str:
        """The rule's short name."""
        return self.code.removeprefix("policy_")


def _yes(code: ErrorCode, sentence: str) -> Verdict:
    return Verdict(code=code, allowed=True, sentence=sentence)


def _no(code: ErrorCode, sentence: str) -> Verdict:
    return Verdict(code=code, allowed=False, sentence=sentence)


_OFF = "The dial policy has no such rule"


# --- rules that look at the call alone -----------------------------------------------------------


def number(policy: DialPolicy, call: ProposedCall) -> Verdict:
    """It can exist, and is written in the one way that cannot be taken for another number."""
    if not policy.possible_numbers_only:
        return _yes("policy_number", _OFF)
    facts = facts_of(call.to)
    if not facts.possible:
        return _no(
            "policy_number",
            "There can be no such number: its country has none of this length; check the digits",
        )
    if not facts.canonical:
        return _no(
            "policy_number",
            "The number has digits that its network drops: write it without the national prefix, "
            "such as the 0 in +44 (0) 20",
        )
    return _yes("policy_number", "The number can exist, and is written as it should be")


def kind(policy: DialPolicy, call: ProposedCall) -> Verdict:
    """It is none of the kinds that are never rung."""
    if not policy.refused_kinds:
        return _yes("policy_kind", _OFF)
    words = facts_of(call.to).kind.replace("_", " ")
    if facts_of(call.to).kind in policy.refused_kinds:
        return _no("policy_kind", f"The dial policy refuses numbers of this kind: {words}")
    return _yes("policy_kind", f"The kind of number is not refused: {words}")


def country(policy: DialPolicy, call: ProposedCall) -> Verdict:
    """It is in a country where people may be rung."""
    if policy.countries == "any":
        return _yes("policy_country", _OFF)
    region = facts_of(call.to).region
    if policy.countries == "own":
        own = facts_of(call.from_)
        home = own.region or own.main_region
        allowed = [] if home is None else [home]
    else:
        allowed = list(policy.countries)
    if region is None:
        return _no(
            "policy_country",
            "It is not known which country the number belongs to, so it is not rung; check the "
            "digits",
        )
    shown = ", ".join(allowed) or "none, because the phone's own country is not known"
    if region not in allowed:
        return _no(
            "policy_country",
            f"The number belongs to {region}; countries that the dial policy allows: {shown}",
        )
    return _yes("policy_country", f"The number belongs to {region}, which is allowed")


def denied(policy: DialPolicy, call: ProposedCall) -> Verdict:
    """It is not on the developer's list of numbers that are never rung."""
    if not policy.deny:
        return _yes("policy_denied", _OFF)
    if call.to.startswith(tuple(policy.deny)):
        return _no("policy_denied", "The dial policy denies this number")
    return _yes("policy_denied", "The number is not among those that are denied")


def not_allowed(policy: DialPolicy, call: ProposedCall) -> Verdict:
    """It is on the developer's list of numbers that may be rung, if there is such a list."""
    if not policy.allow:
        return _yes("policy_not_allowed", _OFF)
    if not call.to.startswith(tuple(policy.allow)):
        return _no("policy_not_allowed", "The dial policy does not allow this number")
    return _yes("policy_not_allowed", "The number is among those that are allowed")


def max_call_sec(policy: DialPolicy, call: ProposedCall) -> Verdict:
    """It may not last longer than calls may."""
    asked, most = call.max_duration_sec, policy.max_call_sec
    if asked > most:
        return _no(
            "policy_max_call_sec",
            f"'max_duration_sec' is {asked}; the dial policy allows at most {most}",
        )
    return _yes("policy_max_call_sec", f"{asked} s are asked for, and {most} s allowed")


def usd_per_call(policy: DialPolicy, call: ProposedCall) -> Verdict:
    """One call does not cost too much."""
    cap = policy.usd_per_call
    if cap is None:
        return _yes("policy_usd_per_call", _OFF)
    if round(call.most_usd, 6) > cap:
        return _no(
            "policy_usd_per_call",
            f"The call may cost up to ${call.most_usd:g}, and the dial policy allows ${cap:g} for "
            "one; ask for a smaller 'max_duration_sec'",
        )
    return _yes(
        "policy_usd_per_call", f"It may cost up to ${call.most_usd:g}, and ${cap:g} are allowed"
    )


# --- rules that change their mind ----------------------------------------------------------------


def do_not_call(policy: DialPolicy, call: ProposedCall, tally: Tally, now: datetime) -> Verdict:
    """Whoever has it has not asked to be left alone."""
    del call, now
    if not policy.do_not_call:
        return _yes("policy_do_not_call", _OFF)
    if tally.do_not_call:
        return _no(
            "policy_do_not_call",
            "This number is on the do-not-call list: do not ring it, today or later",
        )
    return _yes("policy_do_not_call", "The number is not on the do-not-call list")


def quiet_hours(policy: DialPolicy, call: ProposedCall, tally: Tally, now: datetime) -> Verdict:
    """It is day wherever the callee may be, for each of the callee's possible time zones."""
    del tally
    if policy.calling_hours is None:
        return _yes("policy_quiet_hours", _OFF)
    begins, ends = policy.calling_hours
    zones = facts_of(call.to).zones
    if not zones:
        return _no(
            "policy_quiet_hours",
            "It is not known what time it is where this number rings, so it is not rung",
        )
    for zone in zones:
        hour = _local_hour(zone, now)
        if hour is None:
            return _no(
                "policy_quiet_hours",
                f"This machine does not know the time zone {zone}: install the package tzdata",
            )
        if not begins <= hour < ends:
            local = f"{now.astimezone(ZoneInfo(zone)):%H:%M}"
            return _no(
                "policy_quiet_hours",
                f"It may be {local} where this number rings ({zone}), and people are rung from "
                f"{begins}:00 to {ends}:00 only; call again when it is day there",
            )
    where = zones[0] if len(zones) == 1 else f"all of its {len(zones)} time zones"
    return _yes("policy_quiet_hours", f"It is between {begins}:00 and {ends}:00 in {where}")


def _local_hour(zone: str, now: datetime) -> int | None:
    try:
        return now.astimezone(ZoneInfo(zone)).hour
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def calls_per_number(
    policy: DialPolicy, call: ProposedCall, tally: Tally, now: datetime
) -> Verdict:
    """The callee has not been rung too often."""
    del call, now
    return _within(
        "policy_calls_per_number",
        tally.calls_to_number,
        policy.calls_per_number,
        "to this number in the last 24 hours",
    )


def calls_per_hour(policy: DialPolicy, call: ProposedCall, tally: Tally, now: datetime) -> Verdict:
    """The phone has not rung too many people in an hour."""
    del call, now
    return _within(
        "policy_calls_per_hour", tally.calls_in_hour, policy.calls_per_hour, "in the last hour"
    )


def calls_per_day(policy: DialPolicy, call: ProposedCall, tally: Tally, now: datetime) -> Verdict:
    """The phone has not rung too many people in a day."""
    del call, now
    return _within(
        "policy_calls_per_day", tally.calls_in_day, policy.calls_per_day, "in the last 24 hours"
    )


def _within(code: ErrorCode, used: int, cap: int | None, when: str) -> Verdict:
    if cap is None:
        return _yes(code, _OFF)
    counted = f"{used} of {cap} calls {when}"
    if used >= cap:
        return _no(code, f"The dial policy's cap is reached: {counted}; call again later")
    return _yes(code, f"Used so far: {counted}")


def usd_per_day(policy: DialPolicy, call: ProposedCall, tally: Tally, now: datetime) -> Verdict:
    """What a day's calls may cost is not used up."""
    del now
    return _affordable(
        "policy_usd_per_day",
        tally.usd_in_day,
        call.most_usd,
        policy.usd_per_day,
        "in the last 24 hours",
    )


def usd_per_phone(policy: DialPolicy, call: ProposedCall, tally: Tally, now: datetime) -> Verdict:
    """What all of this phone's calls may cost is not used up."""
    del now
    return _affordable(
        "policy_usd_per_phone",
        tally.usd_in_all,
        call.most_usd,
        policy.usd_per_phone,
        "in all",
    )


def _affordable(code: ErrorCode, used: float, most: float, cap: float | None, when: str) -> Verdict:
    if cap is None:
        return _yes(code, _OFF)
    spent = f"${used:g} of ${cap:g} are spent or reserved {when}, and this call may cost ${most:g}"
    if round(used + most, 6) > cap:
        return _no(code, f"The dial policy's budget does not suffice: {spent}")
    return _yes(code, spent[0].upper() + spent[1:])


FIXED_RULES: tuple[FixedRule, ...] = (
    number,
    kind,
    country,
    denied,
    not_allowed,
    max_call_sec,
    usd_per_call,
)
"""In the order in which they are asked."""

CHANGING_RULES: tuple[ChangingRule, ...] = (
    do_not_call,
    quiet_hours,
    calls_per_number,
    calls_per_hour,
    calls_per_day,
    usd_per_day,
    usd_per_phone,
)

TRANSFER_RULES: tuple[FixedRule, ...] = (number, kind, country, denied, not_allowed)
CHANGING_TRANSFER_RULES: tuple[ChangingRule, ...] = (do_not_call, quiet_hours)
