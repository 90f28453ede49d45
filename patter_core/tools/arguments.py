"""What a model sends as a tool's arguments, read and held to the tool's schema."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import orjson

from patter_core.tools.schema_validation import compile_schema

if TYPE_CHECKING:
    import jsonschema_rs

MAX_DEPTH = 100
"""How deep arguments may be nested."""
_SHOWN_PROBLEMS = 3
_SHOWN_CHARS = 300


class BadArguments(ValueError):
    """Arguments that a tool must not be run with; says why in a sentence for the model."""


def read_arguments(
    arguments: Mapping[str, Any] | str | bytes, *, max_bytes: int | None = None
) -> dict[str, Any]:
    """A model's arguments, as a fresh dict of nothing but JSON.

    Args:
        arguments: JSON text of an object, or the object itself. Blank text is an empty object.
        max_bytes: How long the text may be; None is as long as it likes.

    Raises:
        BadArguments: They are not a JSON object.
    """
    if isinstance(arguments, Mapping):
        return _plain_object(arguments, 0)
    if not isinstance(arguments, str | bytes):
        raise BadArguments("The arguments must be a JSON object.")
    if max_bytes is not None and len(arguments) > max_bytes:
        raise BadArguments("The arguments are too long.")
    if not arguments.strip():
        return {}
    try:
        data = orjson.loads(arguments)
    except ValueError as error:
        raise BadArguments("The arguments are not valid JSON.") from error
    if not isinstance(data, dict):
        raise BadArguments("The arguments must be a JSON object.")
    read = cast("dict[str, Any]", data)
    # Only a text with so many brackets can be nested too deep, for us or for a webhook's body.
    if len(arguments) > MAX_DEPTH and _brackets(arguments) > MAX_DEPTH:
        return _plain_object(read, 0)
    return read


class ArgumentCheck:
    """The compiled schema of one tool's arguments, made once and shared by all calls."""

    def __init__(self, parameters: Mapping[str, Any], *, tool: str) -> None:
        """Compile. Raises ToolSchemaError when it is no JSON Schema."""
        self._validator: jsonschema_rs.Draft202012Validator = compile_schema(parameters, tool=tool)

    def check(self, arguments: dict[str, Any]) -> None:
        """Hold `arguments` to the schema.

        Raises:
            BadArguments: They do not fit; names the places and quotes no values.
        """
        try:
            if self._validator.is_valid(arguments):
                return
            problems = [
                f"{'.'.join(str(step) for step in problem.instance_path) or 'arguments'}: "
                f"{problem.message}"
                for _, problem in zip(
                    range(_SHOWN_PROBLEMS), self._validator.iter_errors(arguments), strict=False
                )
            ]
        except ValueError as error:
            raise BadArguments("The arguments cannot be held to the tool's schema.") from error
        sentence = "; ".join(problems)[:_SHOWN_CHARS]
        raise BadArguments(f"The arguments do not fit the schema: {sentence}.")


def _brackets(text: str | bytes) -> int:
    if isinstance(text, bytes):
        return text.count(b"[") + text.count(b"{")
    return text.count("[") + text.count("{")


def _plain_object(value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for key, item in value.items():
        if not isinstance(key, str):
            raise BadArguments("The arguments have a key that is not text.")
        plain[_text(key)] = _plain(item, depth + 1)
    return plain


def _plain(value: object, depth: int) -> object:
    """`value` copied, once it is sure that JSON can say it."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, float) and math.isfinite(value):
        return value
    if depth < MAX_DEPTH:
        if isinstance(value, Mapping):
            return _plain_object(cast("Mapping[Any, Any]", value), depth)
        if isinstance(value, list | tuple):
            return [_plain(item, depth + 1) for item in cast("list[object]", value)]
    raise BadArguments("The arguments hold something that JSON cannot say, or are nested too deep.")


def _text(value: str) -> str:
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise BadArguments("The arguments hold text that is not Unicode.") from error
    return value
