"""What the service objects to, and whether a conversation can go on after that."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from patter_core.errors import ProviderError
from patter_core.pipeline.realtime.socket import NAME, refusal

if TYPE_CHECKING:
    from patter_core.pipeline.realtime.events import Fault
    from patter_core.pipeline.realtime.responses import Ask, Responses

_log = logging.getLogger(__name__)

_MOST = 3  # Responses that fail in a row.
_REST_MS = 1_000
_FATAL = frozenset(
    {"invalid_api_key", "insufficient_quota", "account_deactivated", "billing_hard_limit_reached"}
)


class SessionExpired(ProviderError):
    """The session has lasted as long as the service lets one last."""

    def __init__(self) -> None:
        super().__init__(NAME, "the session was too long for the service", retryable=True)


class Failures:
    """One conversation's failures: asks again a little later, until they are too many."""

    def __init__(self, responses: Responses, *, call_id: str) -> None:
        """Nothing has failed yet. What is to be tried again is asked of `responses`."""
        self._responses = responses
        self._call_id = call_id
        self._in_a_row = 0

    def none(self) -> None:
        """A response went well."""
        self._in_a_row = 0

    def response_failed(self, fault: Fault, ask: Ask | None, now_ms: int) -> None:
        """A response came to nothing; `ask` was our request for it, None when it was not ours.

        Raises:
            ProviderError: It would not go better another time.
        """
        self._in_a_row += 1
        if fault.code in _FATAL or self._in_a_row >= _MOST:
            raise refusal(fault)
        _log.warning(
            "Call %s: a response failed (%s); it is asked for again", self._call_id, fault.code
        )
        if ask is not None and ask.words is not None:
            self._responses.say(ask.words, owner=ask.owner, first=True)
        else:
            self._responses.reply(tools=ask is None or ask.tools)
        self._responses.rest(now_ms + _REST_MS * self._in_a_row)

    def objection(self, fault: Fault, now_ms: int) -> None:
        """The service objects to something that we sent.

        Raises:
            SessionExpired: The session is over, but another can be had.
            ProviderError: It cannot go on.
        """
        if fault.code == "session_expired":
            raise SessionExpired
        if fault.code in _FATAL:
            raise refusal(fault)
        busy = fault.code == "conversation_already_has_active_response"
        asked = self._responses.refused(fault.event_id, busy=busy) if fault.event_id else None
        if asked is None:
            # Something that no longer matters, such as an item that was cut a moment ago.
            _log.info("Call %s: the service objected (%s)", self._call_id, fault.code or fault.kind)
        elif not busy:
            self.response_failed(fault, asked, now_ms)
