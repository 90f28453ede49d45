"""Twilio's Media Streams: the JSON text frames of one media socket."""

from __future__ import annotations

import binascii
import logging
from typing import TYPE_CHECKING, cast

import orjson

from patter_core.telephony.carrier import (
    CarrierCallId,
    MediaAudio,
    MediaDigit,
    MediaEvent,
    MediaMark,
    MediaStarted,
    MediaStopped,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_log = logging.getLogger(__name__)

_DIGITS = frozenset("0123456789*#ABCD")


class TwilioMediaWire:
    """One stream's frames. See `MediaWire`.

    Reads whatever it gets and never raises: a stranger's frame must not end a call. Writes only
    documented fields. A socket carries one stream, so only its first start counts; and a start
    that announces anything but mono mu-law at 8 kHz is not read, which leaves the socket without
    a call: played as mu-law, any other encoding is noise.
    """

    def __init__(self) -> None:
        self._stream = ""  # The stream's id, as a JSON string; "" before the start.

    def read(self, frame: str | bytes) -> MediaEvent | None:
        """See `MediaWire.read`."""
        try:
            message = orjson.loads(frame)
        except orjson.JSONDecodeError:
            return None
        match message:
            case {"event": "media", "media": {"payload": str(payload)} as media}:
                return _audio(payload, media.get("track"))
            case {
                "event": "start",
                "start": {"callSid": str(call), "streamSid": str(stream)} as start,
            }:
                return self._start(call, stream, start)
            case {"event": "mark", "mark": {"name": str(name)}}:
                return MediaMark(name)
            case {"event": "dtmf", "dtmf": {"digit": str(digit)}} if digit in _DIGITS:
                return MediaDigit(digit)
            case {"event": "stop"}:
                return MediaStopped()
            case _:
                return None

    def _start(self, call: str, stream: str, start: Mapping[object, object]) -> MediaStarted | None:
        if self._stream or not call or not stream:
            return None
        if not _is_mulaw(start.get("mediaFormat")):
            _log.warning("A media stream is not mono mu-law at 8 kHz and is not read")
            return None
        match start:
            case {"customParameters": {"callref": str(callref)}}:
                pass
            case _:
                callref = ""
        account = start.get("accountSid")
        self._stream = orjson.dumps(stream).decode()
        return MediaStarted(
            call=CarrierCallId(call),
            stream=stream,
            account=account if isinstance(account, str) else "",
            callref=callref,
        )

    def audio(self, audio: bytes) -> str:
        """See `MediaWire.audio`. Before the start it is a `RuntimeError`, as all writing is."""
        payload = binascii.b2a_base64(audio, newline=False).decode("ascii")
        # Fifty times a second in every call: a string is several times quicker than a JSON writer.
        return f'{{"event":"media","streamSid":{self._to()},"media":{{"payload":"{payload}"}}}}'

    def mark(self, name: str) -> str:
        """See `MediaWire.mark`."""
        text = orjson.dumps(name).decode()
        return f'{{"event":"mark","streamSid":{self._to()},"mark":{{"name":{text}}}}}'

    def clear(self) -> str:
        """See `MediaWire.clear`."""
        return f'{{"event":"clear","streamSid":{self._to()}}}'

    def _to(self) -> str:
        if not self._stream:
            raise RuntimeError("Nothing can be sent before the carrier has started the stream")
        return self._stream


def _audio(payload: str, track: object) -> MediaAudio | None:
    if track not in ("inbound", None):  # A forked stream also carries what we say ourselves.
        return None
    try:
        audio = binascii.a2b_base64(payload, strict_mode=True)
    except ValueError:
        return None
    return MediaAudio(audio) if audio else None


def _is_mulaw(media_format: object) -> bool:
    """Whether a start's `mediaFormat` is the one we speak; what it leaves out is as documented."""
    match media_format:
        case None:
            return True
        case dict():
            stated = cast("dict[str, object]", media_format)
            return (
                stated.get("encoding", "audio/x-mulaw") == "audio/x-mulaw"
                and stated.get("sampleRate", 8000) in (8000, "8000")
                and stated.get("channels", 1) in (1, "1")
            )
        case _:
            return False
