"""One agent for many tenants: each has its own destinations, and its own rules for transfers.

    python examples/tenant_tools.py

It runs as it is: three calls go over a phone network on this machine, so nobody is rung, and no
account or key is needed. A builder makes `request_transfer` for each tenant, or leaves it out; one
function does its work, through the control of the call, which it declares that it needs.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from patter import (
    Patter,
    PatterError,
    ScriptedLLM,
    ScriptedSTT,
    ScriptedToolCall,
    ScriptedTTS,
    Tool,
    ToolError,
    ToolInvocation,
    Toolset,
)
from patter.simulator import Callee, PhoneNetwork


@dataclass(frozen=True)
class Features:
    """What a tenant has switched on."""

    transfers: bool = False
    require_confirmation: bool = False


@dataclass(frozen=True)
class Tenant:
    """What we keep for a tenant; its calls may be transferred to `destinations` only."""

    tenant_id: str
    features: Features = Features()
    destinations: Mapping[str, str] = field(default_factory=dict)


def request_transfer_tool(tenant: Tenant) -> Tool | None:
    """The tool as this tenant's agent sees it; None for one that does not transfer calls."""
    if not (tenant.features.transfers and tenant.destinations):
        return None
    properties: dict[str, Any] = {
        "destination_id": {"type": "string", "enum": sorted(tenant.destinations)},
        "reason": {"type": "string", "description": "Why, in a few words."},
    }
    if tenant.features.require_confirmation:
        properties["confirmed"] = {
            "type": "boolean",
            "description": "Whether the person said yes when you asked if you may connect them.",
        }
    return Tool(
        name="request_transfer",
        description="Connect the person to a department of ours.",
        parameters={
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        },
        strict=True,
        max_retries=0,
        needs=("call_control",),
    )


async def request_transfer(
    arguments: dict[str, Any], invocation: ToolInvocation, dependencies: Mapping[str, Any]
) -> dict[str, str]:
    """Do it. Arguments fit the schema; a `ToolError` is what the model gets to read."""
    tenant: Tenant = invocation.tenant_config
    if tenant.features.require_confirmation and not arguments["confirmed"]:
        raise ToolError("Ask the person whether you may connect them.", "confirmation_required")
    number = tenant.destinations[arguments["destination_id"]]
    try:
        await dependencies["call_control"].transfer(number)
    except PatterError as error:  # The dial policy said no, or the carrier.
        raise ToolError("Nobody could be connected.", "call_transfer_failed") from error
    return {"message": "call_transfer_requested", "target_uri": f"tel:{number}"}


TOOLSET = Toolset(
    builders=[request_transfer_tool], functions={"request_transfer": request_transfer}
)
DESKS = {"billing": "+14155550142", "repairs": "+14155550143"}
TENANTS = [
    Tenant("north", Features(transfers=True), DESKS),
    Tenant("south", Features(transfers=True, require_confirmation=True), DESKS),
    Tenant("west"),
]


def eager(messages: list[Any]) -> object:
    """A model that transfers at once, and asks when it has to."""
    last = messages[-1]
    if last.role == "tool":
        if "confirmation_required" in last.text:
            return "May I connect you with billing?"
        return "That I cannot do." if "error" in last.text else ""
    wanted: dict[str, object] = {"destination_id": "billing", "reason": "A question about a bill."}
    if "south" in messages[0].text:
        wanted["confirmed"] = "Yes" in last.text
    return ScriptedToolCall("request_transfer", wanted)


async def main() -> None:
    async with PhoneNetwork() as network:
        network.add("+14155552671", Callee(says=["My bill is wrong.", "Yes, please.", "Bye."]))
        phone = Patter(
            carrier=network.twilio(),
            phone_number="+14155550100",
            ledger=":memory:",
            clock=network.clock,
        )
        async with phone:
            for tenant in TENANTS:
                agent = phone.agent(
                    system_prompt=f"You answer for {tenant.tenant_id}.",
                    toolset=TOOLSET,
                    tenant=tenant,
                    stt=ScriptedSTT(),
                    llm=ScriptedLLM(eager),
                    tts=ScriptedTTS(),
                )
                result = await phone.call("+14155552671", agent)
                print(f"{tenant.tenant_id}: {result.status}, ended by {result.ended_by}")
                for turn in result.transcript:
                    print(f"{turn.role:>8}: {turn.text}")


if __name__ == "__main__":
    asyncio.run(main())
