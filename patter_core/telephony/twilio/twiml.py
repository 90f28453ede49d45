"""TwiML: what Twilio is to do with a call."""

# pyright: reportUnknownMemberType=false
# The twilio package leaves most of its parameters without types.

from __future__ import annotations

from twilio.twiml.voice_response import Connect, Dial, Stream, VoiceResponse


def connect_stream(media_url: str, callref: str) -> str:
    """Connect the call to our media socket, and hang up after it."""
    stream = Stream(url=media_url)
    # A stream's URL may not have a query, so the reference travels beside it.
    stream.parameter(name="callref", value=callref)
    connect = Connect()
    connect.append(stream)
    response = VoiceResponse()
    response.append(connect)
    response.hangup()
    return str(response)


def hang_up() -> str:
    """Hang up at once."""
    response = VoiceResponse()
    response.hangup()
    return str(response)


def dial(number: str) -> str:
    """Connect whoever is on the line to `number`, and hang up after it."""
    dialled = Dial()
    dialled.number(number)
    response = VoiceResponse()
    response.append(dialled)
    response.hangup()
    return str(response)
