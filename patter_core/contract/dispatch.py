"""A model's tool call in, the message to append out: for agent loops without a framework."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from patter_core.calls.result import rejected
from patter_core.errors import ConfigError

if TYPE_CHECKING:
    from patter_core.calls.result import CallResult

Api = Literal["chat", "responses", "assistants", "anthropic"]
"""OpenAI's Chat Completions, Responses and Assistants; Anthropic's Messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedCall:
    """A tool call, whichever API it came from.

    Attributes:
        arguments: JSON text from OpenAI, a mapping from Anthropic; unchecked.
    """

    api: Api
    tool_call_id: str
    name: str
    arguments: Mapping[str, Any] | str

    def answer(self, result: CallResult) -> dict[str, Any]:
        """What the API wants back: a message, an input item, a tool output or a content block."""
        content = result.to_json()
        match self.api:
            case "chat":
                return {"role": "tool", "tool_call_id": self.tool_call_id, "content": content}
            case "responses":
                return {
                    "type": "function_call_output",
                    "call_id": self.tool_call_id,
                    "output": content,
                }
            case "assistants":
                return {"tool_call_id": self.tool_call_id, "output": content}
            case "anthropic":
                return {
                    "type": "tool_result",
                    "tool_use_id": self.tool_call_id,
                    "content": content,
                    "is_error": result.is_error,
                }

    def refused(self, name: str) -> CallResult | None:
        """The answer to a call for another tool than `name`; None when it is for this one."""
        if self.name == name:
            return None
        shown = self.name[:64]
        return rejected("", "invalid_arguments", f"There is no tool {shown!r} here, only {name!r}")


def read_tool_call(tool_call: object, api: Api | None = None) -> AskedCall:
    """`tool_call`, an SDK's object or the same as a mapping.

    Args:
        tool_call: What the model answered.
        api: Where it comes from; None tells it from its shape. A mapping from the Assistants API
            looks like one from Chat Completions: say it.

    Raises:
        ConfigError: It is no tool call that we know.
    """
    if api is not None and api not in get_args(Api):
        raise ConfigError(f"dispatch: api is {api!r}; it is one of {', '.join(get_args(Api))}")
    function = _field(tool_call, "function")
    if function is not None:
        kind: Api = "assistants" if _is_assistants(tool_call) else "chat"
        found = (api or kind, _field(tool_call, "id"), function, "arguments")
    elif _field(tool_call, "type") == "tool_use":
        found = ("anthropic", _field(tool_call, "id"), tool_call, "input")
    else:
        found = ("responses", _field(tool_call, "call_id"), tool_call, "arguments")
    known, tool_call_id, described, field = found
    name, arguments = _field(described, "name"), _field(described, field)
    if not (isinstance(tool_call_id, str) and isinstance(name, str)):
        raise ConfigError(
            "dispatch: this is no tool call of OpenAI's Chat Completions, Responses or Assistants, "
            f"nor a tool_use block of Anthropic's: {type(tool_call).__name__}"
        )
    return AskedCall(
        api=known,
        tool_call_id=tool_call_id,
        name=name,
        arguments=cast("Mapping[str, Any] | str", {} if arguments is None else arguments),
    )


def _field(source: object, name: str) -> object:
    if isinstance(source, Mapping):
        return cast("Mapping[str, object]", source).get(name)
    return getattr(source, name, None)


def _is_assistants(tool_call: object) -> bool:
    return type(tool_call).__module__.startswith("openai.types.beta.threads")
