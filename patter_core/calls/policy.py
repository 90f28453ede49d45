"""Who may be rung, and for how long: decided before anything is written or dialled."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from patter_core.calls.bounds import LONGEST_DURATION_SEC
from patter_core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from patter_core.calls.status import ErrorCode

_PREFIX = re.compile(r"\+[0-9]{1,15}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A rule's no."""

    code: ErrorCode
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DialPolicy:
    """Rules that a call must pass. The number's form is checked with the arguments, always.

    Attributes:
        allow: When not empty, only these numbers, or numbers that begin with one of them, are
            rung. Each is E.164 or the beginning of it, as in "+1415".
        deny: Numbers, or their beginnings, that are never rung; wins over `allow`.
        max_call_sec: The longest `max_duration_sec` that a call may ask for.
        dry_run: Nothing is dialled: a call that passes every rule is rejected with `dry_run`.
        disclosure: What is said, in one breath, before the first message: that an AI calls, say.
        recording_announcement: What is said after that when the call is recorded.

    Raises:
        ConfigError: A prefix is not the beginning of an E.164 number, or a bound is out of range.
    """

    allow: Sequence[str] = ()
    deny: Sequence[str] = ()
    max_call_sec: int = LONGEST_DURATION_SEC
    dry_run: bool = False
    disclosure: str = ""
    recording_announcement: str = ""

    def __post_init__(self) -> None:
        for rule in ("allow", "deny"):
            prefixes = getattr(self, rule)
            if isinstance(prefixes, str):
                raise ConfigError(f"DialPolicy({rule}=...) takes a list, as in [{prefixes!r}]")
            for prefix in prefixes:
                if not (isinstance(prefix, str) and _PREFIX.fullmatch(prefix)):
                    raise ConfigError(
                        f"DialPolicy({rule}=...) has {prefix!r}; each entry is an E.164 number "
                        "or its beginning, as in '+1415'"
                    )
            object.__setattr__(self, rule, tuple(prefixes))
        if not 1 <= self.max_call_sec <= LONGEST_DURATION_SEC:
            raise ConfigError(
                f"DialPolicy(max_call_sec={self.max_call_sec!r}) must be from 1 to "
                f"{LONGEST_DURATION_SEC}"
            )

    @classmethod
    def simulation(cls) -> DialPolicy:
        """The policy on the phone network: the number's form, and nothing else."""
        return cls()

    def said_first(self, *, recording: bool) -> str:
        """What people must be told before anything else."""
        announcement = self.recording_announcement if recording else ""
        return " ".join(part.strip() for part in (self.disclosure, announcement) if part.strip())

    def judge(self, to: str, max_duration_sec: int) -> Refusal | None:
        """The first rule that says no to ringing `to`, in the order of the attributes; or None.

        `dry_run` is asked last, by whoever dials, so that a rehearsal shows every other no.
        """
        if to.startswith(tuple(self.deny)):
            return Refusal(code="policy_denied", sentence="The dial policy denies this number")
        if self.allow and not to.startswith(tuple(self.allow)):
            return Refusal(
                code="policy_not_allowed", sentence="The dial policy does not allow this number"
            )
        if max_duration_sec > self.max_call_sec:
            return Refusal(
                code="policy_max_call_sec",
                sentence=(
                    f"'max_duration_sec' is {max_duration_sec}; the dial policy allows at most "
                    f"{self.max_call_sec}"
                ),
            )
        return None
