"""What Twilio accepts in a request about calls, checked strictly."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

Form = Mapping[str, list[str]]
Check = Callable[[str], bool]

_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)


class BadForm(Exception):
    """A request that Twilio refuses.

    Attributes:
        code: Twilio's error code.
        status: The HTTP status that goes with it.
        breach: Whether no correct program would send it, whatever numbers it was given.
    """

    def __init__(self, code: int, message: str, *, status: int = 400, breach: bool = True) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.breach = breach


def _url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(host) and "_" not in host


def _one_of(*values: str) -> Check:
    return lambda text: text in values


def _integer(lowest: int, highest: int) -> Check:
    return lambda text: text.isascii() and text.isdecimal() and lowest <= int(text) <= highest


def _any(text: str) -> bool:
    return bool(text)


_METHOD = _one_of("GET", "POST")
_BOOLEAN = _one_of("true", "false")

_UPDATE: dict[str, Check] = {
    "Url": _url,
    "Method": _METHOD,
    "Twiml": lambda text: 0 < len(text) <= 4_000,
    "Status": _one_of("completed", "canceled"),
    "FallbackUrl": _url,
    "FallbackMethod": _METHOD,
    "StatusCallback": _url,
    "StatusCallbackMethod": _METHOD,
    "TimeLimit": _integer(1, 86_400),
}

_CREATE: dict[str, Check] = {
    **{name: check for name, check in _UPDATE.items() if name != "Status"},
    "To": _any,
    "From": _any,
    "StatusCallbackEvent": _one_of("initiated", "ringing", "answered", "completed"),
    "SendDigits": lambda text: re.fullmatch(r"[0-9A-D*#wW]{1,32}", text) is not None,
    "Timeout": _integer(1, 600),
    "Record": _BOOLEAN,
    "RecordingChannels": _one_of("mono", "dual"),
    "RecordingTrack": _one_of("inbound", "outbound", "both"),
    "RecordingStatusCallback": _url,
    "RecordingStatusCallbackMethod": _METHOD,
    "RecordingStatusCallbackEvent": _one_of("in-progress", "completed", "absent"),
    "Trim": _one_of("trim-silence", "do-not-trim"),
    "MachineDetection": _one_of("Enable", "DetectMessageEnd"),
    "MachineDetectionTimeout": _integer(3, 59),
    "MachineDetectionSpeechThreshold": _integer(1_000, 6_000),
    "MachineDetectionSpeechEndThreshold": _integer(500, 5_000),
    "MachineDetectionSilenceTimeout": _integer(2_000, 10_000),
    "AsyncAmd": _BOOLEAN,
    "AsyncAmdStatusCallback": _url,
    "AsyncAmdStatusCallbackMethod": _METHOD,
    "CallerId": _any,
    "CallReason": _any,
    "CallToken": _any,
    "Byoc": lambda text: re.fullmatch(r"BY[0-9a-fA-F]{32}", text) is not None,
    "SipAuthUsername": _any,
    "SipAuthPassword": _any,
    "ApplicationSid": lambda text: re.fullmatch(r"AP[0-9a-fA-F]{32}", text) is not None,
    "ClientNotificationUrl": _url,
}

_LIST: dict[str, Check] = {
    "To": _any,
    "From": _any,
    "Status": _any,
    "ParentCallSid": _any,
    "PageSize": _integer(1, 1_000),
    "Page": _integer(0, 1_000_000),
    "PageToken": _any,
    **{f"{name}{sign}": _any for name in ("StartTime", "EndTime") for sign in ("", "<", ">")},
}

_REPEATABLE = {"StatusCallbackEvent", "RecordingStatusCallbackEvent"}


def check_create(form: Form) -> None:
    """Raise `BadForm` unless this is a create request that Twilio would accept."""
    if form.get("To", [""]) == [""]:
        raise BadForm(21201, "No 'To' number is specified")
    if form.get("From", [""]) == [""]:
        raise BadForm(21213, "No 'From' number is specified")
    _check(form, _CREATE)
    if not _NUMBER.fullmatch(form["To"][0]):
        raise BadForm(21211, "The 'To' number is not a valid phone number", breach=False)
    if not _NUMBER.fullmatch(form["From"][0]):
        raise BadForm(21212, "The 'From' number is not a valid phone number", breach=False)
    if sum(name in form for name in ("Url", "Twiml", "ApplicationSid")) != 1:
        raise BadForm(21205, "Exactly one of Url, Twiml and ApplicationSid is needed")
    if "AsyncAmdStatusCallback" in form and form.get("AsyncAmd") != ["true"]:
        raise BadForm(20001, "AsyncAmdStatusCallback needs AsyncAmd=true")
    if "AsyncAmd" in form and "MachineDetection" not in form:
        raise BadForm(20001, "AsyncAmd needs MachineDetection")


def check_update(form: Form) -> None:
    """Raise `BadForm` unless this is a change that Twilio would accept."""
    _check(form, _UPDATE)
    if not form:
        raise BadForm(20001, "Nothing to change was given")
    if "Url" in form and "Twiml" in form:
        raise BadForm(20001, "Url and Twiml exclude each other")


def check_list(query: Form) -> None:
    """Raise `BadForm` unless these are filters that Twilio knows."""
    _check(query, _LIST)


def _check(form: Form, known: dict[str, Check]) -> None:
    for name, values in form.items():
        check = known.get(name)
        if check is None:
            raise BadForm(20001, f"Unknown parameter {name}")
        if len(values) > 1 and name not in _REPEATABLE:
            raise BadForm(20001, f"{name} was given {len(values)} times")
        if not all(check(value) for value in values):
            code = 21205 if name == "Url" else 21609 if name == "StatusCallback" else 20001
            raise BadForm(code, f"{name} has a value that is not accepted")
