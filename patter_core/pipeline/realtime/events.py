"""What OpenAI Realtime tells a phone engine: small frozen values, a closed union."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SessionCreated:
    """The first event of every connection."""


@dataclass(frozen=True, slots=True)
class SessionUpdated:
    """The session is as we asked, from here on in the order of events."""


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """The callee began to speak, so many milliseconds into the audio of this connection."""

    item_id: str
    audio_start_ms: int


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """The callee finished."""

    item_id: str


@dataclass(frozen=True, slots=True)
class Committed:
    """What the callee said becomes an item."""

    item_id: str
    previous_item_id: str | None


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A tool that the model asks for."""

    item_id: str
    call_id: str
    name: str
    arguments: str
    completed: bool


@dataclass(frozen=True, slots=True)
class ItemAdded:
    """The conversation has one more item, after `previous_item_id`."""

    item_id: str
    previous_item_id: str | None
    kind: str
    role: str


@dataclass(frozen=True, slots=True)
class TranscriptionDelta:
    """More of what the callee said."""

    item_id: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptionUsage:
    """What understanding one utterance took: tokens, or seconds of audio."""

    input_text_tokens: int = 0
    input_audio_tokens: int = 0
    output_tokens: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Transcribed:
    """All of what the callee said; "" when there were no words in it, None when that failed."""

    item_id: str
    text: str | None
    usage: TranscriptionUsage


@dataclass(frozen=True, slots=True)
class ResponseCreated:
    """The model begins to answer; `ask` is the name of our request, "" for the server's own."""

    response_id: str
    ask: str


@dataclass(frozen=True, slots=True)
class AudioDelta:
    """More of the agent's speech, in the session's encoding."""

    response_id: str
    item_id: str
    audio: bytes


@dataclass(frozen=True, slots=True)
class TextDelta:
    """More of the words of the agent's speech, or of what it writes."""

    response_id: str
    item_id: str
    text: str


@dataclass(frozen=True, slots=True)
class TextDone:
    """All the words of one item of the agent's speech, or of what it writes."""

    response_id: str
    item_id: str
    text: str


@dataclass(frozen=True, slots=True)
class OutputDone:
    """An item of a response is complete, or was broken off."""

    response_id: str
    item_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseUsage:
    """Tokens of one response. The cached ones are among the input."""

    input_text_tokens: int = 0
    input_audio_tokens: int = 0
    cached_text_tokens: int = 0
    cached_audio_tokens: int = 0
    output_text_tokens: int = 0
    output_audio_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseDone:
    """A response is over, one way or another.

    Attributes:
        status: completed, cancelled, incomplete or failed.
        error: The service's word for what failed; "" when it has none.
        messages: The items of speech in it.
    """

    response_id: str
    ask: str
    status: str
    error: str
    messages: tuple[str, ...]
    calls: tuple[FunctionCall, ...]
    usage: ResponseUsage


@dataclass(frozen=True, slots=True)
class RateLimits:
    """The least that is left of any limit, as a share of it."""

    remaining: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """The server objects, perhaps to the client event named `event_id`; the session stays open."""

    kind: str
    code: str
    param: str
    event_id: str


ServerEvent = (
    SessionCreated
    | SessionUpdated
    | SpeechStarted
    | SpeechStopped
    | Committed
    | ItemAdded
    | TranscriptionDelta
    | Transcribed
    | ResponseCreated
    | AudioDelta
    | TextDelta
    | TextDone
    | OutputDone
    | ResponseDone
    | RateLimits
    | Fault
)
"""What a phone engine needs to know of the 46 events that there are."""
