"""The one set of arguments that every framework sees, and the one place that checks them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.json_schema import SkipJsonSchema

from patter_core.calls.bounds import (
    DEFAULT_DURATION_SEC,
    E164_PATTERN,
    FIRST_MESSAGE_CHARS,
    GOAL_CHARS,
    LONGEST_DURATION_SEC,
)
from patter_core.errors import ArgumentError


def _plain(schema: dict[str, Any]) -> None:
    """Leave only what a model needs, so that every exporter emits the same bytes."""
    schema.pop("title", None)
    schema.pop("description", None)
    for field in schema["properties"].values():
        field.pop("title", None)
        field["description"] = " ".join(field["description"].split())
        if field.get("default", ...) is None:
            del field["default"]


class CallArguments(BaseModel):
    """Arguments of `make_phone_call`, checked.

    Null or blank means absent: models in strict mode must send every field.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        use_attribute_docstrings=True,
        json_schema_extra=_plain,
    )

    to: Annotated[str, Field(pattern=E164_PATTERN)]
    """Phone number to ring, in E.164 form: a plus sign, the country code and the number, digits
    only, as in +14155552671."""

    goal: Annotated[str, Field(max_length=GOAL_CHARS)] | SkipJsonSchema[None] = None
    """What the call should achieve, with every fact that the person on the phone may ask for."""

    first_message: Annotated[str, Field(max_length=FIRST_MESSAGE_CHARS)] | SkipJsonSchema[None] = (
        None
    )
    """The first sentence said when somebody answers."""

    max_duration_sec: Annotated[int, Field(ge=1, le=LONGEST_DURATION_SEC)] = DEFAULT_DURATION_SEC
    """Seconds, ringing included, after which the call is ended whatever its state."""

    @model_validator(mode="before")
    @classmethod
    def _blank_means_absent(cls, data: Any) -> Any:  # noqa: ANN401 - a stranger's data
        if not isinstance(data, dict):
            return data
        present: dict[Any, Any] = {
            key: value
            for key, value in cast("dict[Any, Any]", data).items()
            if value is not None and not (isinstance(value, str) and not value.strip())
        }
        return {
            key: int(value) if isinstance(value, float) and value.is_integer() else value
            for key, value in present.items()
        }


def parse_arguments(
    arguments: Mapping[str, Any] | str | bytes,
    *,
    default_duration_sec: int = DEFAULT_DURATION_SEC,
) -> CallArguments:
    """Check what a model or a developer asked for.

    Args:
        arguments: A mapping, or the JSON text of an object.
        default_duration_sec: What `max_duration_sec` is when it is absent.

    Raises:
        ArgumentError: Something is unusable; it names the field and says what to do.
    """
    data = _read(arguments) if isinstance(arguments, str | bytes) else arguments
    if not isinstance(data, Mapping):
        raise ArgumentError("", "The arguments must be an object with the field 'to'")
    try:
        plain = dict(cast("Mapping[str, Any]", data))
    except Exception as error:
        raise ArgumentError("", "The arguments cannot be read") from error
    try:
        checked = CallArguments.model_validate(plain)
    except ValidationError as error:
        raise _first_problem(error) from error
    if "max_duration_sec" not in checked.model_fields_set:
        checked = checked.model_copy(update={"max_duration_sec": default_duration_sec})
    return checked


def _read(text: str | bytes) -> Any:  # noqa: ANN401 - a stranger's JSON
    try:
        # NaN and Infinity are let through here: no field takes them, and the check names the field.
        return json.loads(text, object_pairs_hook=_without_repeats)
    except ArgumentError:
        raise
    except (ValueError, RecursionError) as error:
        raise ArgumentError("", "The arguments are not valid JSON") from error


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for key, value in pairs:
        if key in data:
            raise ArgumentError(_shown(key), f"The field '{_shown(key)}' is there twice")
        data[key] = value
    return data


_ADVICE = {
    "to": (
        "must be a phone number in E.164 form, as text: a plus sign, the country code and the "
        "number, 7 to 15 digits, as in +14155552671"
    ),
    "goal": f"must be text of at most {GOAL_CHARS} characters",
    "first_message": f"must be text of at most {FIRST_MESSAGE_CHARS} characters",
    "max_duration_sec": f"must be a whole number of seconds from 1 to {LONGEST_DURATION_SEC}",
}


def _first_problem(error: ValidationError) -> ArgumentError:
    problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
    field = _shown(problem["loc"][0]) if problem["loc"] else ""
    if problem["type"] == "missing":
        return ArgumentError(field, f"'{field}' is missing: it {_ADVICE[field]}")
    if field in _ADVICE:
        return ArgumentError(field, f"'{field}' {_ADVICE[field]}")
    return ArgumentError(field, f"'{field}' is not a field; the fields are {', '.join(_ADVICE)}")


def _shown(key: object) -> str:
    """A stranger's key, short enough to be repeated in a sentence."""
    text = str(key)
    return text if len(text) <= 40 else text[:40] + "..."
