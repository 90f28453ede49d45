"""The tool that LlamaIndex's agents are given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from llama_index.core.tools import FunctionTool, ToolMetadata, ToolOutput
from llama_index.core.workflow import Event

from patter.llama_index.approval import approval, unapproved
from patter_core.calls.arguments import CallArguments
from patter_core.calls.result import CallResult
from patter_core.contract.phone_tool import PatterTool, as_phone_tool
from patter_core.contract.progress import event_data

if TYPE_CHECKING:
    from llama_index.core.workflow import Context

    from patter_core.agent import Agent
    from patter_core.calls.events import ProgressEvent
    from patter_core.phone import Patter

_CONTEXT = "workflow_context"  # The parameter in which a workflow's context comes, not a field.


class PhoneCallEvent(Event):
    """Something happened to a call; in the workflow's event stream.

    Attributes:
        type: queued, dialing, ringing, answered, turn or ended.
        call_id: Which call.
        data: The whole of it, JSON-safe.
    """

    type: str
    call_id: str
    data: dict[str, Any]


class PhoneCallTool(FunctionTool):
    """A LlamaIndex tool that rings somebody.

    Content is the envelope as JSON text, `raw_output` the envelope, `is_error` set exactly when
    the envelope has an error. What happens meanwhile comes as `PhoneCallEvent` in the workflow's
    event stream. Cancelling the workflow ends the call.

    Attributes:
        phone_tool: The tool that this one translates for.
    """

    def __init__(self, phone_tool: PatterTool, *, needs_approval: bool = False) -> None:
        """See `phone_call_tool`."""
        self.phone_tool = phone_tool
        self._needs_approval = needs_approval
        super().__init__(
            fn=self.call,
            async_fn=self.acall,
            metadata=ToolMetadata(
                name=phone_tool.name,
                description=phone_tool.description,
                fn_schema=_schema_of(phone_tool),
            ),
        )
        # LlamaIndex looks for an annotation, and then refuses every call without a context.
        self.requires_context, self.ctx_param_name = True, _CONTEXT

    def call(self, /, *positional: Any, **arguments: Any) -> ToolOutput:
        """See `FunctionTool.call`. Never raises."""
        arguments.pop(_CONTEXT, None)
        asked = _asked(positional, arguments)
        if self._needs_approval:
            return self._output(asked, unapproved(self.phone_tool, asked))
        return self._output(asked, self.phone_tool.execute_blocking(asked))

    async def acall(self, /, *positional: Any, **arguments: Any) -> ToolOutput:
        """See `FunctionTool.acall`. Only cancellation leaves it, and a wait for approval."""
        context: Context | None = arguments.pop(_CONTEXT, None)
        asked = _asked(positional, arguments)
        approved = await approval(self.phone_tool, context, asked) if self._needs_approval else None
        if isinstance(approved, CallResult):
            return self._output(asked, approved)

        def tell(event: ProgressEvent) -> None:
            if context is not None:
                data = event_data(event)
                told = PhoneCallEvent(type=event.type, call_id=event.call_id, data=data)
                context.write_event_to_stream(told)

        return self._output(
            asked, await self.phone_tool.execute(asked, idempotency_key=approved, on_event=tell)
        )

    def _output(self, asked: Any, result: CallResult) -> ToolOutput:  # noqa: ANN401 - a model's
        return ToolOutput(
            content=result.to_json(),
            tool_name=self.phone_tool.name,
            raw_input=cast("dict[str, Any]", asked)
            if isinstance(asked, dict)
            else {"input": asked},
            raw_output=result.to_dict(),
            is_error=result.is_error,
        )


def phone_call_tool(
    phone: Patter | PatterTool,
    *,
    agent: Agent | dict[str, Any] | None = None,
    needs_approval: bool = False,
    **options: Any,
) -> PhoneCallTool:
    """Wrap `phone` as a LlamaIndex tool.

    Args:
        phone: A phone, or a tool made of one.
        agent: Who speaks on the phone: an agent, or a dict of `phone.agent` keywords.
        needs_approval: Ask in the workflow first, with a `PhoneCallApprovalEvent`.
        **options: What `PatterTool` takes: `name`, `description`, `max_duration_sec`, `approve`,
            `on_event`.

    Raises:
        ConfigError: The agent or an option is not usable; it says what to do.
    """
    tool = as_phone_tool(phone, agent=agent, **options)
    return PhoneCallTool(tool, needs_approval=needs_approval)


def _schema_of(tool: PatterTool) -> type[CallArguments]:
    """The arguments' class, whose schema is the tool's own: LlamaIndex asks a class for it."""

    class Arguments(CallArguments):
        @classmethod
        def model_json_schema(cls, *_how: Any, **_more: Any) -> dict[str, Any]:
            return tool.schema()

    return Arguments


def _asked(positional: tuple[Any, ...], arguments: dict[str, Any]) -> Any:  # noqa: ANN401 - a model's
    """What the model asked for; an argument without a name is refused by whoever checks."""
    return list(positional) if positional else arguments
