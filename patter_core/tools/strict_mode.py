"""What OpenAI's strict mode asks of every schema, beyond being one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

_UNSUPPORTED = frozenset(
    {
        *("allOf", "oneOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas"),
        *("dependencies", "patternProperties", "propertyNames", "minProperties", "maxProperties"),
        *("unevaluatedProperties", "unevaluatedItems", "additionalItems", "prefixItems"),
        *("contains", "minContains", "maxContains", "uniqueItems", "default"),
        *("contentEncoding", "contentMediaType", "contentSchema"),
    }
)
_FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"}
)


def strict_problem(schema: Mapping[str, Any]) -> tuple[str, str] | None:
    """The keyword of `schema` that strict mode does not take, or misses, and a sentence about it.

    Args:
        schema: A sound schema; those within it are looked at on their own.
    """
    for keyword in schema:
        if keyword in _UNSUPPORTED:
            return keyword, f"strict mode does not support {keyword}"
    if "format" in schema and schema["format"] not in _FORMATS:
        return "format", "strict mode does not support this format"
    named = schema.get("type")
    types = cast("list[Any]", named if isinstance(named, list | tuple) else [named])
    if "object" not in types and not ("properties" in schema or "required" in schema):
        return None
    if schema.get("additionalProperties") is not False:
        return "additionalProperties", "strict mode needs it to be False, everywhere"
    for name in schema.get("properties", {}):
        if name not in schema.get("required", ()):
            return "required", (
                f"strict mode needs every property in it, and {name!r:.60} is not: what may be "
                "left out gets the type null as well"
            )
    return None
