"""What was asked for, checked: an order, or the rejection that names the field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from patter_core.calls.bounds import DEFAULT_DURATION_SEC, FIRST_MESSAGE_CHARS
from patter_core.calls.result import CallResult, rejected
from patter_core.errors import ArgumentError
from patter_core.switchboard.order import Order

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from patter_core.agent import Agent
    from patter_core.calls.request import CallRequest
    from patter_core.guest_loop import Guest

_KEY_CHARS = 500
_SHORTEST_RING_SEC = 5
_LONGEST_RING_SEC = 600


def take_order(
    arguments: Any,  # noqa: ANN401 - a stranger's, checked here
    agent: Agent,
    *,
    from_: str,
    guest: Guest,
    idempotency_key: str | None,
    approve: Callable[[CallRequest], Awaitable[bool | str] | bool | str] | None,
    default_duration_sec: int,
    ring_timeout_sec: int,
    machine_detection: bool,
    recording: bool,
    voicemail_message: str | None,
) -> Order | CallResult:
    """An order for one call from `from_`, or the `rejected` result of one that cannot be made."""
    # pydantic costs as much to import as everything else of ours, so not before it is needed.
    from patter_core.calls.arguments import parse_arguments

    try:
        return Order(
            arguments=parse_arguments(arguments, default_duration_sec=default_duration_sec),
            from_=from_,
            agent=agent,
            key=_key(idempotency_key),
            approve=approve,
            guest=guest,
            ring_timeout_sec=_ring_timeout(ring_timeout_sec),
            machine_detection=machine_detection,
            recording=recording,
            voicemail_message=_message(voicemail_message, machine_detection=machine_detection),
        )
    except ArgumentError as error:
        return rejected(_asked_for(arguments), "invalid_arguments", str(error))


def refusal(arguments: Any) -> CallResult | None:  # noqa: ANN401 - a stranger's
    """The `rejected` result that `arguments` would get for their form; None when they are fine."""
    from patter_core.calls.arguments import parse_arguments

    try:
        parse_arguments(arguments, default_duration_sec=DEFAULT_DURATION_SEC)
    except ArgumentError as error:
        return rejected(_asked_for(arguments), "invalid_arguments", str(error))
    return None


def _key(key: str | None) -> str | None:
    if key is None:
        return None
    if not (isinstance(key, str) and key.strip() and len(key) <= _KEY_CHARS and _is_unicode(key)):
        raise ArgumentError(
            "idempotency_key", f"'idempotency_key' must be text of 1 to {_KEY_CHARS} characters"
        )
    return key


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # Half of a character, which no ledger takes.
        return False
    return True


def _ring_timeout(seconds: int) -> int:
    if (
        isinstance(seconds, bool)
        or not isinstance(seconds, int)
        or not _SHORTEST_RING_SEC <= seconds <= _LONGEST_RING_SEC
    ):
        raise ArgumentError(
            "ring_timeout_sec",
            f"'ring_timeout_sec' must be a whole number from {_SHORTEST_RING_SEC} to "
            f"{_LONGEST_RING_SEC}",
        )
    return seconds


def _message(text: str | None, *, machine_detection: bool) -> str | None:
    if text is None or (isinstance(text, str) and not text.strip()):
        return None
    if not (isinstance(text, str) and len(text) <= FIRST_MESSAGE_CHARS):
        advice = f"must be text of at most {FIRST_MESSAGE_CHARS} characters"
        raise ArgumentError("voicemail_message", f"'voicemail_message' {advice}")
    if not machine_detection:
        raise ArgumentError(
            "voicemail_message", "'voicemail_message' needs machine_detection, which is off"
        )
    return text.strip()


def _asked_for(arguments: Any) -> str:  # noqa: ANN401 - a stranger's
    """The number in arguments that were refused, if there is one to show."""
    if not isinstance(arguments, dict):
        return ""
    to = cast("dict[Any, Any]", arguments).get("to")
    return to if isinstance(to, str) else ""
