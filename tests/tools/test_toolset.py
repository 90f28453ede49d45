from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from patter_core.errors import ConfigError
from patter_core.tools.definition import Tool, tool
from patter_core.tools.executor import ToolExecutor, ToolInvocation, ToolResult
from patter_core.tools.toolset import ToolFunction, Toolset
from patter_core.tools.url_guard import UrlGuard

GUARD = UrlGuard()


@dataclass(frozen=True)
class Tenant:
    tenant_id: str
    destinations: dict[str, str] = field(default_factory=dict)
    require_confirmation: bool = False


class Calls:
    def __init__(self) -> None:
        self.transfers: list[tuple[str, str]] = []

    async def transfer(self, call_id: str, target: str) -> None:
        self.transfers.append((call_id, target))


def transfer_tool(tenant: Tenant) -> Tool | None:
    """A transfer for tenants who have somewhere to transfer to."""
    if not tenant.destinations:
        return None
    return Tool(
        name="request_transfer",
        description="Hands the caller over.",
        parameters={
            "type": "object",
            "properties": {
                "destination_id": {"type": "string", "enum": sorted(tenant.destinations)},
            },
            "required": ["destination_id"],
            "additionalProperties": False,
        },
    )


def hours_tool(tenant: Tenant) -> Tool:
    @tool(name="opening_hours")
    async def hours() -> str:
        """Says when the tenant is open."""
        return f"{tenant.tenant_id} is open all day"

    return hours


async def request_transfer(
    args: dict[str, Any], invocation: ToolInvocation, deps: dict[str, Any]
) -> ToolResult:
    target = invocation.tenant_config.destinations[args["destination_id"]]
    await deps["calls"].transfer(invocation.call_id, target)
    output = json.dumps({"message": "call_transfer_requested", "target_uri": target})
    return ToolResult(invocation.function_call_id, ok=True, output=output)


TOOLSET = Toolset(
    builders=[transfer_tool, hours_tool],
    functions={"request_transfer": ToolFunction(request_transfer, needs=("calls",))},
)
SHOP = Tenant("shop", {"sales": "tel:+14155550101", "repairs": "tel:+14155550102"})


def executor_for(tenant: Tenant, dependencies: dict[str, Any]) -> ToolExecutor:
    tools = TOOLSET.tools(tenant, guard=GUARD, dependencies=dependencies)
    running = ToolExecutor(dependencies, tools=tools)
    TOOLSET.register(running)
    return running


async def test_each_tenant_has_the_tools_that_its_configuration_makes():
    calls = Calls()
    names = [checked.tool.name for checked in TOOLSET.tools(SHOP, guard=GUARD)]
    assert names == ["request_transfer", "opening_hours"]
    assert [one.tool.name for one in TOOLSET.tools(Tenant("kiosk"), guard=GUARD)] == [
        "opening_hours"
    ]
    running = executor_for(SHOP, {"calls": calls})
    asked = ToolInvocation(
        "call-1", "r1", "request_transfer", '{"destination_id": "sales"}', tenant_config=SHOP
    )
    result = await running.execute(asked)
    assert json.loads(result.output) == {
        "message": "call_transfer_requested",
        "target_uri": "tel:+14155550101",
    }
    assert calls.transfers == [("call-1", "tel:+14155550101")]


async def test_a_destination_that_the_tenant_has_not_named_never_reaches_the_function():
    calls = Calls()
    running = executor_for(SHOP, {"calls": calls})
    sent = '{"destination_id": "+19005550199"}'
    asked = ToolInvocation("call-1", "r1", "request_transfer", sent, tenant_config=SHOP)
    assert (await running.execute(asked)).error == "invalid_arguments"
    assert calls.transfers == []


async def test_a_function_whose_tool_the_tenant_does_not_have_cannot_be_reached():
    calls = Calls()
    kiosk = Tenant("kiosk")
    running = executor_for(kiosk, {"calls": calls})
    sent = '{"destination_id": "sales"}'
    asked = ToolInvocation("call-1", "r1", "request_transfer", sent, tenant_config=kiosk)
    assert (await running.execute(asked)).error == "unknown_tool"
    assert calls.transfers == []


async def test_a_tool_still_waits_for_its_function_when_registering_one_failed():
    running = ToolExecutor({"calls": Calls()}, tools=TOOLSET.tools(SHOP, guard=GUARD))
    with pytest.raises(ConfigError, match="clock"):
        running.register("request_transfer", request_transfer, needs=("clock",))
    assert running.waiting == {"request_transfer"}
    TOOLSET.register(running)
    sent = '{"destination_id": "nobody"}'
    asked = ToolInvocation("c", "r", "request_transfer", sent, tenant_config=SHOP)
    assert (await running.execute(asked)).error == "invalid_arguments"
    assert running.waiting == set()


async def test_a_tool_whose_function_was_not_registered_is_not_there():
    tools = TOOLSET.tools(SHOP, guard=GUARD)
    running = ToolExecutor({"calls": Calls()}, tools=tools)
    sent = '{"destination_id": "sales"}'
    result = await running.execute(ToolInvocation("c", "r", "request_transfer", sent))
    assert result.error == "unknown_tool"


def test_what_a_toolset_needs_and_nobody_supplies_is_refused_before_any_call():
    with pytest.raises(ConfigError, match="calls"):
        TOOLSET.check(())
    TOOLSET.check(("calls",))
    Toolset(functions={"x": ToolFunction(request_transfer, needs="calls")}).check(("calls",))
    with pytest.raises(ConfigError):
        Toolset(builders=["x"]).check(())
    with pytest.raises(ConfigError):
        Toolset(functions={"x": 3}).check(())


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (3, "made no Tool"),
        (Tool(name="lonely"), "requires either 'webhook_url' or 'handler'"),
        (Tool(name="request_transfer", handler=print), "registered function"),
        (Tool(name="end_call", handler=print), "always there"),
        (Tool(name="x", webhook_url="http://10.0.0.1/"), "not public"),
    ],
)
def test_a_builder_that_makes_no_usable_tool_is_told_so(made: Any, said: str):
    toolset = Toolset(builders=[lambda _: made], functions={"request_transfer": request_transfer})
    with pytest.raises(ConfigError) as caught:
        toolset.tools(SHOP, guard=GUARD)
    assert said in str(caught.value)


def test_two_builders_of_one_name_are_refused():
    toolset = Toolset(builders=[hours_tool, hours_tool])
    with pytest.raises(ConfigError, match="another tool"):
        toolset.tools(SHOP, guard=GUARD)
