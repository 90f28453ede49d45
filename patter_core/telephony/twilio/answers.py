"""What Twilio's REST answers mean: calls, error codes, times, read from bytes we do not trust."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, cast, get_args

import orjson

from patter_core.telephony.carrier import CarrierCall, CarrierCallId, CarrierStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

NO_SUCH_CALL = 20404
NOT_IN_PROGRESS = 21220
"""A call that is over cannot be changed any more."""

_CALL_SID = re.compile(r"CA[0-9a-fA-F]{32}")
_STATUSES: frozenset[str] = frozenset(get_args(CarrierStatus))
_REFUSALS = {
    20003: "Twilio did not accept the account's credentials",
    20008: "Twilio's test credentials cannot place calls",
    21201: "Twilio was given no number to call",
    21203: "The Twilio account may not call other countries",
    21205: "Twilio cannot use the phone's webhook URL; it has to be a public address",
    21210: "The number to call from is neither owned nor verified by the Twilio account",
    21211: "The number to call is not a valid phone number",
    21212: "The number to call from is not a valid phone number",
    21214: "The number to call cannot be reached",
    21215: "The Twilio account may not call that number's country or region",
    21216: "Twilio blocks calls to that number",
    21217: "The number to call is not a valid phone number",
    21219: "A Twilio trial account can only call numbers that were verified",
}


def json_object(body: bytes | None) -> Mapping[str, Any]:
    """The JSON object that a body holds; an empty one when it holds none."""
    try:
        value = orjson.loads(body or b"")
    except orjson.JSONDecodeError:
        return {}
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def error_code(answer: Mapping[str, Any]) -> int | None:
    """The code in an error body of Twilio's own making; None when somebody else made it."""
    match answer:
        # A boolean is an integer to Python.
        case {"code": int(code), "message": str()} if not isinstance(code, bool):
            return code
        case _:
            return None


def refusal(code: int) -> str:
    """Why Twilio said no, in a sentence of ours: its own may repeat numbers and URLs."""
    return _REFUSALS.get(code, f"Twilio refused the call; its error code is {code}")


def read_call_id(answer: Mapping[str, Any]) -> CarrierCallId | None:
    """The id of the call that an answer is about."""
    sid = answer.get("sid")
    return CarrierCallId(sid) if isinstance(sid, str) and _CALL_SID.fullmatch(sid) else None


def read_call(answer: Mapping[str, Any]) -> CarrierCall | None:
    """A call resource; None when a part is missing without which it says nothing."""
    call, to, from_ = read_call_id(answer), answer.get("to"), answer.get("from")
    status = answer.get("status")
    if call is None or status not in _STATUSES:
        return None
    if not (isinstance(to, str) and isinstance(from_, str)):
        return None
    price = _amount(answer.get("price")) if answer.get("price_unit") in ("USD", None) else None
    duration = _amount(answer.get("duration"))
    return CarrierCall(
        id=call,
        to=to,
        from_=from_,
        status=cast("CarrierStatus", status),
        created_at=moment(answer.get("date_created")),
        duration_sec=duration,
        price_usd=None if price is None else abs(price),  # What is charged is negative there.
    )


def read_calls(answer: Mapping[str, Any]) -> tuple[CarrierCall, ...] | None:
    """A listing's calls; None when one of them cannot be read.

    Leaving that one out would make several calls look like one, or one like none.
    """
    entries = answer.get("calls")
    if not isinstance(entries, list):
        return None
    calls: list[CarrierCall] = []
    for entry in cast("list[object]", entries):
        call = read_call(cast("Mapping[str, Any]", entry)) if isinstance(entry, dict) else None
        if call is None:
            return None
        calls.append(call)
    return tuple(calls)


def moment(text: object) -> datetime | None:
    """A time as mail and HTTP write it, aware, UTC; None when it is not one."""
    if not isinstance(text, str):
        return None
    try:
        time = parsedate_to_datetime(text)
        # "-0000" and no zone at all come out naive, and mean UTC.
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        return None


def retry_after_sec(text: str | None, now: datetime) -> float | None:
    """What a Retry-After header, in seconds or as a date, asks for; None when it is neither."""
    if text is None:
        return None
    if (seconds := _amount(text)) is not None:
        return max(0.0, seconds)
    at = moment(text)
    return None if at is None else max(0.0, (at - now).total_seconds())


def _amount(value: object) -> float | None:
    """A finite number, which Twilio mostly writes as text."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
