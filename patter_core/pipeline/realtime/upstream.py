"""What is asked of the service, on the connection that there is; nothing while there is none.

What has to survive a lost connection is remembered elsewhere, and asked for again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from patter_core.pipeline.realtime import wire

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from patter_core.pipeline.realtime.responses import Ask


class Upstream:
    """One conversation's way to the service, across connections."""

    def __init__(self) -> None:
        """Begin without a connection."""
        self._send: Callable[[str], None] | None = None

    @property
    def connected(self) -> bool:
        """Whether there is a connection."""
        return self._send is not None

    def attach(self, send: Callable[[str], None]) -> None:
        """There is a connection."""
        self._send = send

    def lost(self) -> None:
        """There is none any more."""
        self._send = None

    def audio(self, audio: bytes) -> None:
        """Let the service hear `audio`, in the session's encoding."""
        if self._send is not None:
            self._send(wire.append_audio(audio))

    def item(self, item: Mapping[str, Any]) -> None:
        """Add `item` to the conversation."""
        if self._send is not None:
            self._send(wire.create_item(item))

    def ask(self, ask: Ask) -> None:
        """Ask for a response."""
        if self._send is not None:
            self._send(wire.create_response(ask.response(), event_id=ask.name))

    def cancel(self, response_id: str) -> None:
        """Have the model stop."""
        if self._send is not None:
            self._send(wire.cancel_response(response_id))

    def truncate(self, item_id: str, heard_ms: int) -> None:
        """Have the model forget what of its speech was not heard."""
        if self._send is not None:
            self._send(wire.truncate_item(item_id, heard_ms))

    def detect(self, detection: Mapping[str, Any]) -> None:
        """Have turns noticed like this from now on."""
        if self._send is not None:
            session = {"audio": {"input": {"turn_detection": detection}}}
            self._send(wire.session_update(session, event_id="detection"))
