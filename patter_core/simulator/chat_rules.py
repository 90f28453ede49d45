"""What OpenAI's chat completions refuse: the rules that a request is held to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeGuard, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_ROLES = {"system", "developer", "user", "assistant", "tool"}
_KNOWN = {
    "audio", "frequency_penalty", "logit_bias", "logprobs", "max_completion_tokens", "max_tokens",
    "messages", "metadata", "modalities", "model", "n", "parallel_tool_calls", "prediction",
    "presence_penalty", "prompt_cache_key", "reasoning_effort", "response_format",
    "safety_identifier", "seed", "service_tier", "stop", "store", "stream", "stream_options",
    "temperature", "tool_choice", "tools", "top_logprobs", "top_p", "user", "verbosity",
}  # fmt: skip


class BadChat(Exception):
    """A request that the service would refuse.

    Attributes:
        param: What is wrong, as a path; None for the request as a whole.
        code: The service's word for it; None when it has none.
    """

    def __init__(self, message: str, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.param = param
        self.code = code

    def body(self) -> dict[str, Any]:
        """The error body that the service answers."""
        error = {
            "message": str(self),
            "type": "invalid_request_error",
            "param": self.param,
            "code": self.code,
        }
        return {"error": error}


def check_chat(request: dict[str, Any]) -> dict[str, Any]:
    """`request` itself, when the service would take it.

    Raises:
        BadChat: It would not.
    """
    if unknown := sorted(request.keys() - _KNOWN):
        raise BadChat(f"Unrecognized request argument supplied: {unknown[0]}", unknown[0])
    if not isinstance(request.get("model"), str) or not request["model"]:
        raise BadChat("you must provide a model parameter", "model")
    _check_messages(request.get("messages"))
    if "tools" in request:
        _check_tools(request["tools"])
    for name in ("tool_choice", "parallel_tool_calls"):
        if name in request and "tools" not in request:
            raise BadChat(f"'{name}' is only allowed when 'tools' are specified.", name)
    if request.get("stream_options") is not None and not request.get("stream"):
        raise BadChat(
            "'stream_options' is only allowed when 'stream' is enabled.", "stream_options"
        )
    if not isinstance(request.get("stream") or False, bool):
        raise BadChat("'stream' must be a boolean.", "stream", "invalid_type")
    temperature = request.get("temperature")
    if temperature is not None and not _within(temperature, 0, 2):
        raise BadChat("'temperature' must be between 0 and 2.", "temperature")
    return request


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _is_mapping(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def _within(value: object, lowest: float, highest: float) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and lowest <= cast("float", value) <= highest


def _check_messages(messages: object) -> None:
    if not _is_list(messages) or not messages:
        raise BadChat("'messages' must be an array with at least one message.", "messages")
    owed: list[str] = []
    for position, entry in enumerate(messages):
        where = f"messages.[{position}]"
        message = entry if _is_mapping(entry) else {}
        if message.get("role") not in _ROLES:
            raise BadChat(f"Invalid value: '{where}.role'.", f"{where}.role", "invalid_value")
        if message["role"] == "tool":
            answered = message.get("tool_call_id")
            if answered not in owed:
                raise BadChat(
                    "Invalid parameter: messages with role 'tool' must be a response to a "
                    "preceeding message with 'tool_calls'.",
                    f"{where}.role",
                )
            owed.remove(cast("str", answered))
        elif owed:
            raise _unanswered(owed, where)
        _check_content(message, where)
        if message["role"] == "assistant":
            owed = _tool_call_ids(message, where)
    if owed:
        raise _unanswered(owed, f"messages.[{len(messages) - 1}]")


def _unanswered(owed: list[str], where: str) -> BadChat:
    return BadChat(
        "An assistant message with 'tool_calls' must be followed by tool messages responding to "
        "each 'tool_call_id'. The following tool_call_ids did not have response messages: "
        + ", ".join(owed),
        f"{where}.role",
    )


def _check_content(message: Mapping[str, Any], where: str) -> None:
    content = message.get("content")
    if content is None:
        if message["role"] == "assistant" and message.get("tool_calls"):
            return
        raise BadChat(
            f"Invalid value for 'content': expected a string, got null. ({where})",
            f"{where}.content",
            "invalid_type",
        )
    if isinstance(content, str):
        return
    if not _is_list(content) or not content:
        raise BadChat("Invalid type for 'content'.", f"{where}.content", "invalid_type")
    for part in content:
        if not isinstance(part, dict) or "type" not in part:
            raise BadChat("A content part needs a type.", f"{where}.content", "invalid_type")


def _tool_call_ids(message: Mapping[str, Any], where: str) -> list[str]:
    calls = message.get("tool_calls")
    if calls is None:
        return []
    if not _is_list(calls) or not calls:
        raise BadChat("'tool_calls' must not be empty.", f"{where}.tool_calls", "empty_array")
    ids: list[str] = []
    for call in calls:
        match call:
            case {
                "id": str(call_id),
                "type": "function",
                "function": {"name": str(name), "arguments": str()},
            } if call_id and _NAME.fullmatch(name):
                ids.append(call_id)
            case _:
                raise BadChat("A tool call is not complete.", f"{where}.tool_calls")
    if len(set(ids)) != len(ids):
        raise BadChat("Duplicate tool_call ids.", f"{where}.tool_calls")
    return ids


def _check_tools(tools: object) -> None:
    if not _is_list(tools) or not tools:
        raise BadChat("'tools' must not be empty.", "tools", "empty_array")
    names: set[str] = set()
    for position, tool in enumerate(tools):
        where = f"tools[{position}].function"
        match tool:
            case {"type": "function", "function": {"name": str(name)}}:
                function: dict[str, Any] = tool["function"]
            case _:
                raise BadChat(f"Missing required parameter: '{where}.name'.", where)
        if not _NAME.fullmatch(name) or name in names:
            raise BadChat(f"Invalid '{where}.name'.", f"{where}.name", "invalid_value")
        names.add(name)
        parameters = function.get("parameters")
        if parameters is not None:
            _check_parameters(name, parameters, strict=bool(function.get("strict")))
        if unknown := sorted(function.keys() - {"name", "description", "parameters", "strict"}):
            raise BadChat(f"Unknown parameter: '{where}.{unknown[0]}'.", where, "unknown_parameter")


def _check_parameters(name: str, parameters: object, *, strict: bool) -> None:
    bad = f"Invalid schema for function '{name}'"
    if not isinstance(parameters, dict):
        raise BadChat(f"{bad}: schema must be an object.", "tools", "invalid_function_parameters")
    schema = cast("dict[str, Any]", parameters)
    if schema.get("type") != "object":
        raise BadChat(
            f"{bad}: schema must be a JSON Schema of 'type: \"object\"'.",
            "tools",
            "invalid_function_parameters",
        )
    if not strict:
        return
    properties = cast("dict[str, Any]", schema.get("properties", {}))
    if schema.get("additionalProperties") is not False:
        raise BadChat(
            f"{bad}: 'additionalProperties' is required to be supplied and to be false.",
            "tools",
            "invalid_function_parameters",
        )
    if set(cast("list[str]", schema.get("required", []))) != set(properties):
        raise BadChat(
            f"{bad}: 'required' must include every key in properties.",
            "tools",
            "invalid_function_parameters",
        )
