"""What the model gets to read: a tool's answer as text, or a failure as JSON."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import orjson
from pydantic import BaseModel

from patter_core.tools.invocation import ToolResult


class TooLarge(ValueError):
    """An answer is over the cap. It is never cut: half an answer says something else."""


class NotAnswerable(ValueError):
    """An answer cannot be written as JSON."""


def as_text(value: object, *, max_bytes: int) -> str:
    """A tool's answer as the model reads it: text as it is, anything else as compact JSON.

    NaN and the infinities become null, as JSON has no others.

    Args:
        value: What the tool returned: text, JSON's own types, dataclasses, pydantic models, dates.
        max_bytes: How long it may be, in UTF-8.

    Raises:
        TooLarge: It is longer.
        NotAnswerable: JSON has no words for it, it contains itself, or it is no Unicode.
    """
    if isinstance(value, str):
        # Not every text is ASCII, and only then does its length not tell.
        if len(value) > max_bytes or (not value.isascii() and len(_utf8(value)) > max_bytes):
            raise TooLarge
        return value
    data = _json(value)
    if len(data) > max_bytes:
        raise TooLarge
    return data.decode()


def _json(value: object) -> bytes:
    try:
        return orjson.dumps(value, default=_other)
    except (TypeError, ValueError, RecursionError):
        pass
    try:
        # Slower, and at home with keys that are numbers and with numbers of any length.
        text = json.dumps(
            value, default=_other, allow_nan=False, ensure_ascii=False, separators=(",", ":")
        )
    except (TypeError, ValueError, RecursionError) as error:
        raise NotAnswerable from error
    return _utf8(text)


def failure(function_call_id: str, code: str, detail: str, **more: Any) -> ToolResult:
    """A failed result, in the one shape that all failures have."""
    answer: dict[str, Any] = {"error": code, "detail": detail, "fallback": True, **more}
    try:
        output = orjson.dumps(answer).decode()
    except (TypeError, ValueError):  # A tool's own words, and half a surrogate pair among them.
        code, detail = (str(text).encode(errors="replace").decode() for text in (code, detail))
        output = orjson.dumps({"error": code, "detail": detail, "fallback": True, **more}).decode()
    return ToolResult(function_call_id, ok=False, error=code, output=output)


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise NotAnswerable from error


def _other(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError
