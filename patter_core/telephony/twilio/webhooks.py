"""Twilio's webhooks: told from a stranger's, read, and answered in TwiML."""

# pyright: reportUnknownMemberType=false
# The twilio package leaves most of its parameters without types.

from __future__ import annotations

import hmac
import logging
from typing import TYPE_CHECKING, cast, get_args
from urllib.parse import urlsplit

from twilio.request_validator import RequestValidator

from patter_core.telephony.carrier import (
    CallProgress,
    CarrierCallId,
    CarrierStatus,
    MachineVerdict,
)
from patter_core.telephony.twilio import twiml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from patter_core.calls.status import AnsweredBy

_log = logging.getLogger(__name__)

_SIGNATURE = "x-twilio-signature"
_SIGNATURE_SETTINGS = "x-twilio-webhooks-signature-settings"
_DEFAULT_PORTS = {"https": 443, "wss": 443, "http": 80, "ws": 80}
_STATUSES: frozenset[str] = frozenset(get_args(CarrierStatus))


class TwilioWebhooks:
    """One account's webhooks. See `Webhooks`."""

    def __init__(self, auth_token: str) -> None:
        self._validator = RequestValidator(auth_token)

    def verify(
        self, *, url: str, headers: Mapping[str, str], form: Mapping[str, list[str]]
    ) -> bool:
        """See `Webhooks.verify`.

        What is signed with a shared key instead of the account's token is not accepted: we have
        no such key.
        """
        signatures = _header(headers, _SIGNATURE)
        if len(signatures) != 1:
            return False
        if not all(
            _signed_with_token(settings) for settings in _header(headers, _SIGNATURE_SETTINGS)
        ):
            _log.warning(
                "A webhook was refused: it is signed with a shared key, not the auth token"
            )
            return False
        genuine = False
        try:
            signature = signatures[0].encode()
            for candidate in _port_forms(url):
                expected: str = self._validator.compute_signature(candidate, _Form(form))
                genuine |= hmac.compare_digest(expected.encode(), signature)
        except ValueError:  # A port that is no number, or text that is not Unicode.
            return False
        return genuine

    def read_progress(self, form: Mapping[str, list[str]]) -> CallProgress | None:
        """See `Webhooks.read_progress`."""
        call = self.read_call_id(form)
        status = _first(form, "CallStatus")
        if call is None or status not in _STATUSES:
            return None
        duration_sec = _whole(_first(form, "CallDuration"))
        return CallProgress(
            call=call,
            status=cast("CarrierStatus", status),
            sequence=_whole(_first(form, "SequenceNumber")),
            duration_sec=None if duration_sec is None else float(duration_sec),
        )

    def read_machine(self, form: Mapping[str, list[str]]) -> MachineVerdict | None:
        """See `Webhooks.read_machine`."""
        call = self.read_call_id(form)
        answered_by = _first(form, "AnsweredBy")
        if call is None or not answered_by:
            return None
        return MachineVerdict(call=call, answered_by=_who(answered_by))

    def read_call_id(self, form: Mapping[str, list[str]]) -> CarrierCallId | None:
        """See `Webhooks.read_call_id`."""
        call = _first(form, "CallSid")
        return CarrierCallId(call) if call else None

    def read_caller(self, form: Mapping[str, list[str]]) -> str:
        """See `Webhooks.read_caller`."""
        return _first(form, "From") or ""

    def connect_answer(self, *, media_url: str, callref: str) -> str:
        """See `Webhooks.connect_answer`."""
        return twiml.connect_stream(media_url, callref)

    def hang_up_answer(self) -> str:
        """See `Webhooks.hang_up_answer`."""
        return twiml.hang_up()

    @property
    def answer_content_type(self) -> str:
        """See `Webhooks.answer_content_type`."""
        return "text/xml"


class _Form(dict[str, list[str]]):
    """A form, as the validator asks for one: every value of a repeated name is signed."""

    def getall(self, name: str) -> list[str]:
        return self[name]


def _header(headers: Mapping[str, str], name: str) -> list[str]:
    """Every value of a header; names in any case, repeated ones too if `headers` holds them."""
    return [value for given, value in headers.items() if given.lower() == name]


def _signed_with_token(settings: str) -> bool:
    """Whether a settings header leaves the signature what it is without one."""
    parts = (part.partition("=") for part in settings.split(","))
    named = [value.strip() for key, _, value in parts if key.strip() == "algorithm"]
    return all(algorithm.upper() in ("", "HMAC_SHA1") for algorithm in named)


def _port_forms(url: str) -> set[str]:
    """`url` with and without a port: Twilio does not say which of them it signs."""
    parts = urlsplit(url)
    if parts.port is not None:
        other = parts.netloc.rpartition(":")[0]
    elif (port := _DEFAULT_PORTS.get(parts.scheme)) is not None:
        other = f"{parts.netloc}:{port}"
    else:
        return {url}
    # Replaced in the text: taking a URL apart and joining it again may change other bytes of it.
    return {url, url.replace(f"//{parts.netloc}", f"//{other}", 1)}


def _first(form: Mapping[str, list[str]], name: str) -> str:
    values = form.get(name)
    return values[0] if values else ""


def _whole(text: str) -> int | None:
    """A number of at most nine digits; None for anything else that a stranger may send."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else None


def _who(answered_by: str) -> AnsweredBy:
    if answered_by == "human":
        return "human"
    if answered_by == "fax":
        return "fax"
    return "machine" if answered_by.startswith("machine_") else "unknown"
