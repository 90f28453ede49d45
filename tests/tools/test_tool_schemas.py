from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patter_core.errors import ConfigError
from patter_core.tools.arguments import ArgumentCheck, BadArguments, read_arguments
from patter_core.tools.schema_validation import ToolSchemaError, check_schema, compile_schema


def nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(depth):
        schema = {"type": "object", "properties": {"inner": schema}}
    return schema


def endless() -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": {}}
    schema["properties"]["again"] = schema
    return schema


def bomb() -> dict[str, Any]:
    """Small in memory, and two to the thirtieth large when it is walked."""
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(30):
        schema = {"type": "object", "properties": {"left": schema, "right": schema}}
    return schema


GOOD = {
    "nothing": {"type": "object", "properties": {}},
    "no properties": {"type": "object"},
    "nested": {
        "type": "object",
        "properties": {
            "who": {
                "type": "object",
                "properties": {"name": {"type": "string"}},
                "required": ["name"],
            },
            "tags": {"type": "array", "items": {"type": ["string", "null"]}},
            "kind": {"enum": ["a", "b"]},
            "id": {"type": "string"},
            "$id": {"type": "string"},
        },
        "required": ["who"],
    },
    "recursive through a property": {
        "type": "object",
        "properties": {"child": {"$ref": "#"}, "other": {"$ref": "#/$defs/a~1b"}},
        "$defs": {"a/b": {"type": "object", "properties": {"more": {"$ref": "#/$defs/a~1b"}}}},
    },
    "as deep as it may be": nested(32),
}

BAD: dict[str, tuple[Any, str]] = {
    "no dict": ([], ""),
    "none": (None, ""),
    "empty": ({}, "type"),
    "array root": ({"type": "array"}, "type"),
    "list root": ({"type": ["object"]}, "type"),
    "unknown type": (
        {"type": "object", "properties": {"a": {"type": "text"}}},
        "properties.a.type",
    ),
    "unhashable type": (
        {"type": "object", "properties": {"a": {"type": [{}]}}},
        "properties.a.type",
    ),
    "properties a list": ({"type": "object", "properties": ["a"]}, "properties"),
    "property no schema": ({"type": "object", "properties": {"a": "string"}}, "properties.a"),
    "property true": ({"type": "object", "properties": {"a": True}}, "properties.a"),
    "required text": (
        {"type": "object", "properties": {"name": {"type": "string"}}, "required": "name"},
        "required",
    ),
    "required numbers": ({"type": "object", "properties": {}, "required": [1]}, "required"),
    "required unknown": (
        {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["nmae"]},
        "required",
    ),
    "required twice": (
        {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a", "a"]},
        "required",
    ),
    "required unknown, nested": (
        {
            "type": "object",
            "properties": {"l": {"type": "array", "items": {"type": "object", "required": ["x"]}}},
        },
        "properties.l.items.required",
    ),
    "items a list": (
        {"type": "object", "properties": {"a": {"type": "array", "items": [{"type": "string"}]}}},
        "properties.a.items",
    ),
    "file reference": (
        {"type": "object", "properties": {"a": {"$ref": "file:///etc/passwd"}}},
        "properties.a.$ref",
    ),
    "web reference": (
        {"type": "object", "$defs": {"a": {"$ref": "http://169.254.169.254/x"}}},
        "$defs.a.$ref",
    ),
    "reference hidden in a list": (
        {"type": "object", "properties": {"a": {"anyOf": [{"$ref": "other.json#/x"}]}}},
        "properties.a.anyOf.0.$ref",
    ),
    "reference to nothing": (
        {"type": "object", "properties": {"a": {"$ref": "#/$defs/none"}}},
        "properties.a.$ref",
    ),
    "reference no text": (
        {"type": "object", "properties": {"a": {"$ref": 1}}},
        "properties.a.$ref",
    ),
    "another base": ({"type": "object", "$id": "http://example.com/"}, "$id"),
    "dynamic reference": ({"type": "object", "$dynamicRef": "#x"}, "$dynamicRef"),
    "reference to itself": ({"type": "object", "$ref": "#"}, ""),
    "references in a circle": (
        {
            "type": "object",
            "allOf": [{"$ref": "#/$defs/a"}],
            "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/b"}]}, "b": {"$ref": "#/$defs/a"}},
        },
        "$defs.a",
    ),
    "contains itself": (endless(), "*"),
    "too deep": (nested(34), "*"),
    "doubles at each level": (bomb(), "*"),
    "keys that are numbers": (
        {"type": "object", "properties": {1: {"type": "string"}}},
        "properties",
    ),
    "no JSON": ({"type": "object", "properties": {"a": {"const": b"x"}}}, ""),
    "broken pattern": (
        {"type": "object", "properties": {"a": {"type": "string", "pattern": "("}}},
        "*",
    ),
    "minimum no number": (
        {"type": "object", "properties": {"a": {"type": "integer", "minimum": "1"}}},
        "properties.a.minimum",
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_sound_schema_passes(name: str):
    check_schema(GOOD[name], tool="t")


@pytest.mark.parametrize("name", BAD)
def test_a_hostile_or_mistaken_schema_is_refused_with_tool_and_path(name: str):
    schema, path = BAD[name]
    with pytest.raises(ToolSchemaError) as caught:
        check_schema(schema, tool="look_up")
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, ConfigError)
    assert caught.value.tool == "look_up"
    assert path in ("*", caught.value.path)
    assert "look_up" in str(caught.value)
    assert len(str(caught.value)) < 2_000


STRICT = {
    "type": "object",
    "properties": {
        "who": {"$ref": "#/$defs/person"},
        "note": {"type": ["string", "null"]},
        "all": {
            "type": "array",
            "items": {"anyOf": [{"$ref": "#/$defs/person"}, {"type": "null"}]},
            "maxItems": 3,
        },
        "day": {"type": "string", "format": "date"},
    },
    "required": ["who", "note", "all", "day"],
    "additionalProperties": False,
    "$defs": {
        "person": {
            "type": ["object", "null"],
            "properties": {"name": {"type": "string"}},
            "required": ["name"],
            "additionalProperties": False,
        }
    },
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """STRICT with `value` at `path`; without what is there when the value is None."""
    schema = json.loads(json.dumps(STRICT))
    *way, last = path.split("/")
    place = schema
    for step in way:
        place = place[int(step)] if isinstance(place, list) else place[step]
    if isinstance(place, list):
        place[int(last)] = value
    elif value is None:
        del place[last]
    else:
        place[last] = value
    return schema


def test_a_schema_as_strict_mode_wants_it_passes():
    check_schema(STRICT, tool="t", strict=True)


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        ("additionalProperties", None, "additionalProperties"),
        ("additionalProperties", True, "additionalProperties"),
        ("required", ["who", "note", "all"], "required"),
        ("required", None, "required"),
        ("$defs/person/additionalProperties", None, "$defs.person.additionalProperties"),
        ("$defs/person/required", [], "$defs.person.required"),
        (
            "properties/all/items/anyOf/1",
            {"type": "object"},
            "properties.all.items.anyOf.1.additionalProperties",
        ),
        (
            "properties/all/items",
            {"type": "object", "properties": {}},
            "properties.all.items.additionalProperties",
        ),
        ("properties/note/default", "x", "properties.note.default"),
        ("properties/note/oneOf", [{"type": "string"}], "properties.note.oneOf"),
        ("properties/note/allOf", [{"type": "string"}], "properties.note.allOf"),
        ("properties/note/not", {"type": "string"}, "properties.note.not"),
        ("properties/note/if", {"type": "string"}, "properties.note.if"),
        ("properties/all/uniqueItems", True, "properties.all.uniqueItems"),
        ("patternProperties", {"^x": {"type": "string"}}, "patternProperties"),
        ("dependentRequired", {"who": ["note"]}, "dependentRequired"),
        ("properties/day/format", "phone", "properties.day.format"),
        ("anyOf", [{"type": "object"}], "anyOf"),
    ],
)
def test_strict_mode_is_enforced_on_every_level(path: str, value: Any, where: str):
    schema = changed(path, value)
    with pytest.raises(ToolSchemaError) as caught:
        check_schema(schema, tool="t", strict=True)
    assert caught.value.path == where


@pytest.mark.parametrize("path", ["additionalProperties", "$defs/person/required"])
def test_without_strict_mode_its_rules_do_not_hold(path: str):
    check_schema(changed(path, None), tool="t")


def test_compiling_fetches_nothing():
    with pytest.raises(ToolSchemaError):
        compile_schema({"type": "object", "$ref": "http://127.0.0.1:9/schema"}, tool="t")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)
KEYWORDS = st.sampled_from(
    [
        *("type", "properties", "required", "items", "$ref", "$defs", "anyOf", "not", "enum"),
        *("additionalProperties", "pattern", "minimum", "if", "prefixItems", "$id", "default"),
    ]
)
SCHEMAS = st.recursive(
    JSON | st.sampled_from(["object", "string", "#", "#/$defs/a"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(KEYWORDS | st.sampled_from("ab"), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(schema=SCHEMAS, root=st.booleans(), strict=st.booleans(), arguments=JSON)
def test_whatever_is_called_a_schema_either_passes_and_compiles_or_is_named(
    schema: Any, root: bool, strict: bool, arguments: Any
):
    if root:
        schema = {
            **(schema if isinstance(schema, dict) else {"properties": schema}),
            "type": "object",
        }
    try:
        check_schema(schema, tool="t", strict=strict)
    except ToolSchemaError:
        return
    check = ArgumentCheck(schema, tool="t")
    with contextlib.suppress(BadArguments):
        check.check(read_arguments(json.dumps(arguments), max_bytes=10_000))
