"""What a scripted Realtime service gets wrong on command."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Literal

RealtimeTrouble = Literal[
    "disconnect", "close", "expire", "stall", "garbage", "nonsense", "omit", "error"
]


@dataclass(slots=True, kw_only=True)
class _Planned:
    kind: RealtimeTrouble
    at: str | int
    times: int | None


class Troubles:
    """Troubles on command. Usable from any thread; the oldest that matches strikes first.

    "disconnect" aborts the connection instead of the event, "close" says goodbye and closes it,
    "expire" tells that the session was too long first. "stall" sends nothing any more, "omit" only
    leaves this event out. "garbage" sends what is no JSON in its place, "nonsense" the event
    without what it must have, "error" an error event before it.
    """

    def __init__(self) -> None:
        """Begin flawless."""
        self._lock = threading.Lock()
        self._planned: list[_Planned] = []

    def plan(self, kind: RealtimeTrouble, at: str | int, times: int | None = 1) -> None:
        """Spoil events of the type `at`, or the event with this number among all that are sent."""
        with self._lock:
            self._planned.append(_Planned(kind=kind, at=at, times=times))

    def clear(self) -> None:
        """Work properly again."""
        with self._lock:
            self._planned.clear()

    def strike(self, event_type: str, number: int) -> RealtimeTrouble | None:
        """What spoils this event, if anything; it counts as having happened."""
        with self._lock:
            for planned in self._planned:
                if planned.at in (event_type, number):
                    if planned.times is not None:
                        planned.times -= 1
                        if planned.times <= 0:
                            self._planned.remove(planned)
                    return planned.kind
        return None
