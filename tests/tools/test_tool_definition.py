from __future__ import annotations

import functools
from collections.abc import AsyncIterator  # noqa: TC003 - read at run time, as types of tools
from typing import Annotated, Any, Literal, Optional

import pytest
from pydantic import BaseModel, Field

from patter_core.errors import ConfigError
from patter_core.tools.checked_tool import CheckedTool, check_tools
from patter_core.tools.definition import Reassurance, Tool, ToolContext, tool
from patter_core.tools.invocation import ToolError
from patter_core.tools.schema_validation import ToolSchemaError, check_schema
from patter_core.tools.url_guard import UrlGuard

GUARD = UrlGuard()


def checked(*tools: Any, **options: Any) -> tuple[CheckedTool, ...]:
    return check_tools(list(tools), guard=GUARD, **options)


async def handler(arguments: dict[str, Any], context: dict[str, Any]) -> str:
    return "done"


class Item(BaseModel):
    """One thing on an order."""

    sku: str
    count: int = Field(1, ge=1, description="How many of it")


@tool
async def place_order(
    order_id: str,
    items: list[Item],
    first: Item,
    speed: Literal["slow", "fast"] = "slow",
    note: Optional[str] = None,  # noqa: UP045 - the older spelling has to work as well
    copies: Annotated[int, "How many copies", Field(ge=1, le=9)] = 1,
    prices: dict[str, float] | None = None,
    context: ToolContext | None = None,
) -> dict[str, Any]:
    """Places an order.

    Only after the caller said yes.

    Args:
        order_id (str): What is on the receipt,
            with its dash: ORD-1.
        items: The rest.
        first: The first thing.
        speed: How it travels.
        copies: Never shown, the annotation says it.

    Returns:
        What was placed.
    """
    assert context is not None
    return {"id": order_id, "items": items, "call": context.call_id, "copies": copies, "note": note}


def test_a_function_becomes_a_schema_with_descriptions():
    assert place_order.name == "place_order"
    assert place_order.description == "Places an order.\n\nOnly after the caller said yes."
    schema = dict(place_order.parameters)
    item = schema.pop("$defs")["Item"]
    assert item["required"] == ["sku"]
    assert item["properties"]["count"] == {
        "default": 1,
        "description": "How many of it",
        "minimum": 1,
        "type": "integer",
    }
    assert schema == {
        "type": "object",
        "properties": {
            "order_id": {
                "type": "string",
                "description": "What is on the receipt, with its dash: ORD-1.",
            },
            "items": {
                "type": "array",
                "items": {"$ref": "#/$defs/Item"},
                "description": "The rest.",
            },
            "first": {"$ref": "#/$defs/Item", "description": "The first thing."},
            "speed": {
                "type": "string",
                "enum": ["slow", "fast"],
                "default": "slow",
                "description": "How it travels.",
            },
            "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "copies": {
                "type": "integer",
                "minimum": 1,
                "maximum": 9,
                "default": 1,
                "description": "How many copies",
            },
            "prices": {
                "anyOf": [
                    {"type": "object", "additionalProperties": {"type": "number"}},
                    {"type": "null"},
                ]
            },
        },
        "required": ["order_id", "items", "first"],
        "additionalProperties": False,
    }
    check_schema(place_order.parameters, tool="t")


async def test_a_function_is_called_with_values_of_its_types_and_the_context():
    context = ToolContext(call_id="c1")
    arguments = {"order_id": "ORD-1", "items": [{"sku": "a"}], "first": {"sku": "b"}, "copies": 2}
    assert await place_order.handler(arguments, context) == {
        "id": "ORD-1",
        "items": [Item(sku="a", count=1)],
        "call": "c1",
        "copies": 2,
        "note": None,
    }


@tool(strict=True, name="strict_order")
def strict_order(first: Annotated[Item, "The thing"], count: int = 3, note: str | None = None):
    """Orders."""
    return first, count, note


def test_a_strict_function_gets_a_strict_schema_in_which_null_is_its_default():
    check_schema(strict_order.parameters, tool="t", strict=True)
    assert strict_order.parameters["required"] == ["first", "count", "note"]
    arguments = {"first": {"sku": "a", "count": 1}, "count": None, "note": None}
    assert strict_order.handler(arguments, {}) == (Item(sku="a"), 3, None)


def test_arguments_that_fit_the_schema_and_not_the_types_are_a_refusal():
    with pytest.raises(ToolError) as caught:
        place_order.handler({"order_id": "x", "items": [{}], "first": {"sku": "a"}}, {})
    assert caught.value.code == "invalid_arguments"
    assert "items.0.sku" in caught.value.detail


def test_names_that_pydantic_keeps_for_itself_may_be_arguments():
    @tool
    def odd(schema: str, copy: int, model_config: bool, _private: str = "") -> None:
        """Odd."""

    assert list(odd.parameters["properties"]) == ["schema", "copy", "model_config", "_private"]
    odd.handler({"schema": "a", "copy": 1, "model_config": True}, {})


def test_a_tool_is_made_from_parts_decorators_and_functions_alike():
    parameters = {"type": "object", "properties": {}}

    @tool(parameters=parameters, description="Raw.")
    async def raw(arguments, context):
        return arguments

    by_parts = tool(name="t", description="d", parameters=parameters, handler=handler)
    by_url = tool(name="t", parameters=parameters, webhook_url="https://api.example.com/t")
    assert (raw.name, raw.description, raw.parameters) == ("raw", "Raw.", parameters)
    assert by_parts == Tool(name="t", description="d", parameters=parameters, handler=handler)
    assert by_url.webhook_url == "https://api.example.com/t"
    assert checked(raw)[0].on_loop
    assert checked(tool(name="x")(functools.partial(place_order.handler.function)))


def _takes_many(*numbers: int):
    """Sums."""


def _takes_named(**named: int):
    """Sums."""


def _takes_by_position(number: int, /):
    """Sums."""


def _takes_untyped(number):
    """Sums."""


def _takes_raw(arguments, context):
    """Sums."""


def _takes_unknown(number: Nowhere):  # noqa: F821
    """Sums."""


def _takes_what_json_has_not(stream: AsyncIterator[bytes]):
    """Reads."""


def _takes_a_field_as_default(number: int = Field(default=3, ge=1)):
    """Counts."""


@pytest.mark.parametrize(
    ("function", "named"),
    [
        (_takes_many, "*numbers"),
        (_takes_named, "**named"),
        (_takes_by_position, "number"),
        (_takes_untyped, "number"),
        (_takes_raw, "parameters="),
        (_takes_unknown, "Nowhere"),
        (_takes_what_json_has_not, "'_takes_what_json_has_not': stream cannot"),
        (_takes_a_field_as_default, "Annotated"),
        (Item, "class"),
    ],
)
def test_a_function_that_makes_no_schema_is_refused_by_name(function: Any, named: str):
    with pytest.raises(ConfigError) as caught:
        tool(function)
    assert named in str(caught.value)


class Endless(BaseModel):
    """Holds another of itself, always."""

    inner: Endless = Field(description="The next.")


def test_a_type_that_holds_itself_without_an_end_is_no_schema_of_strict_mode():
    def wind(first: Annotated[Endless, "The first."]):
        """Winds."""

    tool(wind)
    with pytest.raises(ConfigError, match="without an end"):
        tool(wind, strict=True)


@pytest.mark.parametrize(
    "item",
    [
        {"name": "t", "description": "d", "parameters": {}},
        {"name": "t", "parameters": "broken", "handler": None},
        {"name": "bad name", "webhookUrl": "https://api.example.com"},
        Tool(name="t", parameters={"type": "broken"}),
        tool(name="t"),
    ],
)
def test_a_tool_with_neither_handler_nor_webhook_is_told_so_before_anything_else(item: Any):
    with pytest.raises(
        ValueError, match=r"^tools\[0\] requires either 'webhook_url' or 'handler'$"
    ):
        checked(item)


def test_the_number_of_the_tool_at_fault_is_named():
    with pytest.raises(ValueError, match=r"^tools\[1\] requires either"):
        checked({"name": "a", "handler": handler}, {"name": "b"})


@pytest.mark.parametrize(
    "tools", [None, "tools", {"name": "t"}, 3, place_order, {place_order.name}]
)
def test_tools_that_are_no_list_are_a_type_error(tools: Any):
    with pytest.raises(TypeError):
        check_tools(tools, guard=GUARD)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"webhook_url": "https://api.example.com/"}, "not both"),
        ({"handler": "not a function"}, "function"),
        ({"name": ""}, "letters"),
        ({"name": "a b"}, "letters"),
        ({"name": "ä"}, "letters"),
        ({"name": "a\n"}, "letters"),
        ({"name": "x" * 65}, "letters"),
        ({"name": 3}, "letters"),
        ({"name": "end_call"}, "always there"),
        ({"name": "transfer_call"}, "always there"),
        ({"name": "send_digits"}, "always there"),
        ({"webhookUrl": "x"}, "webhookUrl"),
        ({"timeout_sec": 0}, "timeout_sec"),
        ({"timeout_sec": "10"}, "timeout_sec"),
        ({"timeout_sec": float("nan")}, "timeout_sec"),
        ({"max_retries": -1}, "max_retries"),
        ({"max_retries": True}, "max_retries"),
        ({"breaker_threshold": -1}, "breaker_threshold"),
        ({"breaker_cooldown_sec": float("inf")}, "breaker_cooldown_sec"),
        ({"reassurance": {"message": "x", "after_ms": float("nan")}}, "reassurance"),
        ({"needs": None}, "needs"),
        ({"needs": [3]}, "needs"),
        ({"webhook_secret": ""}, "webhook_secret"),
        ({"webhook_secret": b"hush"}, "webhook_secret"),
        ({"reassurance": 3}, "reassurance"),
        ({"reassurance": {"text": "x"}}, "reassurance"),
        ({"reassurance": {"message": "x", "after_ms": -1}}, "reassurance"),
        ({"description": None}, "description"),
        ({"needs": ("calendar",)}, "calendar"),
        ({"handler": None, "webhook_url": "http://127.0.0.1:3000/api"}, "port"),
        ({"handler": None, "webhook_url": "http://127.0.0.1/api"}, "not public"),
        ({"handler": None, "webhook_url": "http://metadata.google.internal/v1"}, "internal"),
        ({"handler": None, "webhook_url": 3}, "webhook_url"),
    ],
)
def test_a_mistaken_tool_is_refused_when_the_agent_is_made(fields: dict[str, Any], said: str):
    whole = {"name": "t", "handler": handler, **fields}
    with pytest.raises(ConfigError) as caught:
        checked(whole, dependencies=())
    assert str(caught.value).startswith("tools[0]")
    assert said in str(caught.value)


def test_a_plain_generator_is_refused_as_it_would_block():
    def steps(arguments, context):
        yield {"result": 1}

    with pytest.raises(ConfigError, match="async generator"):
        checked({"name": "t", "handler": steps})


def test_a_schema_that_is_changed_later_changes_nothing():
    parameters: dict[str, Any] = {"type": "object", "properties": {"n": {"type": "integer"}}}
    (one,) = checked({"name": "t", "handler": handler, "parameters": parameters})
    parameters["properties"]["n"]["type"] = "nonsense"
    parameters["required"] = ["m"]
    assert one.tool.parameters == {"type": "object", "properties": {"n": {"type": "integer"}}}


class Shop:
    """Has functions of every kind."""

    def method(self, sku: str) -> str:
        """Looks it up."""
        return sku

    @classmethod
    def of_the_class(cls, sku: str) -> str:
        """Looks it up."""
        return sku

    @staticmethod
    def alone(sku: str) -> str:
        """Looks it up."""
        return sku

    async def __call__(self, *, sku: str) -> str:
        """Looks it up."""
        return sku


def _of_tenant(tenant: str, sku: str) -> str:
    """Looks it up."""
    return f"{tenant} {sku}"


@pytest.mark.parametrize(
    "function",
    [
        Shop().method,
        Shop.of_the_class,
        Shop.alone,
        tool(Shop(), name="look_up"),
        functools.partial(Shop.method, Shop()),
        functools.partial(_of_tenant, tenant="acme"),
    ],
    ids=["method", "class method", "static method", "object", "partial", "bound by name"],
)
def test_functions_of_every_kind_become_tools(function: Any):
    (one,) = checked(function)
    assert one.tool.description == "Looks it up."
    assert dict(one.tool.parameters) == {
        "type": "object",
        "properties": {"sku": {"type": "string"}},
        "required": ["sku"],
        "additionalProperties": False,
    }


def test_two_tools_of_one_name_are_refused():
    with pytest.raises(ConfigError, match=r"tools\[1\].*'t'"):
        checked({"name": "t", "handler": handler}, {"name": "t", "handler": handler})


def test_a_schema_error_names_the_tool():
    with pytest.raises(ToolSchemaError) as caught:
        checked(
            {"name": "t", "handler": handler, "parameters": {"type": "object", "required": "x"}}
        )
    assert (caught.value.tool, caught.value.path) == ("t", "required")


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (None, None),
        ("", None),
        ("One moment.", Reassurance(message="One moment.", after_ms=1500)),
        ({"message": "Wait.", "after_ms": 300}, Reassurance(message="Wait.", after_ms=300)),
        ({"message": "Wait."}, Reassurance(message="Wait.", after_ms=1500)),
    ],
)
def test_reassurance_is_a_text_or_a_text_with_a_time(given: Any, meant: Any):
    assert checked(Tool(name="t", handler=handler, reassurance=given))[0].reassurance == meant


def test_the_breaker_of_a_tool_goes_by_name_and_origin():
    first, second = checked(
        place_order, Tool(name="hook", webhook_url="https://api.example.com/hook")
    )
    assert first.breaker_key == ("place_order", f"{__name__}.place_order")
    assert second.breaker_key == ("hook", "https://api.example.com/hook")


def test_secrets_are_not_shown():
    made = Tool(name="t", webhook_url="https://api.example.com/", webhook_secret="hush-hush")
    assert "hush-hush" not in repr(made)


def test_a_context_is_a_dict_with_attributes():
    context = ToolContext(call_id="c", caller="+1", callee="+2", attempt=1, idempotency_key="k")
    assert isinstance(context, dict)
    assert context["call_id"] == context.call_id == "c"
    assert (context.caller, context.callee, context.attempt) == ("+1", "+2", 1)
