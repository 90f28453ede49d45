"""The tool that LangChain's and LangGraph's agents are given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_core.callbacks import adispatch_custom_event, dispatch_custom_event
from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool
from pydantic import Field

from patter.langchain.place import answering, key_in_graph, stream_writer, tool_call_id
from patter_core.contract.phone_tool import PatterTool, as_phone_tool
from patter_core.contract.progress import event_data
from patter_core.phone import Patter

if TYPE_CHECKING:
    from patter_core.agent import Agent
    from patter_core.calls.events import ProgressEvent
    from patter_core.calls.result import CallResult

EVENT_NAME = "phone_call"
"""The name of the custom events that tell of a call while it goes on."""


class PhoneCallTool(BaseTool):
    """A LangChain tool that rings somebody.

    The agent sees the schema and receives the envelope that every other framework does: JSON text
    as content, the envelope itself as artifact, and status "error" exactly when the envelope has
    an error. What happens meanwhile is told in custom events, and on LangGraph's custom stream:
    dicts with a `type` (queued, dialing, ringing, answered, turn, ended) and a `call_id`.
    Cancelling the run ends the call.

    Attributes:
        phone_tool: The tool that this one translates for; `await phone_tool.stop()` closes the
            phone.
    """

    phone_tool: PatterTool = Field(exclude=True, repr=False)

    def __init__(
        self,
        phone: Patter | PatterTool | None = None,
        *,
        agent: Agent | dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        """See `phone_call_tool`; with no phone, one from the environment is made.

        Raises:
            ConfigError: The phone, the agent or an option is not usable; it says what to do.
        """
        phone_tool = as_phone_tool(Patter() if phone is None else phone, agent=agent, **options)
        super().__init__(
            name=phone_tool.name,
            description=phone_tool.description,
            args_schema=phone_tool.schema(),  # A dict: a model LangChain would rebuild, and differ.
            response_format="content_and_artifact",
            phone_tool=phone_tool,
        )

    async def arun(self, *args: Any, tool_call_id: str | None = None, **kwargs: Any) -> Any:  # noqa: ANN401 - LangChain's
        """See `BaseTool.arun`."""
        with answering(tool_call_id):
            return await super().arun(*args, tool_call_id=tool_call_id, **kwargs)

    def run(self, *args: Any, tool_call_id: str | None = None, **kwargs: Any) -> Any:  # noqa: ANN401 - LangChain's
        """See `BaseTool.run`."""
        with answering(tool_call_id):
            return super().run(*args, tool_call_id=tool_call_id, **kwargs)

    async def _arun(self, /, **arguments: Any) -> tuple[str | ToolMessage, dict[str, Any]]:
        write = stream_writer()

        async def tell(event: ProgressEvent) -> None:
            data = event_data(event)
            write(data)
            await adispatch_custom_event(EVENT_NAME, data)

        key = key_in_graph()
        execute = self.phone_tool.execute
        return self._output(await execute(arguments, idempotency_key=key, on_event=tell))

    def _run(self, /, **arguments: Any) -> tuple[str | ToolMessage, dict[str, Any]]:
        write = stream_writer()

        def tell(event: ProgressEvent) -> None:
            data = event_data(event)
            write(data)
            dispatch_custom_event(EVENT_NAME, data)

        key = key_in_graph()
        execute = self.phone_tool.execute_blocking
        return self._output(execute(arguments, idempotency_key=key, on_event=tell))

    def _output(self, result: CallResult) -> tuple[str | ToolMessage, dict[str, Any]]:
        """Content and artifact, for a tool call as the message that LangChain would make of them.

        LangChain's own message always says success, to whoever traces the run too.
        """
        content, artifact = result.to_json(), result.to_dict()
        if (call_id := tool_call_id.get()) is None:
            return content, artifact
        message = ToolMessage(
            content,
            artifact=artifact,
            tool_call_id=call_id,
            name=self.name,
            status="error" if result.is_error else "success",
        )
        return message, artifact


def phone_call_tool(
    phone: Patter | PatterTool, *, agent: Agent | dict[str, Any] | None = None, **options: Any
) -> PhoneCallTool:
    """Wrap `phone` as a LangChain tool.

    Args:
        phone: A phone, or a tool made of one.
        agent: Who speaks on the phone: an agent, or a dict of `phone.agent` keywords.
        **options: What `PatterTool` takes: `name`, `description`, `max_duration_sec`, `approve`,
            `on_event`.

    Raises:
        ConfigError: The agent or an option is not usable; it says what to do.
    """
    return PhoneCallTool(phone, agent=agent, **options)
