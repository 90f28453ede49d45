"""OpenAI Realtime on the wire (GA): what we write, and the server's events as we read them.

Real servers send keys that nobody documents, so reading is loose: what is there is taken, what we
need not know is left, and what cannot be read at all is `None`.
"""

from __future__ import annotations

import binascii
import json
from typing import TYPE_CHECKING, Any, Literal

import orjson

from patter_core.pipeline.realtime import events

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# --- what we write ---------------------------------------------------------------------------


def session_update(session: Mapping[str, Any], *, event_id: str) -> str:
    """Change the fields of the session that are given, and no others."""
    fields = {"type": "realtime", **session}
    return _text({"type": "session.update", "event_id": event_id, "session": fields})


def append_audio(audio: bytes) -> str:
    """The callee's audio, in the session's encoding."""
    # Written by hand, because it is written fifty times a second.
    encoded = binascii.b2a_base64(audio, newline=False).decode("ascii")
    return f'{{"type":"input_audio_buffer.append","audio":"{encoded}"}}'


def create_item(item: Mapping[str, Any]) -> str:
    """Add `item` at the end of the conversation."""
    return _text({"type": "conversation.item.create", "item": item})


def truncate_item(item_id: str, audio_end_ms: int) -> str:
    """Make the model forget what of its speech was not heard."""
    return _text(
        {
            "type": "conversation.item.truncate",
            "item_id": item_id,
            "content_index": 0,
            "audio_end_ms": audio_end_ms,
        }
    )


def create_response(response: Mapping[str, Any], *, event_id: str) -> str:
    """Ask the model to speak."""
    return _text({"type": "response.create", "event_id": event_id, "response": response})


def cancel_response(response_id: str) -> str:
    """Ask the model to stop."""
    return _text({"type": "response.cancel", "response_id": response_id})


def message_item(role: Literal["user", "assistant", "system"], text: str) -> dict[str, Any]:
    """A message as an item of text."""
    kind = "output_text" if role == "assistant" else "input_text"
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}


def call_item(call_id: str, name: str, arguments: str) -> dict[str, Any]:
    """The model's wish for a tool as an item."""
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}


def output_item(call_id: str, output: str) -> dict[str, Any]:
    """A tool's answer as an item."""
    return {"type": "function_call_output", "call_id": call_id, "output": output}


def _text(event: Mapping[str, Any]) -> str:
    try:
        return orjson.dumps(event).decode()
    except TypeError:
        # What a model or a person wrote may hold letters that no encoding takes.
        return json.dumps(event, ensure_ascii=False).encode(errors="replace").decode()


# --- what we read ----------------------------------------------------------------------------


ASK = "ask"
"""The key of a response's metadata that bears the name of our request."""


class UnreadableEvent(ValueError):
    """The server sent something that is no event, or lacks what its type must have."""


def read(frame: str) -> events.ServerEvent | None:
    """The event of a text frame; None for those that we need not know.

    Raises:
        UnreadableEvent: It is none.
    """
    try:
        event: Any = orjson.loads(frame)
        reader = _READERS.get(event["type"])
        return None if reader is None else reader(event)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise UnreadableEvent(type(error).__name__) from error


def _item_added(event: dict[str, Any]) -> events.ItemAdded:
    item = event["item"]
    return events.ItemAdded(
        _string(item["id"]),
        _previous(event),
        _string(item["type"]),
        _string(item.get("role") or ""),
    )


def _previous(event: dict[str, Any]) -> str | None:
    previous = event.get("previous_item_id")
    return None if previous is None else _string(previous)


def _transcribed(event: dict[str, Any]) -> events.Transcribed:
    usage: dict[str, Any] = event.get("usage") or {}
    details: dict[str, Any] = usage.get("input_token_details") or {}
    text_tokens = _count(details, "text_tokens")
    audio_tokens = _count(details, "audio_tokens")
    if details.get("audio_tokens") is None:
        audio_tokens = max(0, _count(usage, "input_tokens") - text_tokens)
    return events.Transcribed(
        _string(event["item_id"]),
        _string(event["transcript"]),
        events.TranscriptionUsage(
            input_text_tokens=text_tokens,
            input_audio_tokens=audio_tokens,
            output_tokens=_count(usage, "output_tokens"),
            seconds=float(usage.get("seconds") or 0.0),
        ),
    )


def _response_created(event: dict[str, Any]) -> events.ResponseCreated:
    response = event["response"]
    return events.ResponseCreated(_string(response["id"]), _ask(response))


def _response_done(event: dict[str, Any]) -> events.ResponseDone:
    response = event["response"]
    details: dict[str, Any] = response.get("status_details") or {}
    error: dict[str, Any] = details.get("error") or {}
    output: list[dict[str, Any]] = response.get("output") or []
    return events.ResponseDone(
        response_id=_string(response["id"]),
        ask=_ask(response),
        status=_string(response["status"]),
        error=_string(error.get("code") or ""),
        messages=tuple(_string(item["id"]) for item in output if item["type"] == "message"),
        calls=tuple(_function_call(item) for item in output if item["type"] == "function_call"),
        usage=_response_usage(response.get("usage") or {}),
    )


def _function_call(item: dict[str, Any]) -> events.FunctionCall:
    return events.FunctionCall(
        item_id=_string(item.get("id") or ""),
        call_id=_string(item["call_id"]),
        name=_string(item["name"]),
        arguments=_string(item.get("arguments") or "{}"),
        completed=item.get("status", "completed") == "completed",
    )


def _response_usage(usage: dict[str, Any]) -> events.ResponseUsage:
    into: dict[str, Any] = usage.get("input_token_details") or {}
    cached: dict[str, Any] = into.get("cached_tokens_details") or {}
    out: dict[str, Any] = usage.get("output_token_details") or {}
    cached_text = _count(cached, "text_tokens") if cached else _count(into, "cached_tokens")
    return events.ResponseUsage(
        input_text_tokens=_count(into, "text_tokens"),
        input_audio_tokens=_count(into, "audio_tokens"),
        cached_text_tokens=cached_text,
        cached_audio_tokens=_count(cached, "audio_tokens"),
        output_text_tokens=_count(out, "text_tokens"),
        output_audio_tokens=_count(out, "audio_tokens"),
    )


def _ask(response: dict[str, Any]) -> str:
    metadata: dict[str, Any] = response.get("metadata") or {}
    return _string(metadata.get(ASK) or "")


def _rate_limits(event: dict[str, Any]) -> events.RateLimits:
    shares = [
        limit["remaining"] / limit["limit"] for limit in event["rate_limits"] if limit.get("limit")
    ]
    return events.RateLimits(min(shares, default=1.0))


def _fault(event: dict[str, Any]) -> events.Fault:
    error = event["error"]
    return events.Fault(
        kind=_string(error.get("type") or ""),
        code=_string(error.get("code") or ""),
        param=_string(error.get("param") or ""),
        event_id=_string(error.get("event_id") or ""),
    )


def _audio_delta(event: dict[str, Any]) -> events.AudioDelta:
    audio = binascii.a2b_base64(event["delta"])
    return events.AudioDelta(_string(event["response_id"]), _string(event["item_id"]), audio)


def _text_delta(event: dict[str, Any]) -> events.TextDelta:
    ids = _string(event["response_id"]), _string(event["item_id"])
    return events.TextDelta(*ids, _string(event["delta"]))


def _text_done(event: dict[str, Any]) -> events.TextDone:
    ids = _string(event["response_id"]), _string(event["item_id"])
    # Of speech they are its transcript, of writing all that there is.
    words = event["transcript"] if "transcript" in event else event["text"]
    return events.TextDone(*ids, _string(words))


def _count(of: dict[str, Any], name: str) -> int:
    """How many of these there were; nothing stands for none."""
    count = of.get(name) or 0
    if not isinstance(count, int):
        raise TypeError("not a number")
    return count


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


_READERS: dict[str, Callable[[dict[str, Any]], events.ServerEvent]] = {
    "session.created": lambda _: events.SessionCreated(),
    "session.updated": lambda _: events.SessionUpdated(),
    "input_audio_buffer.speech_started": lambda event: events.SpeechStarted(
        _string(event["item_id"]), int(event["audio_start_ms"])
    ),
    "input_audio_buffer.speech_stopped": lambda event: events.SpeechStopped(
        _string(event["item_id"])
    ),
    "input_audio_buffer.committed": lambda event: events.Committed(
        _string(event["item_id"]), _previous(event)
    ),
    "conversation.item.added": _item_added,
    "conversation.item.created": _item_added,
    "conversation.item.input_audio_transcription.delta": lambda event: events.TranscriptionDelta(
        _string(event["item_id"]), _string(event.get("delta") or "")
    ),
    "conversation.item.input_audio_transcription.completed": _transcribed,
    "conversation.item.input_audio_transcription.failed": lambda event: events.Transcribed(
        _string(event["item_id"]), None, events.TranscriptionUsage()
    ),
    "response.created": _response_created,
    "response.output_audio.delta": _audio_delta,
    "response.output_audio_transcript.delta": _text_delta,
    "response.output_audio_transcript.done": _text_done,
    "response.output_text.delta": _text_delta,
    "response.output_text.done": _text_done,
    "response.output_item.done": lambda event: events.OutputDone(
        _string(event["response_id"]), _string(event["item"]["id"])
    ),
    "response.done": _response_done,
    "rate_limits.updated": _rate_limits,
    "error": _fault,
}
