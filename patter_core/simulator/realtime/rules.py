"""What OpenAI Realtime refuses: the rules that a client event is held to."""

from __future__ import annotations

import binascii
from typing import TYPE_CHECKING, Any

from patter_core.simulator.realtime.checks import (
    BadEvent,
    an_object,
    anything,
    closed,
    each,
    either,
    fields_of,
    flag,
    maybe,
    number,
    one_of,
    text,
    wrong_type,
)

if TYPE_CHECKING:
    from patter_core.simulator.realtime.checks import Check

_VOICES = {
    *("alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar"),
}
_MOST_AUDIO_BYTES = 15 * 1024 * 1024


def check_event(event: dict[str, Any], *, accepts_strict: bool) -> str:
    """The type of `event`, when the service would take it.

    Raises:
        BadEvent: It would not.
    """
    kind = event.get("type")
    if not isinstance(kind, str):
        raise BadEvent("Missing required parameter: 'type'.", "missing_required_parameter", "type")
    if kind not in _EVENTS:
        raise BadEvent(f"Invalid value: '{kind}'.", "invalid_value", "type")
    fields, required = _EVENTS[kind]
    closed({"type": text, "event_id": text, **fields}, required)(event, "")
    if kind == "session.update":
        _check_tools(event["session"].get("tools", []), accepts_strict=accepts_strict)
    return kind


# --- the session -----------------------------------------------------------------------------


def _format(value: object, path: str) -> None:
    pcm = fields_of(value, path).get("type") == "audio/pcm"
    kinds = one_of("audio/pcm", "audio/pcmu", "audio/pcma")
    fields = {"type": kinds, "rate": one_of(24000)} if pcm else {"type": kinds}
    closed(fields, ("type",))(value, path)


def _turn_detection(value: object, path: str) -> None:
    shared: dict[str, Check] = {"create_response": flag, "interrupt_response": flag}
    if fields_of(value, path).get("type") == "semantic_vad":
        eagerness = one_of("low", "medium", "high", "auto")
        closed({"type": text, "eagerness": eagerness, **shared})(value, path)
        return
    closed(
        {
            "type": one_of("server_vad", "semantic_vad"),
            "threshold": number(0, 1),
            "prefix_padding_ms": number(0, 10_000, whole=True),
            "silence_duration_ms": number(0, 10_000, whole=True),
            "idle_timeout_ms": maybe(number(5_000, 30_000, whole=True)),
            **shared,
        },
        ("type",),
    )(value, path)


def _tool(value: object, path: str) -> None:
    fields = {
        "type": one_of("function"),
        "name": text,
        "description": text,
        "parameters": an_object,
        "strict": flag,
    }
    closed(fields, ("type", "name"))(value, path)


def _check_tools(tools: list[dict[str, Any]], *, accepts_strict: bool) -> None:
    for at, tool in enumerate(tools):
        if "strict" in tool and not accepts_strict:
            where = f"session.tools[{at}].strict"
            raise BadEvent(f"Unknown parameter: '{where}'.", "unknown_parameter", where)


_TOKENS = either(number(1, 4_096, whole=True), one_of("inf"))
_TOOL_CHOICE = either(
    one_of("none", "auto", "required"),
    closed({"type": one_of("function"), "name": text}, ("type", "name")),
)
_MODALITIES = one_of(["audio"], ["text"])
_VOICE = either(one_of(*sorted(_VOICES)), closed({"id": text}, ("id",)))
_SESSION = closed(
    {
        "type": one_of("realtime"),
        "model": text,
        "output_modalities": _MODALITIES,
        "instructions": text,
        "audio": closed(
            {
                "input": closed(
                    {
                        "format": _format,
                        "noise_reduction": maybe(
                            closed({"type": one_of("near_field", "far_field")})
                        ),
                        "transcription": maybe(
                            closed({"model": text, "language": text, "prompt": text})
                        ),
                        "turn_detection": maybe(_turn_detection),
                    }
                ),
                "output": closed({"format": _format, "voice": _VOICE, "speed": number(0.25, 1.5)}),
            }
        ),
        "include": each(text),
        "tracing": anything,
        "tools": each(_tool),
        "tool_choice": _TOOL_CHOICE,
        "parallel_tool_calls": flag,
        "reasoning": an_object,
        "max_output_tokens": _TOKENS,
        "truncation": anything,
        "prompt": anything,
    },
    ("type",),
)

# --- items -----------------------------------------------------------------------------------

_PARTS = {
    "user": ("input_text", "input_audio"),
    "system": ("input_text",),
    "assistant": ("output_text", "output_audio"),
}


def _item(value: object, path: str) -> None:
    given = fields_of(value, path)
    shared: dict[str, Check] = {
        "id": text,
        "object": one_of("realtime.item"),
        "type": one_of("message", "function_call", "function_call_output"),
        "status": one_of("completed", "incomplete", "in_progress"),
    }
    fields: dict[str, Check]
    match given.get("type"):
        case "function_call":
            fields = {"name": text, "arguments": text, "call_id": text}
            closed({**shared, **fields}, ("type", "name", "arguments"))(value, path)
        case "function_call_output":
            fields = {"call_id": text, "output": text}
            closed({**shared, **fields}, ("type", "call_id", "output"))(value, path)
        case _:
            role = given.get("role")
            parts = _PARTS.get(role if isinstance(role, str) else "", ())
            part = closed(
                {"type": one_of(*parts), "text": text, "audio": text, "transcript": text},
                ("type",),
            )
            fields = {"role": one_of(*_PARTS), "content": each(part)}
            closed({**shared, **fields}, ("type", "role", "content"))(value, path)


def _metadata(value: object, path: str) -> None:
    pairs = fields_of(value, path)
    if len(pairs) > 16 or not all(isinstance(v, str) and len(v) <= 512 for v in pairs.values()):
        raise BadEvent(f"Invalid '{path}'.", "invalid_value", path)


_RESPONSE = closed(
    {
        "output_modalities": _MODALITIES,
        "instructions": text,
        "audio": closed({"output": closed({"format": _format, "voice": _VOICE})}),
        "tools": each(_tool),
        "tool_choice": _TOOL_CHOICE,
        "parallel_tool_calls": flag,
        "reasoning": an_object,
        "max_output_tokens": _TOKENS,
        "conversation": one_of("auto", "none"),
        "metadata": maybe(_metadata),
        "prompt": anything,
        "input": each(anything),
    }
)


def _audio(value: object, path: str) -> None:
    if not isinstance(value, str):
        raise wrong_type(path, "a string", value)
    try:
        audio = binascii.a2b_base64(value, strict_mode=True)
    except ValueError:
        raise BadEvent(f"Invalid '{path}': no base64.", "invalid_value", path) from None
    if len(audio) > _MOST_AUDIO_BYTES:
        raise BadEvent(f"Invalid '{path}': too long.", "invalid_value", path)


_EVENTS: dict[str, tuple[dict[str, Check], tuple[str, ...]]] = {
    "session.update": ({"session": _SESSION}, ("session",)),
    "input_audio_buffer.append": ({"audio": _audio}, ("audio",)),
    "input_audio_buffer.commit": ({}, ()),
    "input_audio_buffer.clear": ({}, ()),
    "output_audio_buffer.clear": ({}, ()),
    "conversation.item.create": ({"item": _item, "previous_item_id": maybe(text)}, ("item",)),
    "conversation.item.delete": ({"item_id": text}, ("item_id",)),
    "conversation.item.retrieve": ({"item_id": text}, ("item_id",)),
    "conversation.item.truncate": (
        {
            "item_id": text,
            "content_index": one_of(0),
            "audio_end_ms": number(0, 1e9, whole=True),
        },
        ("item_id", "content_index", "audio_end_ms"),
    ),
    "response.create": ({"response": _RESPONSE}, ()),
    "response.cancel": ({"response_id": text}, ()),
}
