"""A tool, as its developer defines it, and what it is told about the call that it serves."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias, overload

from patter_core.errors import ConfigError

ToolHandler: TypeAlias = Callable[..., Any]
"""`(arguments, context)`, a dict and a `ToolContext`: async, plain, or an async generator.

It returns text, which the model reads as it is, or anything that JSON can say. An async generator
yields `{"progress": "..."}`, spoken while it works, and `{"result": anything}`, the last of which
counts. What it raises is a failure and tried again; `ToolError` is not.
"""


class ToolContext(dict[str, Any]):
    """What a tool is told about the call: a dict, whose keys are attributes as well."""

    @property
    def call_id(self) -> str:
        """Patter's id for the call."""
        return self["call_id"]  # type: ignore[no-any-return]

    @property
    def caller(self) -> str:
        """Who rang, in E.164."""
        return self["caller"]  # type: ignore[no-any-return]

    @property
    def callee(self) -> str:
        """Who was rung, in E.164."""
        return self["callee"]  # type: ignore[no-any-return]

    @property
    def attempt(self) -> int:
        """1 at first, one more at each further attempt."""
        return self["attempt"]  # type: ignore[no-any-return]

    @property
    def idempotency_key(self) -> str:
        """The same at every attempt of one request, and never the same for two requests."""
        return self["idempotency_key"]  # type: ignore[no-any-return]

    @property
    def tenant_config(self) -> Any:  # noqa: ANN401 - it is the developer's
        """What the developer keeps for the tenant whose call it is."""
        return self["tenant_config"]

    @property
    def dependencies(self) -> Mapping[str, Any]:
        """What the tool declared that it `needs`, by name."""
        return self["dependencies"]  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reassurance:
    """A line that is spoken when a tool has not returned in time.

    Attributes:
        message: What is said.
        after_ms: How long the tool may take in silence.
    """

    message: str
    after_ms: int = 1_500


def _nothing() -> dict[str, Any]:
    return {"type": "object", "properties": {}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """Something that the in-call agent can do. It is checked when an agent is made of it.

    Attributes:
        name: What the model calls it: up to 64 letters, digits, underscores and hyphens.
        description: Tells the model what it does and when to use it.
        parameters: JSON Schema of its arguments.
        handler: Runs in this process; or
        webhook_url: is sent a POST. A tool has exactly one of both.
        strict: Hold schema and arguments to OpenAI's strict mode.
        reassurance: What is said when it takes long: a text, or `{"message", "after_ms"}`.
        timeout_sec: How long one attempt may take; running over is final.
        max_retries: How many further attempts a failure is worth.
        needs: The names of the dependencies that it uses.
        webhook_secret: Signs what is sent to `webhook_url`.
        breaker_threshold: Failures in a row until it rests; 0 is never, None the phone's number.
        breaker_cooldown_sec: How long it rests; None is the phone's number.
    """

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=_nothing)
    handler: ToolHandler | None = None
    webhook_url: str | None = None
    strict: bool = False
    reassurance: str | Reassurance | Mapping[str, Any] | None = None
    timeout_sec: float = 10.0
    max_retries: int = 2
    needs: tuple[str, ...] = ()
    webhook_secret: str | None = field(default=None, repr=False)
    breaker_threshold: int | None = None
    breaker_cooldown_sec: float | None = None


class ToolDecorator:
    """A tool that has everything but the function which follows."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Keep the fields of the tool."""
        self._options = dict(options)

    def __call__(self, function: ToolHandler) -> Tool:
        """The tool that `function` makes of it. Raises ConfigError as `tool` does."""
        return _tool({**self._options, "handler": function})


@overload
def tool(function: ToolHandler, /, **options: Any) -> Tool: ...


@overload
def tool(function: None = None, /, *, handler: ToolHandler, **options: Any) -> Tool: ...


@overload
def tool(function: None = None, /, *, webhook_url: str, **options: Any) -> Tool: ...


@overload
def tool(function: None = None, /, **options: Any) -> Any: ...  # noqa: ANN401 - a ToolDecorator


def tool(function: ToolHandler | None = None, /, **options: Any) -> Tool | ToolDecorator:
    """A tool, from a function or from its parts; also a decorator, with or without options.

    Without `parameters`, the schema comes from the function's types and the descriptions from its
    Google-style docstring; the function is then called with its own arguments by name. A parameter
    called `context`, or annotated as `ToolContext`, is given the context and hidden from the model.
    With `parameters`, it is called with `(arguments, context)`.

    Args:
        function: The function.
        **options: The fields of `Tool`.

    Returns:
        The tool; a decorator when given neither a function, a handler nor a webhook.

    Raises:
        ConfigError: No schema can be made of the function; it names the parameter.
    """
    if function is not None:
        if "handler" in options:
            raise ConfigError("tool() takes a function or handler=, not both")
        options["handler"] = function
    elif "handler" not in options and "webhook_url" not in options:
        return ToolDecorator(options)
    return _tool(options)


def _tool(options: dict[str, Any]) -> Tool:
    handler = options.get("handler")
    if callable(handler) and "parameters" not in options:
        # It brings pydantic, which costs more to import than all of the front door.
        from patter_core.tools.typed_function import derive_function

        strict = bool(options.get("strict", False))
        typed, parameters, description = derive_function(handler, ToolContext, strict=strict)
        options = {"description": description, **options, "parameters": parameters}
        options["handler"] = typed
    if callable(handler) and "name" not in options:
        options = {**options, "name": named(handler)}
    return tool_from_fields(options, "tool()")


def tool_from_fields(fields: Mapping[str, Any], where: str) -> Tool:
    """A tool from a plain dict.

    Raises:
        ConfigError: A field is missing or unknown; the sentence begins with `where`.
    """
    known = Tool.__dataclass_fields__
    if unknown := [str(name) for name in fields if name not in known]:
        raise ConfigError(f"{where} has no field {unknown[0]!r}; the fields are {', '.join(known)}")
    if "name" not in fields:
        raise ConfigError(f"{where} requires 'name'")
    return Tool(**dict(fields))


def named(function: ToolHandler) -> str:
    """The name that a function gives its tool; "" when it has none of its own."""
    while isinstance(function, partial):
        function = function.func
    return str(getattr(function, "__name__", ""))


def origin(handler: ToolHandler) -> str:
    """Module and qualified name of the function that does a handler's work."""
    from patter_core.tools.typed_function import TypedFunction

    while True:
        if isinstance(handler, TypedFunction):
            handler = handler.function
        elif isinstance(handler, partial):
            handler = handler.func
        else:
            break
    if not inspect.isroutine(handler):
        handler = type(handler)
    return f"{handler.__module__}.{handler.__qualname__}"
