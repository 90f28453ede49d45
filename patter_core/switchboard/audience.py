"""Those who hear of a call while it goes on, and hear all of it however late they come."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from patter_core.calls.events import ProgressEvent

    Listener = Callable[[ProgressEvent], None]


class Audience:
    """Listeners of one call, told in order. Used on the engine's loop only."""

    def __init__(self) -> None:
        """Nothing has happened and nobody listens."""
        self._history: list[ProgressEvent] = []
        self._listeners: list[Listener] = []

    def join(self, listener: Listener) -> None:
        """Tell `listener`, which must not wait, everything so far, and from now on."""
        for event in self._history:
            listener(event)
        self._listeners.append(listener)

    def leave(self, listener: Listener) -> None:
        """Tell it no more. Safe to repeat."""
        if listener in self._listeners:
            self._listeners.remove(listener)

    def tell(self, event: ProgressEvent) -> None:
        """Tell everybody."""
        self._history.append(event)
        for listener in tuple(self._listeners):
            listener(event)
