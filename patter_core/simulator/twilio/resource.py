"""A call as Twilio's REST shows it, and Twilio's error body."""

from __future__ import annotations

from datetime import timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from patter_core.simulator.exchange import Switch
    from patter_core.simulator.leg import LegRecord

PRICED_AFTER_SEC = 10.0
"""How long after its end a call has a price."""
USD_PER_MINUTE = 0.014


def call_resource(switch: Switch, leg: LegRecord) -> dict[str, Any]:
    """The JSON of one call, now."""
    account = switch.account_sid
    uri = f"/2010-04-01/Accounts/{account}/Calls/{leg.sid}"
    ended, duration = leg.ended_at is not None, leg.duration_sec
    return {
        "sid": leg.sid,
        "account_sid": account,
        "parent_call_sid": None,
        "date_created": _moment(switch, leg.created_at),
        "date_updated": _moment(switch, leg.updated_at),
        "to": leg.to,
        "to_formatted": leg.to,
        "from": leg.from_,
        "from_formatted": leg.from_,
        "phone_number_sid": None,
        "status": leg.status,
        "start_time": _moment(switch, leg.started_at),
        "end_time": _moment(switch, leg.ended_at),
        "duration": str(duration) if ended else None,
        "price": _price(switch, leg),
        "price_unit": "USD",
        "direction": leg.direction,
        "answered_by": leg.answered_by,
        "api_version": "2010-04-01",
        "forwarded_from": None,
        "group_sid": None,
        "caller_name": None,
        "queue_time": "0",
        "trunk_sid": None,
        "uri": f"{uri}.json",
        "subresource_uris": {
            "recordings": f"{uri}/Recordings.json",
            "streams": f"{uri}/Streams.json",
            "events": f"{uri}/Events.json",
        },
    }


def error_body(code: int, message: str, status: int) -> dict[str, Any]:
    """The JSON of a refusal."""
    more_info = f"https://www.twilio.com/docs/errors/{code}"
    return {"code": code, "message": message, "more_info": more_info, "status": status}


def _moment(switch: Switch, seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return format_datetime(switch.clock.wall() - timedelta(seconds=switch.clock.now() - seconds))


def _price(switch: Switch, leg: LegRecord) -> str | None:
    """A negative decimal, some time after a call that somebody answered; None until then."""
    if leg.ended_at is None or leg.answered_at is None:
        return None
    if switch.clock.now() < leg.ended_at + PRICED_AFTER_SEC:
        return None
    minutes = max(1, -(-(leg.duration_sec or 0) // 60))
    return f"-{minutes * USD_PER_MINUTE:.5f}"
