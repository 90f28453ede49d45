"""JSON Schema as pydantic writes it, made into what is shown to a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable

_KEYED_BY_NAME = ("properties", "$defs")
_VALUES = ("default", "enum", "const", "examples", "required")


def untitled(schema: dict[str, Any]) -> dict[str, Any]:
    """Without the titles, which only repeat the names, and without null as a default."""
    tidy: dict[str, Any] = {}
    for key, value in schema.items():
        if key != "title" and not (key == "default" and value is None):
            tidy[key] = _each_schema(key, value, untitled)
    return tidy


def as_strict(schema: dict[str, Any]) -> dict[str, Any]:
    """The same schema as strict mode wants it, as far as that can be said without changing it."""
    definitions: dict[str, Any] = schema.get("$defs", {})

    def convert(part: dict[str, Any]) -> dict[str, Any]:
        if "$ref" in part and len(part) > 1:
            # A reference may have nothing beside it, so what it refers to is written out.
            named: dict[str, Any] = definitions.get(str(part["$ref"]).rpartition("/")[2], {})
            part = {**named, **{key: value for key, value in part.items() if key != "$ref"}}
        made = {
            key: _each_schema(key, value, convert)
            for key, value in part.items()
            if key != "default"
        }
        if "properties" in made:
            made["required"] = list(made["properties"])
            made["additionalProperties"] = False
        return made

    return convert(schema)


def _each_schema(
    key: str,
    value: Any,  # noqa: ANN401 - whatever JSON has
    change: Callable[[dict[str, Any]], dict[str, Any]],
) -> Any:  # noqa: ANN401 - whatever JSON has
    """`value` of the keyword `key`, with every schema that is directly in it changed."""
    if key in _KEYED_BY_NAME:
        return {name: change(part) for name, part in value.items()}
    if key in _VALUES:
        return value
    if isinstance(value, list):
        items = cast("list[Any]", value)
        return [
            change(cast("dict[str, Any]", item)) if isinstance(item, dict) else item
            for item in items
        ]
    return change(cast("dict[str, Any]", value)) if isinstance(value, dict) else value
