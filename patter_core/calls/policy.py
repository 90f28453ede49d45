"""Who may be rung, when, how often, for how long and for how much."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from patter_core.calls.bounds import LONGEST_DURATION_SEC
from patter_core.calls.number_facts import KINDS
from patter_core.calls.rules import (
    CHANGING_RULES,
    CHANGING_TRANSFER_RULES,
    FIXED_RULES,
    TRANSFER_RULES,
    ProposedCall,
    Verdict,
)
from patter_core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
    from datetime import datetime

    from patter_core.calls.request import CallRequest
    from patter_core.calls.status import ErrorCode
    from patter_core.calls.tally import Tally

    Consent = Callable[[CallRequest], Awaitable[bool | str] | bool | str]

_PREFIX = re.compile(r"\+[0-9]{1,15}")
_REGION = re.compile(r"[A-Z]{2}")
_COUNTS = ("calls_per_number", "calls_per_hour", "calls_per_day")
_BUDGETS = ("usd_per_call", "usd_per_day", "usd_per_phone")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A rule's no."""

    code: ErrorCode
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DialPolicy:
    """Rules that a call must pass, every one of them. All are on unless told otherwise.

    Not legal advice, and no substitute for it: the law on calling people (consent, hours,
    registers of those who want no calls, the disclosure of an artificial voice, recording) differs
    from place to place, and these rules know nothing of it. They keep an agent that was talked into
    something, or a loop that went wrong, from doing much harm.

    The number's form is checked with the arguments, always. A call that a rule refuses is
    `rejected`, with the error code `policy_` and the rule's name. Windows roll and go by the wall
    clock (`Clock.wall`): "per day" is any 24 hours, "per hour" any 60 minutes. What is counted is
    what the phone's ledger holds for its carrier account and number, calls under way included,
    calls that are known never to have been dialled not.

    Attributes:
        possible_numbers_only: Only numbers of a length that their country has, written without
            digits that the network drops (`policy_number`).
        refused_kinds: Kinds of number that are never rung, by libphonenumber: see `NumberKind`
            (`policy_kind`). With "unknown" among them only numbers are rung that libphonenumber
            knows to be given to somebody.
        countries: "own" for the country of the phone's own number (where that is not known, the
            one that its calling code is named for), "any", or a list as in ["US", "CA"]. Numbers
            whose country is not known are rung with "any" alone (`policy_country`).
        deny: Numbers, or their beginnings, that are never rung; wins over `allow`
            (`policy_denied`).
        allow: When not empty, only these numbers, or numbers that begin with one of them, are
            rung. Each is E.164 or the beginning of it, as in "+1415". It lifts no other rule
            (`policy_not_allowed`).
        max_call_sec: The longest `max_duration_sec` that a call may ask for.
        consent: Asked about each call, like `approve` and before it, on the loop where hooks run:
            has whoever has this number agreed to be rung? Yes is True; a text is the reason for a
            no; raising means no (`policy_consent`).
        do_not_call: Numbers on the ledger's do-not-call list are not rung. Turned off, people who
            asked to be left alone are rung.
        calling_hours: From which hour on, and before which, people are rung: whole hours of the
            local time in every zone where the number may ring. None for any time
            (`policy_quiet_hours`).
        calls_per_number: How often one number is rung in 24 hours. None for no cap; likewise below.
        calls_per_hour: How many calls the phone makes in an hour.
        calls_per_day: How many it makes in 24 hours.
        usd_per_call: What one call may cost at most, by the carrier's assumed price of a minute and
            the longest that the call may last.
        usd_per_day: What the calls of 24 hours may cost, in US dollars. While a call is under way
            the most that it may cost is reserved; once it is over, what it did cost counts.
        usd_per_phone: What all calls may cost for as long as the ledger is kept.
        dry_run: Nothing is dialled: a call that passes every rule is rejected with `dry_run`.
        disclosure: What is said, in one breath, before the first message: that an AI calls, say.
        recording_announcement: What is said after that when the call is recorded.

    Raises:
        ConfigError: A value is none that its rule can use; it says which.
    """

    possible_numbers_only: bool = True
    refused_kinds: Collection[str] = ("premium", "shared_cost", "satellite", "emergency", "short")
    countries: Sequence[str] | Literal["own", "any"] = "own"
    deny: Sequence[str] = ()
    allow: Sequence[str] = ()
    max_call_sec: int = LONGEST_DURATION_SEC
    consent: Consent | None = None
    do_not_call: bool = True
    calling_hours: tuple[int, int] | None = (8, 21)
    calls_per_number: int | None = 5
    calls_per_hour: int | None = 60
    calls_per_day: int | None = 500
    usd_per_call: float | None = 2.0
    usd_per_day: float | None = 20.0
    usd_per_phone: float | None = None
    dry_run: bool = False
    disclosure: str = ""
    recording_announcement: str = ""

    def __post_init__(self) -> None:
        for rule in ("deny", "allow"):
            object.__setattr__(self, rule, _prefixes(rule, getattr(self, rule)))
        object.__setattr__(self, "refused_kinds", _kinds(self.refused_kinds))
        object.__setattr__(self, "countries", _countries(self.countries))
        object.__setattr__(self, "calling_hours", _hours(self.calling_hours))
        if not 1 <= self.max_call_sec <= LONGEST_DURATION_SEC:
            raise ConfigError(
                f"DialPolicy(max_call_sec={self.max_call_sec!r}) must be from 1 to "
                f"{LONGEST_DURATION_SEC}"
            )
        for rule in _COUNTS:
            _check_cap(rule, getattr(self, rule), int)
        for rule in _BUDGETS:
            _check_cap(rule, getattr(self, rule), int | float)
        if self.consent is not None and not callable(self.consent):
            raise ConfigError("DialPolicy(consent=...) takes a function, as approve= does")

    @classmethod
    def simulation(cls, **rules: Any) -> DialPolicy:
        """The policy on the phone network: the number's form, and nothing else.

        Args:
            **rules: Attributes of the policy that are to be on all the same.
        """
        off: dict[str, Any] = {
            "possible_numbers_only": False,
            "refused_kinds": (),
            "countries": "any",
            "do_not_call": False,
            "calling_hours": None,
            **dict.fromkeys((*_COUNTS, *_BUDGETS)),
        }
        return cls(**{**off, **rules})

    @property
    def changes(self) -> bool:
        """Whether any rule depends on the hour, or on what the phone has used up."""
        caps = (self.calling_hours, *(getattr(self, rule) for rule in (*_COUNTS, *_BUDGETS)))
        return self.do_not_call or any(cap is not None for cap in caps)

    def said_first(self, *, recording: bool) -> str:
        """What people must be told before anything else."""
        announcement = self.recording_announcement if recording else ""
        return " ".join(part.strip() for part in (self.disclosure, announcement) if part.strip())

    def judge(self, call: ProposedCall) -> Refusal | None:
        """The first rule that says no to `call`, of those that look at the call alone.

        `dry_run` is asked last, by whoever dials, so that a rehearsal shows every other no.
        """
        return _first_no(rule(self, call) for rule in FIXED_RULES)

    def admit(self, call: ProposedCall, tally: Tally, now: datetime) -> Refusal | None:
        """The first rule that says no, of those that change: asked when the intent is written."""
        return _first_no(rule(self, call, tally, now) for rule in CHANGING_RULES)

    def verdicts(self, call: ProposedCall, tally: Tally, now: datetime) -> tuple[Verdict, ...]:
        """What each rule says of `call`, in the order of asking; `consent` is not asked."""
        return (
            *(rule(self, call) for rule in FIXED_RULES),
            *(rule(self, call, tally, now) for rule in CHANGING_RULES),
        )

    def judge_transfer(self, call: ProposedCall, tally: Tally, now: datetime) -> Refusal | None:
        """The first rule that says no to handing a live call on to `call.to`.

        To be asked before a carrier is told to connect anybody else, whether by a transfer or by
        digits that a switchboard at the other end would dial. These are the rules about whom a
        number belongs to: that it can exist, its kind, its country, both lists, the do-not-call
        list and the hours. Caps and budgets are not asked: the call has passed them. That a
        destination was named by the developer is for the caller to see to.
        """
        refusal = _first_no(rule(self, call) for rule in TRANSFER_RULES)
        return refusal or _first_no(
            rule(self, call, tally, now) for rule in CHANGING_TRANSFER_RULES
        )


def _first_no(verdicts: Iterable[Verdict]) -> Refusal | None:
    for verdict in verdicts:
        if not verdict.allowed:
            return Refusal(code=verdict.code, sentence=verdict.sentence)
    return None


# --- what a value must be ------------------------------------------------------------------------


def _prefixes(rule: str, prefixes: Sequence[str]) -> tuple[str, ...]:
    if isinstance(prefixes, str):
        raise ConfigError(f"DialPolicy({rule}=...) takes a list, as in [{prefixes!r}]")
    for prefix in prefixes:
        if not (isinstance(prefix, str) and _PREFIX.fullmatch(prefix)):
            raise ConfigError(
                f"DialPolicy({rule}=...) has {prefix!r}; each entry is an E.164 number "
                "or its beginning, as in '+1415'"
            )
    return tuple(prefixes)


def _kinds(kinds: Collection[str]) -> frozenset[str]:
    if isinstance(kinds, str):
        raise ConfigError(f"DialPolicy(refused_kinds=...) takes a list, as in [{kinds!r}]")
    if unknown := sorted(str(kind) for kind in kinds if kind not in KINDS):
        raise ConfigError(
            f"DialPolicy(refused_kinds=...) has {', '.join(unknown)}; the kinds are "
            f"{', '.join(sorted(KINDS))}"
        )
    return frozenset(kinds)


def _countries(countries: Sequence[str] | str) -> tuple[str, ...] | str:
    if isinstance(countries, str):
        if countries in ("own", "any"):
            return countries
        raise ConfigError(
            f"DialPolicy(countries={countries!r}) is 'own', 'any', or a list, as in ['US', 'CA']"
        )
    for region in countries:
        if not (isinstance(region, str) and _REGION.fullmatch(region)):
            raise ConfigError(
                f"DialPolicy(countries=...) has {region!r}; each entry is two capital letters of "
                "ISO 3166, as in 'US' or 'GB'"
            )
    return tuple(countries)


def _hours(hours: tuple[int, int] | None) -> tuple[int, int] | None:
    if hours is None:
        return None
    advice = "takes two whole hours from 0 to 24, the earlier first, as in (8, 21), or None"
    try:
        begins, ends = hours
    except (TypeError, ValueError) as error:
        raise ConfigError(f"DialPolicy(calling_hours={hours!r}) {advice}") from error
    whole = all(isinstance(hour, int) and not isinstance(hour, bool) for hour in (begins, ends))
    if not (whole and 0 <= begins < ends <= 24):
        raise ConfigError(f"DialPolicy(calling_hours={hours!r}) {advice}")
    return begins, ends


def _check_cap(rule: str, cap: float | None, kind: Any) -> None:  # noqa: ANN401 - a type, or several
    if cap is None:
        return
    # Not a number is no cap: it is neither below nor above anything.
    if not isinstance(cap, kind) or isinstance(cap, bool) or not cap >= 0:
        raise ConfigError(
            f"DialPolicy({rule}={cap!r}) is a {'whole number' if kind is int else 'number'} "
            "from 0 up, or None for no cap"
        )
