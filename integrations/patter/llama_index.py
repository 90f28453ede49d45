"""`make_phone_call` for LlamaIndex agents and workflows.

    from patter.llama_index import phone_call_tool

    agent = FunctionAgent(llm=llm, tools=[phone_call_tool(phone, agent={...})])

It needs llama-index-core and nothing else of LlamaIndex.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, ClassVar, cast

from patter.extras import needs_extra
from patter_core.calls.arguments import CallArguments
from patter_core.calls.result import CallResult, rejected
from patter_core.contract.phone_tool import PatterTool, as_phone_tool
from patter_core.contract.progress import event_data

with needs_extra("llama_index", "llama_index"):
    from llama_index.core.tools import FunctionTool, ToolMetadata, ToolOutput
    from llama_index.core.tools.tool_spec.base import BaseToolSpec
    from llama_index.core.workflow import Context, Event, HumanResponseEvent, InputRequiredEvent

if TYPE_CHECKING:
    from patter_core.agent import Agent
    from patter_core.calls.events import ProgressEvent
    from patter_core.phone import Patter

_CONTEXT = "workflow_context"  # The parameter in which a workflow's context comes, not a field.
_APPROVAL_SEC = 120.0


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


class PhoneCallApprovalEvent(InputRequiredEvent):
    """A call waits for a person's yes.

    Answer with `HumanResponseEvent(response="yes", approval_id=event.approval_id)`; any other
    response is a no, and its reason.
    """

    approval_id: str
    arguments: dict[str, Any]


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
        return self._output(asked, self.phone_tool.execute_blocking(asked))

    async def acall(self, /, *positional: Any, **arguments: Any) -> ToolOutput:
        """See `FunctionTool.acall`. Only cancellation leaves it, and a wait for approval."""
        context: Context | None = arguments.pop(_CONTEXT, None)
        asked = _asked(positional, arguments)
        if self._needs_approval and (refusal := await self._refusal(context, asked)) is not None:
            return self._output(asked, refusal)

        def tell(event: ProgressEvent) -> None:
            if context is not None:
                data = event_data(event)
                told = PhoneCallEvent(type=event.type, call_id=event.call_id, data=data)
                context.write_event_to_stream(told)

        return self._output(asked, await self.phone_tool.execute(asked, on_event=tell))

    async def _refusal(self, context: Context | None, asked: Any) -> CallResult | None:  # noqa: ANN401 - a model's
        """A person's no; None for a yes. Runs anew from its first line when the answer comes."""
        if (unusable := self.phone_tool.check(asked)) is not None:
            return unusable
        if context is None:
            return rejected(asked["to"], "approval_denied", "Nobody is there to approve the call")
        text = json.dumps([self.phone_tool.name, asked], sort_keys=True)
        approval_id = hashlib.sha256(text.encode()).hexdigest()[:32]
        try:
            answer = await context.wait_for_event(
                HumanResponseEvent,
                waiter_event=PhoneCallApprovalEvent(approval_id=approval_id, arguments=asked),
                waiter_id=approval_id,
                requirements={"approval_id": approval_id},
                timeout=_APPROVAL_SEC,
            )
        except TimeoutError:
            return rejected(asked["to"], "approval_denied", "Nobody approved the call in time")
        said = str(answer.response).strip()
        if said.lower() in ("yes", "y", "true", "approve"):
            return None
        return rejected(asked["to"], "approval_denied", f"The call was not approved: {said[:200]}")

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


class PatterToolSpec(BaseToolSpec):
    """The phone as a tool spec: `PatterToolSpec(phone, agent={...}).to_tool_list()`."""

    spec_functions: ClassVar[list[str]] = ["make_phone_call"]  # type: ignore[assignment,misc]

    def __init__(self, phone: Patter | PatterTool, **options: Any) -> None:
        """Take what `phone_call_tool` takes."""
        self.make_phone_call = phone_call_tool(phone, **options)

    def to_tool_list(self, *_spec: Any, **_more: Any) -> list[FunctionTool]:
        """The one tool."""
        return [self.make_phone_call]


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
