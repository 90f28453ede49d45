"""`make_phone_call` for the tool runners of Anthropic's SDK.

from patter.anthropic import phone_call_tool

runner = client.beta.messages.tool_runner(tools=[phone_call_tool(phone, agent={...})], ...)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from patter.extras import needs_extra
from patter_core.contract.phone_tool import PatterTool, as_phone_tool

with needs_extra("anthropic", "anthropic"):
    from anthropic.lib.tools import (
        BetaAsyncBuiltinFunctionTool,
        BetaBuiltinFunctionTool,
        ToolError,
    )

if TYPE_CHECKING:
    from anthropic.types.beta import BetaToolUnionParam

    from patter_core.agent import Agent
    from patter_core.calls.result import CallResult
    from patter_core.phone import Patter


class PhoneCallTool(BetaAsyncBuiltinFunctionTool):
    """A tool for `AsyncAnthropic`'s runner.

    The model gets the envelope as JSON text, with `is_error` exactly when the envelope has an
    error. The runner has no channel for progress: pass `on_event`. Cancelling the run ends the
    call.

    Attributes:
        phone_tool: The tool that this one translates for.
    """

    def __init__(self, phone_tool: PatterTool) -> None:
        """See `phone_call_tool`."""
        self.phone_tool = phone_tool

    def to_dict(self) -> BetaToolUnionParam:
        """The tool as the API has it."""
        return cast("BetaToolUnionParam", self.phone_tool.anthropic_schema())

    async def call(self, input: object) -> str:  # noqa: A002 - the SDK's name
        """Make a call; raises `ToolError` with the envelope when it failed."""
        return _output(await self.phone_tool.execute(cast("dict[str, Any]", input)))


class BlockingPhoneCallTool(BetaBuiltinFunctionTool):
    """The same for `Anthropic`'s runner, which blocks.

    Attributes:
        phone_tool: The tool that this one translates for.
    """

    def __init__(self, phone_tool: PatterTool) -> None:
        """See `blocking_phone_call_tool`."""
        self.phone_tool = phone_tool

    def to_dict(self) -> BetaToolUnionParam:
        """The tool as the API has it."""
        return cast("BetaToolUnionParam", self.phone_tool.anthropic_schema())

    def call(self, input: object) -> str:  # noqa: A002 - the SDK's name
        """Make a call; raises `ToolError` with the envelope when it failed."""
        return _output(self.phone_tool.execute_blocking(cast("dict[str, Any]", input)))


def phone_call_tool(
    phone: Patter | PatterTool, *, agent: Agent | dict[str, Any] | None = None, **options: Any
) -> PhoneCallTool:
    """Wrap `phone` as a tool for `AsyncAnthropic().beta.messages.tool_runner`.

    Args:
        phone: A phone, or a tool made of one.
        agent: Who speaks on the phone: an agent, or a dict of `phone.agent` keywords.
        **options: What `PatterTool` takes: `name`, `description`, `max_duration_sec`, `approve`,
            `on_event`.

    Raises:
        ConfigError: The agent or an option is not usable; it says what to do.
    """
    return PhoneCallTool(as_phone_tool(phone, agent=agent, **options))


def blocking_phone_call_tool(
    phone: Patter | PatterTool, *, agent: Agent | dict[str, Any] | None = None, **options: Any
) -> BlockingPhoneCallTool:
    """The same for `Anthropic().beta.messages.tool_runner`, for plain code."""
    return BlockingPhoneCallTool(as_phone_tool(phone, agent=agent, **options))


def _output(result: CallResult) -> str:
    if result.is_error:
        raise ToolError(result.to_json())
    return result.to_json()
