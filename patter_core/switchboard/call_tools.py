"""The tools of one call, as its conversation uses them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from patter_core.calls.events import ToolFinished, ToolStarted
from patter_core.pipeline.tool_use import ToolFace
from patter_core.switchboard.home_control import HomeControl
from patter_core.tools.answers import failure
from patter_core.tools.executor import ToolLimits
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
    from patter_core.tools.invocation import ToolResult
    from patter_core.tools.webhook import Webhooks

_NAME_CHARS = 64  # As many as a tool's name may have.


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
        self._redaction = exchange.redaction
        self._uses_left = exchange.limits.tool_uses_per_call
        self._system = kit.system_executor(
            control, clock=clock, redaction=exchange.redaction, outbound=outbound
        )
        own = {**exchange.toolbox.dependencies, CALL_CONTROL: HomeControl(control)}
        self._own = kit.executor(
            own,
            board=exchange.toolbox.board,
            clock=clock,
            run_user_code=partial(exchange.guests.call, order.guest_loop),
            webhooks=exchange.toolbox.webhooks,
            limits=ToolLimits(
                argument_bytes=exchange.limits.tool_argument_bytes,
                result_bytes=exchange.limits.tool_result_bytes,
            ),
            redaction=exchange.redaction,
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
        call_id, request_id = self._call_id, request.function_call_id
        # A name that is no tool's is the model's own words.
        name = self._redaction.redact(request.name)[:_NAME_CHARS]
        self._announce(ToolStarted(call_id=call_id, function_call_id=request_id, name=name))
        result = await self._execute(request, say)
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

    async def _execute(self, request: ToolRequest, say: Callable[[str], None]) -> ToolResult:
        executor = self._system
        if request.name not in self._system_names:
            executor = self._own
            if self._uses_left <= 0:
                detail = "This call has used its tools as often as it may. Do without them."
                return failure(request.function_call_id, "budget_spent", detail)
            self._uses_left -= 1
        invocation = ToolInvocation(
            call_id=self._call_id,
            function_call_id=request.function_call_id,
            name=request.name,
            arguments=request.arguments,
            caller=self._order.from_,
            callee=self._order.arguments.to,
            tenant_config=self._tenant_config,
        )
        return await executor.execute(invocation, on_progress=say)


def _face(checked: CheckedTool) -> ToolFace:
    tool = checked.tool
    return ToolFace(
        name=tool.name,
        description=tool.description,
        parameters=dict(tool.parameters),
        strict=tool.strict,
    )
