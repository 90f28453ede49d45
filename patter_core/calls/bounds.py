"""The bounds of what a call may be asked for; `arguments.py` checks them."""

from __future__ import annotations

import re

E164_PATTERN = r"^\+[1-9][0-9]{6,14}$"  # [0-9]: \d would let full-width digits in.
DEFAULT_DURATION_SEC = 180
LONGEST_DURATION_SEC = 1_800
GOAL_CHARS = 16_000
FIRST_MESSAGE_CHARS = 1_000

_E164 = re.compile(E164_PATTERN.strip("^$"))


def is_e164(number: object) -> bool:
    """Whether it is a number in E.164 form, as far as its form tells."""
    return isinstance(number, str) and _E164.fullmatch(number) is not None
