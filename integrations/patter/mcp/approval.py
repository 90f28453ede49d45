"""A person's approval of a call, asked for at the client where it can ask."""

from __future__ import annotations

from typing import Annotated, Any

from mcp.server.elicitation import AcceptedElicitation, ElicitationResult
from mcp.server.mcpserver import Context  # noqa: TC002 - the SDK reads it in signatures
from mcp.server.mcpserver.resolve import Elicit, Resolve
from pydantic import BaseModel, ConfigDict, Field

from patter.mcp.request import Request


class Approval(BaseModel):
    """What a person is asked."""

    model_config = ConfigDict(title="Phone call")

    approve: Annotated[bool, Field(title="Make the call", description="Ring this number now?")]


async def _ask(ctx: Context[Any, Any]) -> Approval | Elicit[Approval]:
    """The question; a yes where nobody is to be asked, or the call could not be made."""
    request = Request.of(ctx)
    capabilities = ctx.client_capabilities
    can_ask = capabilities is not None and capabilities.elicitation is not None
    unusable = request.calls.tool.check(request.arguments) is not None
    if not (request.calls.ask_first and can_ask) or unusable:
        return Approval(approve=True)
    asked = request.arguments
    goal = f" Goal: {asked['goal']}" if asked.get("goal") else ""
    return Elicit(f"Ring {asked['to']} now?{goal}", Approval)


Answer = Annotated[ElicitationResult[Approval], Resolve(_ask)]
"""A parameter of a tool, which the client's person fills in."""


def is_yes(answer: ElicitationResult[Approval]) -> bool:
    """Whether the person, or nobody, said yes."""
    return isinstance(answer, AcceptedElicitation) and answer.data.approve
