"""Whom calls may be handed over to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from patter_core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection


@dataclass(frozen=True, slots=True)
class Destinations:
    """Whom calls may be handed over to: what the developer named, and nobody else.

    Attributes:
        named: E.164 by the name that the model uses.
        numbers: E.164 that need no name.
    """

    named: Mapping[str, str] = field(default_factory=dict[str, str])
    numbers: frozenset[str] = frozenset()

    @property
    def all_numbers(self) -> frozenset[str]:
        """Every number, named or not."""
        return self.numbers | frozenset(self.named.values())

    @classmethod
    def of(cls, transfer_to: object) -> Destinations:
        """What `transfer_to` says: a number, a list of them, or numbers by name.

        Raises:
            ConfigError: It is something else.
        """
        if transfer_to is None:
            return cls()
        if isinstance(transfer_to, str):
            return cls(numbers=frozenset([_number(transfer_to)]))
        if isinstance(transfer_to, Mapping):
            pairs = cast("Mapping[object, object]", transfer_to).items()
            return cls(named={_name(name): _number(number) for name, number in pairs})
        if isinstance(transfer_to, list | tuple | set | frozenset):
            numbers = cast("Collection[object]", transfer_to)
            return cls(numbers=frozenset(_number(number) for number in numbers))
        raise ConfigError("transfer_to takes a number, a list of numbers, or numbers by name")


def _number(number: object) -> str:
    digits = number[1:] if isinstance(number, str) else ""
    if not (
        isinstance(number, str)
        and number.startswith("+")
        and digits.isascii()
        and digits.isdigit()
        and 7 <= len(digits) <= 15
    ):
        raise ConfigError(f"transfer_to: {number!r} is no E.164 number, as in '+14155552671'")
    return number


def _name(name: object) -> str:
    if not (isinstance(name, str) and 0 < len(name) <= 100):
        raise ConfigError(f"transfer_to: {name!r} is no name of a destination")
    return name
