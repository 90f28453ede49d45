"""The tools of one call, as its conversation uses them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from patter_core.calls.events import ToolFinished, ToolStarted
from patter_core.pipeline.tool_use import ToolFace
from patter_core.switchboard.home_control import HomeControl
from patter_core.tools.invocation import ToolInvocation
from patter_core.tools.system import CALL_CONTROL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from patter_core.calls.control import CallControl
    from patter_core.calls.events import ProgressEvent
    from patter_core.pipeline.tool_use import ToolRequest
    from patter_core.switchboard.exchange import Exchange
    from patter_core.switchboard.order import Order
    from patter_core.tools.breaker import BreakerBoard
    from patter_core.tools.checked_tool import CheckedTool
    from patter_core.tools.webhook import Webhooks


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolbox:
    """What the tools of all calls of one open phone share.

    Attributes:
        dependencies: What the developer supplies to tools that need it, by name.
        board: The circuit breakers.
        webhooks: Calls tools behind a URL.
    """

    dependencies: Mapping[str, Any]
    board: BreakerBoard
    webhooks: Webhooks


class CallTools:
    """A `ToolUse`: the system's tools on the engine's loop, the developer's on the guest loop."""

    def __init__(
        self,
        order: Order,
        call_id: str,
        control: CallControl,
        exchange: Exchange,
        announce: Callable[[ProgressEvent], None],
    ) -> None:
        """Make the tools of `order`'s agent ready for one call."""
        kit, clock = order.agent.kit, exchange.clock
        self._order = order
        self._call_id = call_id
        self._announce = announce
        self._tenant_config = kit.tenant_config
        outbound = order.arriving is None
        self._system = kit.system_executor(control, clock=clock, outbound=outbound)
        own = {**exchange.toolbox.dependencies, CALL_CONTROL: HomeControl(control)}
        self._own = kit.executor(
            own,
            board=exchange.toolbox.board,
            clock=clock,
            run_user_code=partial(exchange.guests.call, order.guest_loop),
            webhooks=exchange.toolbox.webhooks,
        )
        system = kit.system_tools(outbound=outbound)
        self._system_names = frozenset(checked.tool.name for checked in system)
        self._faces = tuple(_face(checked) for checked in (*kit.tools, *system))

    @property
    def faces(self) -> tuple[ToolFace, ...]:
        """See `ToolUse.faces`."""
        return self._faces

    async def run(self, request: ToolRequest, say: Callable[[str], None]) -> str:
        """See `ToolUse.run`."""
        call_id, request_id, name = self._call_id, request.function_call_id, request.name
        self._announce(ToolStarted(call_id=call_id, function_call_id=request_id, name=name))
        invocation = ToolInvocation(
            call_id=call_id,
            function_call_id=request_id,
            name=name,
            arguments=request.arguments,
            caller=self._order.from_,
            callee=self._order.arguments.to,
            tenant_config=self._tenant_config,
        )
        executor = self._system if request.name in self._system_names else self._own
        result = await executor.execute(invocation, on_progress=say)
        self._announce(
            ToolFinished(
                call_id=call_id,
                function_call_id=request_id,
                name=name,
                ok=result.ok,
                error=result.error,
            )
        )
        return result.output


def _face(checked: CheckedTool) -> ToolFace:
    tool = checked.tool
    return ToolFace(
        name=tool.name,
        description=tool.description,
        parameters=dict(tool.parameters),
        strict=tool.strict,
    )
