"""How a function with types and a docstring becomes a schema, and is called with what fits it."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from types import NoneType, UnionType
from typing import Annotated, Any, NotRequired, Union, get_args, get_origin, get_type_hints

from pydantic import Field, PydanticUserError, TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError
from pydantic.fields import FieldInfo
from typing_extensions import TypedDict

from patter_core.errors import ConfigError
from patter_core.tools.derived_schema import as_strict, untitled
from patter_core.tools.docstring import read_docstring
from patter_core.tools.invocation import ToolError

_REFUSED = {
    inspect.Parameter.VAR_POSITIONAL: "takes *{0}: a model can only name single arguments",
    inspect.Parameter.VAR_KEYWORD: "takes **{0}: a model can only name single arguments",
    inspect.Parameter.POSITIONAL_ONLY: "takes {0!r} by position only: arguments come by name",
}


class TypedFunction:
    """A handler `(arguments, context)` around a function that wants its own arguments.

    Attributes:
        function: What is called, with values of the types that it declares.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        adapter: TypeAdapter[dict[str, Any]],
        context_name: str | None,
        null_means_default: frozenset[str],
    ) -> None:
        """Keep what was derived."""
        self.function = function
        self.__name__ = getattr(function, "__name__", "")
        self._adapter = adapter
        self._context_name = context_name
        self._null_means_default = null_means_default

    def __call__(self, arguments: Mapping[str, Any], context: object) -> Any:  # noqa: ANN401
        """What the function returns: an answer, an awaitable or an async iterator.

        Raises:
            ToolError: The arguments fit the schema and still not the types.
        """
        present = {
            name: value
            for name, value in arguments.items()
            if value is not None or name not in self._null_means_default
        }
        try:
            values = dict(self._adapter.validate_python(present))
        except ValidationError as error:
            raise ToolError(_problems(error), code="invalid_arguments") from error
        if self._context_name is not None:
            values[self._context_name] = context
        return self.function(**values)


def derive_function(
    function: Callable[..., Any], context_type: type, *, strict: bool
) -> tuple[TypedFunction, dict[str, Any], str]:
    """What a model needs to know about `function`, from its signature and docstring.

    Args:
        function: Any callable but a class.
        context_type: A parameter annotated with it is given the context.
        strict: Make the schema fit OpenAI's strict mode: every argument required, and null for
            what has a default.

    Returns:
        The handler, the schema of its arguments, and its description.

    Raises:
        ConfigError: A parameter cannot be put into a schema; it is named. Or it is a class.
    """
    name = getattr(function, "__name__", type(function).__name__)
    if isinstance(function, type):
        raise ConfigError(f"tool {name!r} is a class: pass a function, or one of its methods")
    written = _written(function)
    hints = _hints(written, name)
    docs = read_docstring(inspect.getdoc(written) or "")
    fields: dict[str, Any] = {}
    null_means_default: set[str] = set()
    context_name: str | None = None
    for parameter in _parameters(function):
        hint = hints.get(parameter.name, parameter.empty)
        if parameter.kind in _REFUSED:
            refused = _REFUSED[parameter.kind].format(parameter.name)
            raise ConfigError(f"tool {name!r} {refused}")
        if _is_context(parameter.name, hint, context_type):
            context_name = parameter.name
            continue
        if hint is parameter.empty:
            _no_type(name, parameter.name)
        if isinstance(parameter.default, FieldInfo):
            raise ConfigError(
                f"tool {name!r}: parameter {parameter.name!r} has a Field as its default; write "
                "Annotated[type, Field(...)], and the default after it"
            )
        if strict and parameter.default is not parameter.empty and not _takes_none(hint):
            hint = _nullable(hint)
            null_means_default.add(parameter.name)
        described = docs.arguments.get(parameter.name)
        fields[parameter.name] = _field(hint, parameter.default, described)
    adapter, schema = _schema(name, fields)
    if strict:
        try:
            schema = as_strict(schema)
        except RecursionError as error:
            raise ConfigError(f"tool {name!r}: a type holds itself, without an end") from error
    typed = TypedFunction(function, adapter, context_name, frozenset(null_means_default))
    return typed, schema, docs.description


def _no_type(function: str, parameter: str) -> None:
    if parameter == "arguments":
        raise ConfigError(
            f"tool {function!r} takes (arguments, context): pass parameters= with the schema of "
            "its arguments"
        )
    raise ConfigError(f"tool {function!r}: parameter {parameter!r} needs a type")


def _written(function: Callable[..., Any]) -> Callable[..., Any]:
    """What its author wrote types and a docstring for: not a partial of it, nor its object."""
    while isinstance(function, partial):
        function = function.func
    return function if inspect.isroutine(function) else type(function).__call__


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """What is left to be given. What a partial binds by name is no model's to choose."""
    parameters = inspect.signature(function).parameters.values()
    bound: Collection[str] = function.keywords if isinstance(function, partial) else ()
    return [parameter for parameter in parameters if parameter.name not in bound]


def _hints(function: Callable[..., Any], name: str) -> dict[str, Any]:
    try:
        return get_type_hints(function, include_extras=True)
    except (NameError, AttributeError) as error:
        raise ConfigError(
            f"tool {name!r}: an annotation cannot be resolved ({error}); define its types where "
            "the whole module sees them"
        ) from error


def _is_context(name: str, hint: object, context_type: type) -> bool:
    if hint is context_type or context_type in get_args(hint):
        return True
    plain = get_origin(hint) or hint
    return name == "context" and plain in (inspect.Parameter.empty, dict, Mapping, Any)


def _takes_none(hint: object) -> bool:
    if get_origin(hint) is Annotated:
        return _takes_none(get_args(hint)[0])
    if get_origin(hint) in (Union, UnionType):
        return NoneType in get_args(hint)
    return hint is None or hint is NoneType or hint is Any


def _nullable(hint: Any) -> Any:  # noqa: ANN401 - a type
    """`hint` or None, with what was annotated kept on the outside, for its description."""
    if get_origin(hint) is Annotated:
        inner, *notes = get_args(hint)
        # Only a description may move outwards: a bound would then be asked of null as well.
        outer = [note for note in notes if isinstance(note, str)]
        nullable = _or_none(_annotated(inner, notes))
        return _annotated(nullable, outer) if outer else nullable
    return _or_none(hint)


# These types are made at run time, which type checkers do not follow.
def _annotated(hint: Any, notes: Sequence[Any]) -> Any:  # noqa: ANN401 - a type
    made: Any = Annotated
    return made[(hint, *notes)]


def _or_none(hint: Any) -> Any:  # noqa: ANN401 - a type
    made: Any = Union
    return made[hint, None]


def _field(hint: Any, default: object, described: str | None) -> Any:  # noqa: ANN401 - a type
    """The type of one field, with its description and default, as pydantic reads them."""
    notes = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    spoken = next((note for note in notes if isinstance(note, str)), described)
    if any(getattr(note, "description", None) for note in notes):
        spoken = None  # A Field of its own says it already.
    shown: dict[str, Any] | None = None
    if default is not inspect.Parameter.empty and default is not None and _is_json(default):
        shown = {"default": default}
    details = Field(json_schema_extra=shown)
    if spoken is not None:
        details = Field(description=spoken, json_schema_extra=shown)
    annotated = _annotated(hint, [details])
    made: Any = NotRequired
    return annotated if default is inspect.Parameter.empty else made[annotated]


def _is_json(value: object) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True


def _schema(
    name: str, fields: dict[str, Any]
) -> tuple[TypeAdapter[dict[str, Any]], dict[str, Any]]:
    make: Any = TypedDict
    shape: Any = make("Arguments", fields)
    shape.__pydantic_config__ = {"extra": "forbid"}
    try:
        adapter: TypeAdapter[dict[str, Any]] = TypeAdapter(shape)
        schema = adapter.json_schema()
    except (PydanticUserError, PydanticSchemaGenerationError) as error:
        for field, hint in fields.items() if len(fields) > 1 else ():
            _schema(name, {field: hint})  # Which of them it is.
        why = str(error.message).partition("\n")[0]
        raise ConfigError(
            f"tool {name!r}: {', '.join(fields)} cannot be described as JSON Schema: {why}"
        ) from error
    return adapter, untitled(schema)


def _problems(error: ValidationError) -> str:
    """The fields that do not fit. What a validator says may quote a value, so it is left out."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    places = sorted({".".join(str(step) for step in problem["loc"]) for problem in found})
    return f"These arguments cannot be used: {', '.join(places)[:300]}"
