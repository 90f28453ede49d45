"""What happens to a call, as the JSON-safe data that frameworks stream."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from patter_core.calls.result import CallResult
from patter_core.calls.transcript import Turn

if TYPE_CHECKING:
    from patter_core.calls.events import ProgressEvent


def event_data(event: ProgressEvent) -> dict[str, Any]:
    """The event's fields: `type` and `call_id` always, the others as its class has them."""
    data: dict[str, Any] = {}
    for field in dataclasses.fields(event):
        value = getattr(event, field.name)
        data[field.name] = value.to_dict() if isinstance(value, Turn | CallResult) else value
    return data
