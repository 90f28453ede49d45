"""`make_phone_call` for the OpenAI Agents SDK.

from patter.openai_agents import phone_call_tool

agent = Agent(name="Assistant", tools=[phone_call_tool(phone, agent={...})])
"""

from __future__ import annotations

import inspect
import secrets
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any, cast

from patter.extras import needs_extra
from patter_core.contract.keys import derived_key
from patter_core.contract.phone_tool import PatterTool, as_phone_tool

with needs_extra("openai_agents", "agents"):
    from agents import FunctionTool, RunContextWrapper

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from agents.tool_context import ToolContext

    from patter_core.agent import Agent
    from patter_core.phone import Patter

    NeedsApproval = (
        bool | Callable[[RunContextWrapper[Any], dict[str, Any], str], Awaitable[bool] | bool]
    )

NONCES = "patter_calls"
"""Under this name a run's context, when it is a dict, keeps what tells approved calls apart."""


def phone_call_tool(
    phone: Patter | PatterTool,
    *,
    agent: Agent | dict[str, Any] | None = None,
    needs_approval: NeedsApproval = False,
    **options: Any,
) -> FunctionTool:
    """Wrap `phone` as a tool of the Agents SDK, with a strict schema.

    The model gets the envelope as JSON text. The SDK has no channel for progress: pass `on_event`.
    Cancelling the run ends the call. An approved call is never made twice, however often its
    `RunState` is resumed, when the run's context is a dict: it keeps the call's key.

    Args:
        phone: A phone, or a tool made of one.
        agent: Who speaks on the phone: an agent, or a dict of `phone.agent` keywords.
        needs_approval: As the SDK has it: True, or a function of context, arguments and call id.
            The run stops for approval before anybody is rung.
        **options: What `PatterTool` takes: `name`, `description`, `max_duration_sec`, `approve`,
            `on_event`.

    Raises:
        ConfigError: The agent or an option is not usable; it says what to do.
    """
    tool = as_phone_tool(phone, agent=agent, **options)

    async def invoke(context: ToolContext[Any], arguments: str) -> str:
        nonces = _nonces(context)
        key = derived_key("agents", nonces.get(context.tool_call_id), context.tool_call_id)
        try:
            return (await tool.execute(arguments, idempotency_key=key)).to_json()
        finally:
            # The next run may reuse this context, and its model this id.
            nonces.pop(context.tool_call_id, None)

    async def asks(
        context: RunContextWrapper[Any], arguments: dict[str, Any], tool_call_id: str
    ) -> bool:
        # Now, before the state that will be resumed is written.
        _nonces(context).setdefault(tool_call_id, secrets.token_hex(16))
        if not callable(needs_approval):
            return needs_approval
        answer = needs_approval(context, arguments, tool_call_id)
        return bool(await answer if inspect.isawaitable(answer) else answer)

    return FunctionTool(
        name=tool.name,
        description=tool.description,
        params_json_schema=tool.schema(strict=True),
        on_invoke_tool=invoke,
        strict_json_schema=True,
        needs_approval=asks if needs_approval is not False else False,
    )


def _nonces(context: RunContextWrapper[Any]) -> MutableMapping[str, str]:
    """By tool call id; lost again at once when the context cannot keep them."""
    held = context.context
    if not isinstance(held, MutableMapping):
        return {}
    return cast("MutableMapping[str, MutableMapping[str, str]]", held).setdefault(NONCES, {})
