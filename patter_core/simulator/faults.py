"""What the network gets wrong on command."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Literal

RestFault = Literal[
    "400", "408", "429", "500", "503", "hang", "late", "reset", "cut", "redirect", "garbage"
]
CallbackFault = Literal["lost", "doubled", "reordered"]
MediaFault = Literal[
    "never_connects",
    "no_start",
    "dropped",
    "odd_lengths",
    "strange_frames",
    "huge_frame",
    "no_marks",
]


@dataclass(slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        kind: What happens.
        times: How often it will happen still; None until it is removed.
        after: Whether the request takes its effect first, and only the answer is spoiled.
        retry_after_sec: The Retry-After header of a 429 or 503.
    """

    kind: str
    times: int | None
    after: bool = False
    retry_after_sec: float | None = None


class Faults:
    """Faults on command, for the next things that match, or until `clear`.

    Of REST answers: "400" and other status codes; "hang" keeps the connection open and never
    answers; "late" answers 503 after a second of real time; "reset" aborts the connection; "cut"
    breaks off in the middle of a body; "redirect" points elsewhere; "garbage" is a success that
    cannot be read. Usable from any thread; the oldest fault that matches strikes first.
    """

    def __init__(self) -> None:
        """Begin flawless."""
        self._lock = threading.Lock()
        self._planned: dict[str, list[Fault]] = {}

    def create(
        self,
        kind: RestFault,
        *,
        after_creating: bool = False,
        times: int | None = 1,
        retry_after_sec: float | None = None,
    ) -> None:
        """Spoil requests that create a call; `after_creating`: the call is made all the same."""
        self._plan("create", kind, times, after=after_creating, retry_after_sec=retry_after_sec)

    def hang_ups(
        self, kind: RestFault, *, after_ending: bool = False, times: int | None = 1
    ) -> None:
        """Spoil requests that change a call, such as ending it."""
        self._plan("hang_up", kind, times, after=after_ending)

    def lists(self, kind: RestFault, *, times: int | None = 1) -> None:
        """Spoil requests that list calls."""
        self._plan("list", kind, times)

    def fetches(self, kind: RestFault, *, times: int | None = 1) -> None:
        """Spoil requests that fetch one call."""
        self._plan("fetch", kind, times)

    def callbacks(self, kind: CallbackFault, *, times: int | None = None) -> None:
        """Spoil callbacks (progress and machine detection, not the answer URL).

        "lost" ones are never sent, "doubled" ones twice, "reordered" ones after their successor.
        """
        self._plan("callback", kind, times)

    def media(self, kind: MediaFault, *, times: int | None = 1) -> None:
        """Spoil media sockets.

        "never_connects" lets the call go on without one, "no_start" connects and says nothing,
        "dropped" aborts it without a goodbye two seconds after it began, and the call with it. The
        others spoil what comes on it: "odd_lengths" cuts audio anywhere, "strange_frames" sends
        other tracks and unreadable payloads beside it, "huge_frame" a megabyte at once after two
        seconds, and with "no_marks" no mark comes back.
        """
        self._plan("media", kind, times)

    def clear(self) -> None:
        """Work properly again."""
        with self._lock:
            self._planned.clear()

    def strike(self, what: str) -> Fault | None:
        """The fault that spoils this `what`, if any; it counts as having happened."""
        with self._lock:
            planned = self._planned.get(what)
            if not planned:
                return None
            fault = planned[0]
            if fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    planned.pop(0)
            return fault

    def _plan(
        self,
        what: str,
        kind: str,
        times: int | None,
        *,
        after: bool = False,
        retry_after_sec: float | None = None,
    ) -> None:
        fault = Fault(kind=kind, times=times, after=after, retry_after_sec=retry_after_sec)
        with self._lock:
            self._planned.setdefault(what, []).append(fault)
