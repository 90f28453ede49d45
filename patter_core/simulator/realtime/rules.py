"""What OpenAI Realtime refuses: the rules that a client event is held to."""

from __future__ import annotations

import binascii
from collections.abc import Callable
from typing import Any, cast

Check = Callable[[object, str], None]

_VOICES = {
    *("alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar"),
}
_MOST_AUDIO_BYTES = 15 * 1024 * 1024


class BadEvent(Exception):
    """A client event that the service answers with an error.

    Attributes:
        code: The service's word for it.
        param: What is wrong, as a path; None for the event as a whole.
    """

    def __init__(self, message: str, code: str = "invalid_value", param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.param = param


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
    _closed({"type": _text, "event_id": _text, **fields}, required)(event, "")
    if kind == "session.update":
        _check_tools(event["session"].get("tools", []), accepts_strict=accepts_strict)
    return kind


# --- pieces ----------------------------------------------------------------------------------


def _any(_value: object, _path: str) -> None:
    pass


def _text(value: object, path: str) -> None:
    if not isinstance(value, str):
        raise _wrong(path, "a string", value)


def _flag(value: object, path: str) -> None:
    if not isinstance(value, bool):
        raise _wrong(path, "a boolean", value)


def _number(least: float, most: float, *, whole: bool = False) -> Check:
    def check(value: object, path: str) -> None:
        right = isinstance(value, int) or (isinstance(value, float) and not whole)
        if not isinstance(value, int | float) or isinstance(value, bool) or not right:
            raise _wrong(path, "an integer" if whole else "a number", value)
        if not least <= value <= most:
            raise BadEvent(f"Invalid '{path}': out of range.", "invalid_value", path)

    return check


def _one_of(*values: object) -> Check:
    def check(value: object, path: str) -> None:
        if not any(value == one and type(value) is type(one) for one in values):
            raise BadEvent(f"Invalid value: {value!r}.", "invalid_value", path)

    return check


def _object(value: object, path: str) -> None:
    _fields(value, path)


def _fields(value: object, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(path, "an object", value)
    return cast("dict[str, Any]", value)


def _closed(fields: dict[str, Check], required: tuple[str, ...] = ()) -> Check:
    def check(value: object, path: str) -> None:
        given = _fields(value, path)
        for name in required:
            if name not in given:
                where = _join(path, name)
                raise BadEvent(
                    f"Missing required parameter: '{where}'.", "missing_required_parameter", where
                )
        for name, part in given.items():
            where = _join(path, name)
            if name not in fields:
                raise BadEvent(f"Unknown parameter: '{where}'.", "unknown_parameter", where)
            fields[name](part, where)

    return check


def _each(check_one: Check) -> Check:
    def check(value: object, path: str) -> None:
        if not isinstance(value, list):
            raise _wrong(path, "an array", value)
        for at, part in enumerate(cast("list[Any]", value)):
            check_one(part, f"{path}[{at}]")

    return check


def _maybe(check_some: Check) -> Check:
    def check(value: object, path: str) -> None:
        if value is not None:
            check_some(value, path)

    return check


def _either(*checks: Check) -> Check:
    def check(value: object, path: str) -> None:
        for at, one in enumerate(checks):
            try:
                return one(value, path)
            except BadEvent:
                if at == len(checks) - 1:
                    raise
        return None

    return check


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _wrong(path: str, wanted: str, value: object) -> BadEvent:
    return BadEvent(
        f"Invalid type for '{path}': expected {wanted}, but got {type(value).__name__}.",
        "invalid_type",
        path,
    )


# --- the session -----------------------------------------------------------------------------


def _format(value: object, path: str) -> None:
    pcm = _fields(value, path).get("type") == "audio/pcm"
    kinds = _one_of("audio/pcm", "audio/pcmu", "audio/pcma")
    fields = {"type": kinds, "rate": _one_of(24000)} if pcm else {"type": kinds}
    _closed(fields, ("type",))(value, path)


def _turn_detection(value: object, path: str) -> None:
    shared: dict[str, Check] = {"create_response": _flag, "interrupt_response": _flag}
    if _fields(value, path).get("type") == "semantic_vad":
        eagerness = _one_of("low", "medium", "high", "auto")
        _closed({"type": _text, "eagerness": eagerness, **shared})(value, path)
        return
    _closed(
        {
            "type": _one_of("server_vad", "semantic_vad"),
            "threshold": _number(0, 1),
            "prefix_padding_ms": _number(0, 10_000, whole=True),
            "silence_duration_ms": _number(0, 10_000, whole=True),
            "idle_timeout_ms": _maybe(_number(5_000, 30_000, whole=True)),
            **shared,
        },
        ("type",),
    )(value, path)


def _tool(value: object, path: str) -> None:
    fields = {
        "type": _one_of("function"),
        "name": _text,
        "description": _text,
        "parameters": _object,
        "strict": _flag,
    }
    _closed(fields, ("type", "name"))(value, path)


def _check_tools(tools: list[dict[str, Any]], *, accepts_strict: bool) -> None:
    for at, tool in enumerate(tools):
        if "strict" in tool and not accepts_strict:
            where = f"session.tools[{at}].strict"
            raise BadEvent(f"Unknown parameter: '{where}'.", "unknown_parameter", where)


_TOKENS = _either(_number(1, 4_096, whole=True), _one_of("inf"))
_TOOL_CHOICE = _either(
    _one_of("none", "auto", "required"),
    _closed({"type": _one_of("function"), "name": _text}, ("type", "name")),
)
_MODALITIES = _one_of(["audio"], ["text"])
_VOICE = _either(_one_of(*sorted(_VOICES)), _closed({"id": _text}, ("id",)))
_SESSION = _closed(
    {
        "type": _one_of("realtime"),
        "model": _text,
        "output_modalities": _MODALITIES,
        "instructions": _text,
        "audio": _closed(
            {
                "input": _closed(
                    {
                        "format": _format,
                        "noise_reduction": _maybe(
                            _closed({"type": _one_of("near_field", "far_field")})
                        ),
                        "transcription": _maybe(
                            _closed({"model": _text, "language": _text, "prompt": _text})
                        ),
                        "turn_detection": _maybe(_turn_detection),
                    }
                ),
                "output": _closed(
                    {"format": _format, "voice": _VOICE, "speed": _number(0.25, 1.5)}
                ),
            }
        ),
        "include": _each(_text),
        "tracing": _any,
        "tools": _each(_tool),
        "tool_choice": _TOOL_CHOICE,
        "parallel_tool_calls": _flag,
        "reasoning": _object,
        "max_output_tokens": _TOKENS,
        "truncation": _any,
        "prompt": _any,
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
    given = _fields(value, path)
    shared: dict[str, Check] = {
        "id": _text,
        "object": _one_of("realtime.item"),
        "type": _one_of("message", "function_call", "function_call_output"),
        "status": _one_of("completed", "incomplete", "in_progress"),
    }
    fields: dict[str, Check]
    match given.get("type"):
        case "function_call":
            fields = {"name": _text, "arguments": _text, "call_id": _text}
            _closed({**shared, **fields}, ("type", "name", "arguments"))(value, path)
        case "function_call_output":
            fields = {"call_id": _text, "output": _text}
            _closed({**shared, **fields}, ("type", "call_id", "output"))(value, path)
        case _:
            role = given.get("role")
            parts = _PARTS.get(role if isinstance(role, str) else "", ())
            part = _closed(
                {"type": _one_of(*parts), "text": _text, "audio": _text, "transcript": _text},
                ("type",),
            )
            fields = {"role": _one_of(*_PARTS), "content": _each(part)}
            _closed({**shared, **fields}, ("type", "role", "content"))(value, path)


def _metadata(value: object, path: str) -> None:
    pairs = _fields(value, path)
    if len(pairs) > 16 or not all(isinstance(v, str) and len(v) <= 512 for v in pairs.values()):
        raise BadEvent(f"Invalid '{path}'.", "invalid_value", path)


_RESPONSE = _closed(
    {
        "output_modalities": _MODALITIES,
        "instructions": _text,
        "audio": _closed({"output": _closed({"format": _format, "voice": _VOICE})}),
        "tools": _each(_tool),
        "tool_choice": _TOOL_CHOICE,
        "parallel_tool_calls": _flag,
        "reasoning": _object,
        "max_output_tokens": _TOKENS,
        "conversation": _one_of("auto", "none"),
        "metadata": _maybe(_metadata),
        "prompt": _any,
        "input": _each(_any),
    }
)


def _audio(value: object, path: str) -> None:
    if not isinstance(value, str):
        raise _wrong(path, "a string", value)
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
    "conversation.item.create": ({"item": _item, "previous_item_id": _maybe(_text)}, ("item",)),
    "conversation.item.delete": ({"item_id": _text}, ("item_id",)),
    "conversation.item.retrieve": ({"item_id": _text}, ("item_id",)),
    "conversation.item.truncate": (
        {
            "item_id": _text,
            "content_index": _one_of(0),
            "audio_end_ms": _number(0, 1e9, whole=True),
        },
        ("item_id", "content_index", "audio_end_ms"),
    ),
    "response.create": ({"response": _RESPONSE}, ()),
    "response.cancel": ({"response_id": _text}, ()),
}
