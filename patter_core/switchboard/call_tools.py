"""The tools of one call, as its conversation uses them."""

from __future__ import annotations

from dataclasses import dataclass
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
    from patter_core.calls.redaction import Redaction
    from patter_core.clock import Clock
    from patter_core.config import Limits
    from patter_core.pipeline.tool_use import ToolRequest
    from patter_core.tools.breaker import BreakerBoard
    from patter_core.tools.checked_tool import CheckedTool
    from patter_core.tools.invocation import ToolResult
    from patter_core.tools.kit import ToolKit
    from patter_core.tools.user_code import RunUserCode
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
        kit: ToolKit,
        *,
        call_id: str,
        caller: str,
        callee: str,
        outbound: bool,
        control: CallControl,
        toolbox: Toolbox,
        clock: Clock,
        limits: Limits,
        redaction: Redaction,
        run_user_code: RunUserCode,
        announce: Callable[[ProgressEvent], None],
    ) -> None:
        """Make the tools of one agent, `kit`, ready for one call.

        Args:
            kit: What the agent may use.
            call_id: Patter's id for the call.
            caller: Who rang, E.164.
            callee: Who was rung, E.164.
            outbound: Whether that was us.
            control: What tools may do to the call.
            toolbox: What the tools of all calls share.
            clock: The phone's, as are `limits` and `redaction`.
            limits: How much one call may do with its tools.
            redaction: What must not get out of them.
            run_user_code: Runs the developer's functions where they belong.
            announce: Hears when a tool starts, and when it has answered.
        """
        self._call_id = call_id
        self._caller = caller
        self._callee = callee
        self._announce = announce
        self._tenant_config = kit.tenant_config
        self._redaction = redaction
        self._uses_left = limits.tool_uses_per_call
        self._system = kit.system_executor(
            control, clock=clock, redaction=redaction, outbound=outbound
        )
        self._own = kit.executor(
            {**toolbox.dependencies, CALL_CONTROL: HomeControl(control)},
            board=toolbox.board,
            clock=clock,
            run_user_code=run_user_code,
            webhooks=toolbox.webhooks,
            limits=ToolLimits(
                argument_bytes=limits.tool_argument_bytes, result_bytes=limits.tool_result_bytes
            ),
            redaction=redaction,
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
            caller=self._caller,
            callee=self._callee,
            tenant_config=self._tenant_config,
        )
        redact = self._redaction.redact
        return await executor.execute(invocation, on_progress=lambda text: say(redact(text)))


def _face(checked: CheckedTool) -> ToolFace:
    tool = checked.tool
    return ToolFace(
        name=tool.name,
        description=tool.description,
        parameters=dict(tool.parameters),
        strict=tool.strict,
    )
