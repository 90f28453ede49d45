"""TwiML, read strictly: what an answer tells the network to do with a call."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_PAIR_CHARACTERS = 500


class BadTwiml(Exception):
    """An answer that Twilio would not carry out."""


@dataclass(frozen=True, slots=True)
class ConnectStream:
    """Connect the call to a media socket until that closes."""

    url: str
    parameters: dict[str, str]


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait in silence."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Dial:
    """Connect the call to another number."""

    number: str


@dataclass(frozen=True, slots=True)
class PlayDigits:
    """Send keys on the line."""

    digits: str


@dataclass(frozen=True, slots=True)
class Hangup:
    """End the call."""


@dataclass(frozen=True, slots=True)
class Reject:
    """Refuse the call."""

    reason: str


Verb = ConnectStream | Pause | Dial | PlayDigits | Hangup | Reject


def parse(document: str) -> list[Verb]:
    """The verbs of `document` in order.

    Raises:
        BadTwiml: It is no TwiML, or has something that we do not know; the sentence says what.
    """
    if "<!DOCTYPE" in document:
        raise BadTwiml("TwiML has no document type declaration")
    try:
        root = ET.fromstring(document)  # noqa: S314 - entities need the declaration refused above
    except ET.ParseError as error:
        raise BadTwiml(f"TwiML cannot be parsed: {error}") from error
    if root.tag != "Response":
        raise BadTwiml(f"TwiML's root is <Response>, not <{root.tag}>")
    _only_attributes(root, set())
    return [_verb(element) for element in root]


def _verb(element: ET.Element) -> Verb:
    match element.tag:
        case "Connect":
            return _connect(element)
        case "Hangup":
            _only_attributes(element, set())
            return Hangup()
        case "Pause":
            _only_attributes(element, {"length"})
            return Pause(_seconds(element.get("length", "1")))
        case "Reject":
            _only_attributes(element, {"reason"})
            return Reject(element.get("reason", "rejected"))
        case "Dial":
            return _dial(element)
        case "Play" if element.get("digits"):
            _only_attributes(element, {"digits"})
            return PlayDigits(element.get("digits", ""))
        case tag:
            raise BadTwiml(f"<{tag}> is not known to this network")


def _connect(element: ET.Element) -> ConnectStream:
    _only_attributes(element, {"action", "method"})
    if len(element) != 1 or element[0].tag != "Stream":
        raise BadTwiml("<Connect> needs exactly one <Stream>")
    stream = element[0]
    _only_attributes(stream, {"url", "name", "track", "statusCallback", "statusCallbackMethod"})
    if stream.get("track", "inbound_track") != "inbound_track":
        raise BadTwiml("a bidirectional stream's track can only be inbound_track")
    url = stream.get("url", "")
    _check_stream_url(url)
    parameters: dict[str, str] = {}
    for parameter in stream:
        if parameter.tag != "Parameter":
            raise BadTwiml(f"<Stream> holds <Parameter> only, not <{parameter.tag}>")
        _only_attributes(parameter, {"name", "value"})
        name, value = parameter.get("name"), parameter.get("value")
        if not name or value is None:
            raise BadTwiml("<Parameter> needs a name and a value")
        if len(name) + len(value) > _PAIR_CHARACTERS:
            raise BadTwiml(f"<Parameter> is longer than {_PAIR_CHARACTERS} characters")
        parameters[name] = value
    return ConnectStream(url, parameters)


def _check_stream_url(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme == "ws" and parts.hostname not in _LOOPBACK:
        raise BadTwiml("a stream's url must be wss:// (ws:// on loopback only)")
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise BadTwiml("a stream's url must be an absolute wss:// address")
    if "?" in url or "#" in url:
        raise BadTwiml("a stream's url cannot have a query string; use <Parameter>")


def _dial(element: ET.Element) -> Dial:
    _only_attributes(
        element,
        {"callerId", "timeout", "timeLimit", "action", "method", "answerOnBridge", "record"},
    )
    if len(element) == 1 and element[0].tag == "Number":
        number = element[0].text
    elif len(element) == 0:
        number = element.text
    else:
        raise BadTwiml("<Dial> needs a number, or one <Number>")
    if not (number or "").strip():
        raise BadTwiml("<Dial> needs a number")
    return Dial((number or "").strip())


def _seconds(text: str) -> float:
    if not text.isdecimal():
        raise BadTwiml("a length is a whole number of seconds")
    return float(text)


def _only_attributes(element: ET.Element, known: set[str]) -> None:
    if unknown := set(element.attrib) - known:
        raise BadTwiml(f"<{element.tag}> has no attribute {', '.join(sorted(unknown))}")
