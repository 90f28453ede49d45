"""The one schema, in the shapes that model vendors and frameworks want. Every call is fresh."""

from __future__ import annotations

from typing import Any


def _arguments() -> dict[str, Any]:
    # pydantic costs as much to import as everything else of ours, so not before it is needed.
    from patter_core.calls.arguments import CallArguments

    return CallArguments.model_json_schema()


def plain_schema(default_duration_sec: int) -> dict[str, Any]:
    """JSON Schema of the arguments: one field required, defaults named."""
    schema = _arguments()
    schema["properties"]["max_duration_sec"]["default"] = default_duration_sec
    return schema


def strict_schema() -> dict[str, Any]:
    """The same for strict modes: every field required, optional ones nullable, no defaults."""
    schema = _arguments()
    required = schema["required"]
    for name, field in schema["properties"].items():
        if name not in required:
            field.pop("default", None)
            field["type"] = [field["type"], "null"]
    schema["required"] = list(schema["properties"])
    return schema


def openai_chat(
    name: str, description: str, schema: dict[str, Any], *, strict: bool
) -> dict[str, Any]:
    """For Chat Completions: nested under `function`."""
    function: dict[str, Any] = {"name": name, "description": description, "parameters": schema}
    if strict:
        function["strict"] = True
    return {"type": "function", "function": function}


def openai_responses(
    name: str, description: str, schema: dict[str, Any], *, strict: bool
) -> dict[str, Any]:
    """For Responses: flat, `strict` always said."""
    return {
        "type": "function",
        "name": name,
        "description": description,
        "parameters": schema,
        "strict": strict,
    }


def anthropic(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    """For Anthropic's Messages."""
    return {"name": name, "description": description, "input_schema": schema}


def hermes(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    """For Hermes Agent's registry."""
    return {"name": name, "description": description, "parameters": schema}
