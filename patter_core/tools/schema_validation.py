"""Whether the schema of a tool's arguments can be used, checked once, when the agent is made.

A typo in a schema would otherwise show itself in the middle of a call, as a model that leaves out
an argument or a service that drops the tool without a word.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn, TypeGuard, cast

import jsonschema_rs
import orjson

from patter_core.errors import ToolSchemaError
from patter_core.tools.strict_mode import strict_problem

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_DEPTH = 32
"""How deep schemas may be nested in each other."""
MAX_SCHEMAS = 5_000
"""How many schemas one tool may consist of."""

_TYPES = frozenset({"object", "array", "string", "number", "integer", "boolean", "null"})

# Where a schema holds further schemas. What is "in place" describes the same value as the schema
# around it, so a reference that leads back through nothing else would never come to an end.
_IN_PLACE_ONE = ("not", "if", "then", "else")
_IN_PLACE_MANY = ("allOf", "anyOf", "oneOf")
_IN_PLACE_NAMED = ("dependentSchemas",)
_WITHIN_ONE = (
    *("items", "additionalProperties", "contains", "propertyNames"),
    *("unevaluatedItems", "unevaluatedProperties", "additionalItems"),
)
_WITHIN_MANY = ("prefixItems",)
_WITHIN_NAMED = ("properties", "patternProperties", "$defs", "definitions")

# These lead out of the schema, or change where its references lead.
_REBASING = ("$id", "$anchor", "$dynamicRef", "$dynamicAnchor", "$recursiveRef")


def check_schema(parameters: object, *, tool: str, strict: bool = False) -> None:
    """Check the schema of a tool's arguments.

    Args:
        parameters: JSON Schema of an object, as a mapping.
        tool: The tool's name, for the error.
        strict: Hold it to OpenAI's strict mode as well.

    Raises:
        ToolSchemaError: It cannot be used; says where and why.
    """
    _Check(tool, strict=strict).run(parameters)


def compile_schema(
    parameters: Mapping[str, Any], *, tool: str
) -> jsonschema_rs.Draft202012Validator:
    """A validator of arguments, which asks nobody for what a schema refers to.

    Its messages say "value" in place of the values that were wrong.

    Raises:
        ToolSchemaError: It is no JSON Schema.
    """
    try:
        return jsonschema_rs.Draft202012Validator(
            dict(parameters), retriever=_retrieve_nothing, mask="value"
        )
    except jsonschema_rs.ValidationError as error:
        path = ".".join(str(part) for part in error.instance_path)
        raise ToolSchemaError(tool, path, "this is not valid JSON Schema") from error
    except (ValueError, jsonschema_rs.ReferencingError) as error:
        raise ToolSchemaError(tool, "", "this is not valid JSON Schema") from error


def _retrieve_nothing(_uri: str) -> jsonschema_rs.JSONType:
    raise ValueError("Schemas are not fetched")


class _Check:
    """One walk through one tool's schema."""

    def __init__(self, tool: str, *, strict: bool) -> None:
        self._tool = tool
        self._strict = strict
        self._count = 0
        self._in_place: dict[str, list[str]] = {}
        """For each schema, by JSON pointer, those that describe the same value."""
        self._refs: list[tuple[str, str]] = []
        """A path for the error, and the JSON pointer that it refers to."""

    def run(self, parameters: object) -> None:
        if not _is_object(parameters):
            self._fail("", "it must be a dict with JSON Schema")
        if parameters.get("type") != "object":
            self._fail("type", "the root must have type 'object'")
        if self._strict and "anyOf" in parameters:
            self._fail("anyOf", "strict mode takes no anyOf at the root")
        self._schema(parameters, "", "#", 0)
        for path, pointer in self._refs:
            if pointer not in self._in_place:
                self._fail(path, "this refers to nothing in this schema")
        self._no_endless_reference()
        self._is_json(parameters)
        compile_schema(parameters, tool=self._tool)

    def _schema(self, schema: object, path: str, pointer: str, depth: int) -> None:
        """Check one schema with all that are in it."""
        self._count += 1
        if depth > MAX_DEPTH or self._count > MAX_SCHEMAS:
            self._fail(path, f"it is nested deeper than {MAX_DEPTH} levels, or endlessly large")
        same = self._in_place.setdefault(pointer, [])
        if isinstance(schema, bool) and path:
            if self._strict and not path.endswith("additionalProperties"):
                self._fail(path, "strict mode takes no true or false in place of a schema")
            return
        if not _is_object(schema):
            self._fail(path, "a schema must be a dict")
        self._type(schema, path)
        self._references(schema, path, same)
        self._properties(schema, path)
        if self._strict and (problem := strict_problem(schema)) is not None:
            keyword, sentence = problem
            self._fail(_joined(path, keyword), sentence)
        for part, where, in_place in self._parts(schema, path):
            below = f"{pointer}/{'/'.join(_escaped(step) for step in where)}"
            if in_place:
                same.append(below)
            self._schema(part, _joined(path, *where), below, depth + 1)

    def _type(self, schema: Mapping[str, Any], path: str) -> None:
        if "type" not in schema:
            return
        named = schema["type"]
        types = cast("list[Any]", named if isinstance(named, list | tuple) else [named])
        if not types:
            self._fail(_joined(path, "type"), "the list of types is empty")
        for name in types:
            if not isinstance(name, str) or name not in _TYPES:
                self._fail(_joined(path, "type"), f"{name!r:.40} is no type of JSON Schema")

    def _references(self, schema: Mapping[str, Any], path: str, same: list[str]) -> None:
        for keyword in _REBASING:
            if keyword in schema:
                self._fail(_joined(path, keyword), f"{keyword} is not supported")
        if "$ref" not in schema:
            return
        target = schema["$ref"]
        if not isinstance(target, str) or not (target == "#" or target.startswith("#/")):
            self._fail(_joined(path, "$ref"), "only references within the schema are followed")
        same.append(target)
        self._refs.append((_joined(path, "$ref"), target))

    def _properties(self, schema: Mapping[str, Any], path: str) -> None:
        properties = schema.get("properties", {})
        if not _is_object(properties):
            self._fail(_joined(path, "properties"), "it must be a dict of schemas")
        for name, part in properties.items():
            if not _is_object(part):
                self._fail(_joined(path, "properties", name), "a property's schema must be a dict")
        if "required" not in schema:
            return
        required = schema["required"]
        where = _joined(path, "required")
        if not isinstance(required, list | tuple):
            self._fail(where, "it must be a list of names, as in ['name']")
        for name in cast("list[Any]", required):
            if not isinstance(name, str):
                self._fail(where, "it must be a list of names, as in ['name']")
            if name not in properties:
                self._fail(where, f"{name!r:.60} is not among the properties")
        if len(set(cast("list[str]", required))) != len(cast("list[str]", required)):
            self._fail(where, "a name is there twice")

    def _parts(
        self, schema: Mapping[str, Any], path: str
    ) -> Iterator[tuple[object, tuple[str, ...], bool]]:
        """Every schema directly in `schema`, with the way to it, and whether it is in place."""
        for keyword in (*_IN_PLACE_ONE, *_WITHIN_ONE):
            if keyword in schema:
                yield schema[keyword], (keyword,), keyword in _IN_PLACE_ONE
        for keyword in (*_IN_PLACE_MANY, *_WITHIN_MANY):
            if keyword in schema:
                parts = schema[keyword]
                if not isinstance(parts, list | tuple) or not parts:
                    self._fail(_joined(path, keyword), "it must be a list of schemas")
                for index, part in enumerate(cast("list[object]", parts)):
                    yield part, (keyword, str(index)), keyword in _IN_PLACE_MANY
        for keyword in (*_IN_PLACE_NAMED, *_WITHIN_NAMED):
            if keyword in schema:
                named = schema[keyword]
                if not _is_object(named):
                    self._fail(_joined(path, keyword), "it must be a dict of schemas")
                for name, part in named.items():
                    yield part, (keyword, name), keyword in _IN_PLACE_NAMED

    def _no_endless_reference(self) -> None:
        """Refuse references that lead back to themselves without going into the value."""
        settled: set[str] = set()
        for start in self._in_place:
            open_ends = [(start, iter(self._in_place[start]))]
            on_way = {start}
            while open_ends:
                pointer, further = open_ends[-1]
                following = next(further, None)
                if following is None:
                    settled.add(pointer)
                    on_way.discard(pointer)
                    open_ends.pop()
                elif following in on_way:
                    self._fail(following.lstrip("#/").replace("/", "."), "it refers to itself")
                elif following not in settled:
                    on_way.add(following)
                    open_ends.append((following, iter(self._in_place[following])))

    def _is_json(self, parameters: Mapping[str, Any]) -> None:
        try:
            orjson.dumps(parameters)
        except (TypeError, ValueError) as error:
            raise ToolSchemaError(self._tool, "", "it cannot be written as JSON") from error

    def _fail(self, path: str, sentence: str) -> NoReturn:
        raise ToolSchemaError(self._tool, path, sentence)


def _is_object(value: object) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(value, Mapping) and all(
        isinstance(key, str) for key in cast("Mapping[Any, Any]", value)
    )


def _joined(path: str, *steps: str) -> str:
    return ".".join([path, *steps] if path else steps)


def _escaped(step: str) -> str:
    return step.replace("~", "~0").replace("/", "~1")
