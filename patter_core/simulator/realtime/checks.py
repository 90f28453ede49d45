"""Checks of values from the wire, put together as a schema is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

Check = Callable[[object, str], None]
"""Looks at a value, whose path in the event is given; raises `BadEvent` when it is not right."""


class BadEvent(Exception):
    """A client event that the service answers with an error.

    Attributes:
        code: The service's word for it.
        param: What is wrong, as a path; None for the event as a whole.
    """

    def __init__(self, message: str, code: str = "invalid_value", param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.param = param


def anything(_value: object, _path: str) -> None:
    """Whatever it is."""


def text(value: object, path: str) -> None:
    """A string."""
    if not isinstance(value, str):
        raise wrong_type(path, "a string", value)


def flag(value: object, path: str) -> None:
    """True or false."""
    if not isinstance(value, bool):
        raise wrong_type(path, "a boolean", value)


def number(least: float, most: float, *, whole: bool = False) -> Check:
    """A number within these bounds."""

    def check(value: object, path: str) -> None:
        right = isinstance(value, int) or (isinstance(value, float) and not whole)
        if not isinstance(value, int | float) or isinstance(value, bool) or not right:
            raise wrong_type(path, "an integer" if whole else "a number", value)
        if not least <= value <= most:
            raise BadEvent(f"Invalid '{path}': out of range.", "invalid_value", path)

    return check


def one_of(*values: object) -> Check:
    """One of these values, and of the same type: 1 is not true."""

    def check(value: object, path: str) -> None:
        if not any(value == one and type(value) is type(one) for one in values):
            raise BadEvent(f"Invalid value: {value!r}.", "invalid_value", path)

    return check


def an_object(value: object, path: str) -> None:
    """An object with whatever keys."""
    fields_of(value, path)


def fields_of(value: object, path: str) -> dict[str, Any]:
    """What the object `value` has."""
    if not isinstance(value, dict):
        raise wrong_type(path, "an object", value)
    return cast("dict[str, Any]", value)


def closed(fields: dict[str, Check], required: tuple[str, ...] = ()) -> Check:
    """An object with no keys but these; `required` are those that it must have."""

    def check(value: object, path: str) -> None:
        given = fields_of(value, path)
        for name in required:
            if name not in given:
                where = _join(path, name)
                raise BadEvent(
                    f"Missing required parameter: '{where}'.", "missing_required_parameter", where
                )
        for name, part in given.items():
            where = _join(path, name)
            if name not in fields:
                raise BadEvent(f"Unknown parameter: '{where}'.", "unknown_parameter", where)
            fields[name](part, where)

    return check


def each(check_one: Check) -> Check:
    """An array whose every element passes."""

    def check(value: object, path: str) -> None:
        if not isinstance(value, list):
            raise wrong_type(path, "an array", value)
        for at, part in enumerate(cast("list[Any]", value)):
            check_one(part, f"{path}[{at}]")

    return check


def maybe(check_some: Check) -> Check:
    """Null, or what passes."""

    def check(value: object, path: str) -> None:
        if value is not None:
            check_some(value, path)

    return check


def either(*checks: Check) -> Check:
    """What passes any of these; what the last one says of it, when it passes none."""

    def check(value: object, path: str) -> None:
        for at, one in enumerate(checks):
            try:
                return one(value, path)
            except BadEvent:
                if at == len(checks) - 1:
                    raise
        return None

    return check


def wrong_type(path: str, wanted: str, value: object) -> BadEvent:
    """What is said of a value that is not `wanted`."""
    return BadEvent(
        f"Invalid type for '{path}': expected {wanted}, but got {type(value).__name__}.",
        "invalid_type",
        path,
    )


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
