"""The plan of one call's conversation: what its agent should say and may do."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from patter_core.switchboard.call_tools import CallTools

if TYPE_CHECKING:
    from collections.abc import Callable

    from patter_core.calls.control import CallControl
    from patter_core.calls.events import ProgressEvent
    from patter_core.pipeline.plan import SessionPlan
    from patter_core.switchboard.exchange import Exchange
    from patter_core.switchboard.order import Order


def plan_of(
    order: Order,
    call_id: str,
    exchange: Exchange,
    *,
    control: CallControl,
    announce: Callable[[ProgressEvent], None],
) -> SessionPlan:
    """What the conversation of `order` should be; its tools act through `control`."""
    arguments = order.arguments
    tools = CallTools(
        order.agent.kit,
        call_id=call_id,
        caller=order.from_,
        callee=arguments.to,
        outbound=order.arriving is None,
        control=control,
        toolbox=exchange.toolbox,
        clock=exchange.clock,
        limits=exchange.limits,
        redaction=exchange.redaction,
        run_user_code=order.guest.call,
        announce=announce,
    )
    plan = order.agent.plan(
        call_id=call_id,
        tools=tools,
        goal=arguments.goal,
        first_message=arguments.first_message,
        disclosure=exchange.policy.said_first(recording=order.recording),
    )
    return replace(plan, redaction=exchange.redaction)
