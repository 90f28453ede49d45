"""`make_phone_call` for PydanticAI agents.

from patter.pydantic_ai import phone_call_tool

agent = Agent(model, tools=[phone_call_tool(phone, agent={...})])
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from patter.extras import needs_extra
from patter_core.contract.phone_tool import PatterTool, as_phone_tool
from patter_core.contract.progress import event_data

with needs_extra("pydantic_ai", "pydantic_ai"):
    from pydantic_ai import RunContext, Tool
    from pydantic_ai.exceptions import UserError
    from pydantic_ai.messages import CustomEvent, ToolReturn

if TYPE_CHECKING:
    from patter_core.agent import Agent
    from patter_core.calls.events import ProgressEvent
    from patter_core.phone import Patter


@dataclass(kw_only=True)
class PhoneCallEvent(CustomEvent, name="patter.phone_call"):
    """Something happened to a call; in the run's event stream.

    Attributes:
        type: queued, dialing, ringing, answered, turn or ended.
        call: The whole of it, JSON-safe, `call_id` too.
    """

    type: str = ""
    call: dict[str, Any] = field(default_factory=dict[str, Any])


def phone_call_tool(
    phone: Patter | PatterTool,
    *,
    agent: Agent | dict[str, Any] | None = None,
    requires_approval: bool = False,
    **options: Any,
) -> Tool[Any]:
    """Wrap `phone` as a PydanticAI tool.

    The model gets the envelope as JSON text, the application the envelope itself as `metadata` of
    the return part. What happens meanwhile comes as `PhoneCallEvent` in the run's event stream.
    Cancelling the run ends the call.

    Args:
        phone: A phone, or a tool made of one.
        agent: Who speaks on the phone: an agent, or a dict of `phone.agent` keywords.
        requires_approval: As PydanticAI has it: the run ends with `DeferredToolRequests`, before
            anybody is rung, and goes on with `DeferredToolResults`.
        **options: What `PatterTool` takes: `name`, `description`, `max_duration_sec`, `approve`,
            `on_event`.

    Raises:
        ConfigError: The agent or an option is not usable; it says what to do.
    """
    phone_tool = as_phone_tool(phone, agent=agent, **options)

    async def make_phone_call(context: RunContext[Any], /, **arguments: Any) -> ToolReturn[str]:
        async def tell(event: ProgressEvent) -> None:
            try:
                await context.emit(PhoneCallEvent(type=event.type, call=event_data(event)))
            except UserError:  # Run by hand, outside of any agent's run.
                return

        result = await phone_tool.execute(arguments, on_event=tell)
        # Not `ToolFailed`: it would wrap the envelope in a sentence, and the model see another one.
        return ToolReturn(return_value=result.to_json(), metadata=result.to_dict())

    tool: Tool[Any] = Tool.from_schema(
        make_phone_call,
        name=phone_tool.name,
        description=phone_tool.description,
        json_schema=phone_tool.schema(),
        takes_ctx=True,
    )
    tool.requires_approval = requires_approval
    return tool
