"""Tools that were checked, once, when the agent was made: nothing about them is wrong any more."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NoReturn, cast

import orjson

from patter_core.errors import ConfigError
from patter_core.tools.arguments import ArgumentCheck
from patter_core.tools.definition import (
    Reassurance,
    Tool,
    ToolDecorator,
    origin,
    tool,
    tool_from_fields,
)
from patter_core.tools.schema_validation import check_schema
from patter_core.tools.url_guard import UrlGuard, UrlRefused
from patter_core.tools.user_code import is_async

SYSTEM_TOOLS = frozenset({"transfer_call", "end_call", "send_digits", "record_opt_out"})
"""Names of tools that are always there, and that nobody else's may have."""

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_MAX_RETRIES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedTool:
    """A tool that can be run, or that a registered function runs.

    Attributes:
        tool: What its developer wrote.
        check: Holds arguments to its schema.
        on_loop: Whether its handler is async.
        reassurance: What is said when it takes long, if anything.
        breaker_key: Whose failures count together.
    """

    tool: Tool
    check: ArgumentCheck
    on_loop: bool
    reassurance: Reassurance | None
    breaker_key: Hashable


def check_tools(
    tools: object,
    *,
    guard: UrlGuard,
    functions: Collection[str] = (),
    dependencies: Collection[str] | None = None,
) -> tuple[CheckedTool, ...]:
    """Check an agent's tools.

    Args:
        tools: A list of `Tool`s, plain dicts with their fields, or functions with types.
        guard: Judges their URLs.
        functions: The names for which a function is registered: those tools need nothing else.
        dependencies: The names of what tools can be given; None when that is not known yet.

    Raises:
        TypeError: It is not a list.
        ConfigError: A ValueError: a tool is wrong; says which, and what.
        ToolSchemaError: Its schema is.
    """
    if not isinstance(tools, list | tuple):
        raise TypeError(f"tools must be a list, not {type(tools).__name__}")
    checked: dict[str, CheckedTool] = {}
    for index, item in enumerate(cast("list[object]", tools)):
        one = check_tool(
            item, f"tools[{index}]", guard=guard, functions=functions, dependencies=dependencies
        )
        if one.tool.name in checked:
            raise ConfigError(f"tools[{index}]: there is another tool named {one.tool.name!r}")
        checked[one.tool.name] = one
    return tuple(checked.values())


def check_tool(
    item: object,
    where: str,
    *,
    guard: UrlGuard,
    functions: Collection[str] = (),
    dependencies: Collection[str] | None = None,
) -> CheckedTool:
    """Check one tool; see `check_tools`. Errors begin with `where`."""
    made = _as_tool(item, where, functions)
    ways = {"handler": made.handler, "webhook_url": made.webhook_url}
    _check_ways(ways, made.name in functions, where)
    _check_name(made.name, where)
    _check_numbers(made, where)
    _check_secret(made.webhook_secret, where)
    if made.webhook_url is not None:
        try:
            guard.check(made.webhook_url)
        except UrlRefused as error:
            raise ConfigError(f"{where} ({made.name}): {error}") from error
    needs = as_names(made.needs, where)
    check_needs(needs, dependencies, f"{where} ({made.name})")
    check_schema(made.parameters, tool=made.name, strict=made.strict)
    # A copy: what the model is shown must stay what was checked.
    parameters = orjson.loads(orjson.dumps(made.parameters))
    return CheckedTool(
        tool=replace(made, needs=needs, parameters=parameters),
        check=ArgumentCheck(parameters, tool=made.name),
        on_loop=made.handler is not None and is_async(made.handler, where),
        reassurance=_reassurance(made.reassurance, where),
        breaker_key=(made.name, made.webhook_url or (made.handler and origin(made.handler))),
    )


def as_names(needs: object, where: str) -> tuple[str, ...]:
    """What a tool `needs`, as names: one text is one name.

    Raises:
        ConfigError: It is something else.
    """
    names = (needs,) if isinstance(needs, str) else needs
    if isinstance(names, list | tuple | set | frozenset):
        listed = cast("Collection[object]", names)
        if all(isinstance(name, str) for name in listed):
            return tuple(cast("Collection[str]", listed))
    raise ConfigError(f"{where}: 'needs' is a list of the names of dependencies")


def check_needs(needs: Collection[str], dependencies: Collection[str] | None, where: str) -> None:
    """Raise ConfigError when something is needed that nobody supplies."""
    for need in needs:
        if dependencies is not None and need not in dependencies:
            raise ConfigError(f"{where} needs the dependency {need!r}, which nobody supplies")


def _as_tool(item: object, where: str, functions: Collection[str]) -> Tool:
    if isinstance(item, Tool):
        return item
    if isinstance(item, Mapping):
        fields = cast("Mapping[str, Any]", item)
        # Before anything else about it: the one mistake that everybody makes.
        _check_ways(fields, fields.get("name") in functions, where)
        return tool_from_fields(fields, where)
    if isinstance(item, ToolDecorator):
        _neither(where)
    if callable(item) and not isinstance(item, type):
        return tool(item)
    raise ConfigError(f"{where} must be a Tool, a dict or a function, not {type(item).__name__}")


def _neither(where: str) -> NoReturn:
    raise ConfigError(f"{where} requires either 'webhook_url' or 'handler'")


def _check_ways(fields: Mapping[str, Any], has_function: bool, where: str) -> None:
    given = [name for name in ("webhook_url", "handler") if fields.get(name) is not None]
    if len(given) == 2:
        raise ConfigError(f"{where} takes either 'webhook_url' or 'handler', not both")
    if given and has_function:
        raise ConfigError(f"{where} has a registered function and so takes no {given[0]!r}")
    if not given and not has_function:
        _neither(where)
    if given == ["handler"] and not callable(fields["handler"]):
        raise ConfigError(f"{where}: 'handler' must be a function")
    if given == ["webhook_url"] and not isinstance(fields["webhook_url"], str):
        raise ConfigError(f"{where}: 'webhook_url' must be text")


def _check_name(name: object, where: str) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ConfigError(
            f"{where}: a name has 1 to 64 letters, digits, underscores or hyphens, "
            f"unlike {name!r:.80}"
        )
    if name in SYSTEM_TOOLS:
        raise ConfigError(f"{where}: {name!r} is always there, and no other tool may have its name")


def _check_numbers(made: Tool, where: str) -> None:
    if not isinstance(made.description, str):
        raise ConfigError(f"{where}: 'description' must be text")
    if not _is_number(made.timeout_sec) or not 0 < made.timeout_sec <= 3_600:
        raise ConfigError(f"{where}: 'timeout_sec' must be a number of seconds up to 3600")
    if not _is_whole(made.max_retries) or made.max_retries > _MAX_RETRIES:
        raise ConfigError(f"{where}: 'max_retries' must be a whole number from 0 to {_MAX_RETRIES}")
    threshold, cooldown_sec = made.breaker_threshold, made.breaker_cooldown_sec
    if threshold is not None and not _is_whole(threshold):
        raise ConfigError(f"{where}: 'breaker_threshold' must be 0 or more")
    if cooldown_sec is not None and not (_is_number(cooldown_sec) and cooldown_sec > 0):
        raise ConfigError(f"{where}: 'breaker_cooldown_sec' must be more than 0 seconds")


def _check_secret(secret: object, where: str) -> None:
    # An empty one is a variable that nobody has set: what is sent would not be signed.
    if secret is not None and not (isinstance(secret, str) and secret):
        raise ConfigError(f"{where}: 'webhook_secret' must be text, and not empty")


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _reassurance(value: object, where: str) -> Reassurance | None:
    if value is None or value == "":
        return None
    if isinstance(value, str):
        value = Reassurance(message=value)
    elif isinstance(value, Mapping):
        try:
            value = Reassurance(**cast("Mapping[str, Any]", value))
        except TypeError as error:
            raise ConfigError(f"{where}: 'reassurance' has 'message' and 'after_ms'") from error
    if (
        not isinstance(value, Reassurance)
        or not isinstance(value.message, str)
        or not value.message.strip()
        or not _is_number(value.after_ms)
        or value.after_ms < 0
    ):
        raise ConfigError(f"{where}: 'reassurance' is a text, or its 'message' and 'after_ms'")
    return value
