"""Everything that one agent may use: its own tools, its tenant's, and the system's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from patter_core.tools.destinations import Destinations
from patter_core.tools.executor import ToolExecutor
from patter_core.tools.system import CALL_CONTROL, register_system_tools, system_tools

if TYPE_CHECKING:
    from collections.abc import Mapping

    from patter_core.calls.control import CallControl
    from patter_core.calls.redaction import Redaction
    from patter_core.clock import Clock
    from patter_core.tools.breaker import BreakerBoard
    from patter_core.tools.checked_tool import CheckedTool
    from patter_core.tools.executor import ToolLimits
    from patter_core.tools.toolset import Toolset
    from patter_core.tools.user_code import RunUserCode
    from patter_core.tools.webhook import Webhooks


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolKit:
    """An agent's tools, checked: a frozen value, shared by all of its calls.

    Attributes:
        tools: The agent's own, and those that were built for its tenant.
        toolset: Whose functions do the work of some of them.
        tenant_config: What the developer keeps for the tenant.
        destinations: Whom calls may be transferred to.
    """

    tools: tuple[CheckedTool, ...] = ()
    toolset: Toolset | None = None
    tenant_config: Any = None
    destinations: Destinations = field(default_factory=Destinations)

    def executor(
        self,
        dependencies: Mapping[str, Any],
        *,
        board: BreakerBoard,
        clock: Clock,
        run_user_code: RunUserCode,
        webhooks: Webhooks,
        limits: ToolLimits,
        redaction: Redaction,
    ) -> ToolExecutor:
        """The developer's tools, for one call."""
        executor = ToolExecutor(
            dependencies,
            board,
            tools=self.tools,
            clock=clock,
            run_user_code=run_user_code,
            webhooks=webhooks,
            limits=limits,
            redaction=redaction,
        )
        if self.toolset is not None:
            self.toolset.register(executor)
        return executor

    def system_tools(self, *, outbound: bool) -> tuple[CheckedTool, ...]:
        """The tools that are always there; `outbound` when we rang."""
        return system_tools(self.destinations, outbound=outbound)

    def system_executor(
        self, control: CallControl, *, clock: Clock, redaction: Redaction, outbound: bool
    ) -> ToolExecutor:
        """The system's tools, for one call; they run on the engine's own loop."""
        tools = self.system_tools(outbound=outbound)
        executor = ToolExecutor(
            {CALL_CONTROL: control}, tools=tools, clock=clock, redaction=redaction
        )
        register_system_tools(executor, self.destinations, outbound=outbound)
        return executor
