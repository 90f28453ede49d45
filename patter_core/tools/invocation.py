"""What goes into a tool and what comes out: one request of the model, one answer to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from patter_core.errors import PatterError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class ToolInvocation:
    """One tool call, as the model asked for it.

    Attributes:
        call_id: The phone call in which it was asked for.
        function_call_id: The model's id for this request; the answer carries it.
        name: The tool's name.
        arguments: JSON text of an object, or the object; blank text is an object with nothing.
        caller: Who rang, in E.164.
        callee: Who was rung, in E.164.
        tenant_config: What the developer keeps for the tenant whose call it is.
        attempt: For a registered function: 1 at first, one more at each further attempt.
        idempotency_key: For a registered function: the same at every attempt of this request.
    """

    call_id: str
    function_call_id: str
    name: str
    arguments: Mapping[str, Any] | str = ""
    caller: str = ""
    callee: str = ""
    tenant_config: Any = None
    attempt: int = 1
    idempotency_key: str = ""


@dataclass(frozen=True, slots=True)
class ToolResult:
    """One tool's answer.

    Attributes:
        function_call_id: The model's id for the request.
        ok: Whether the tool did what it was asked.
        error: The code of what went wrong, None when it is ok.
        output: What the model gets to read: the tool's own text, or JSON. A failure is always
            `{"error": code, "detail": sentence, "fallback": true}`, with more for an open circuit.
    """

    function_call_id: str
    ok: bool
    error: str | None = None
    output: str = ""


class ToolError(PatterError):
    """Raised by a tool, to tell the model why it cannot be done. It is final: no further attempt.

    Attributes:
        detail: A sentence for the model, sent as it is.
        code: One word for it.
    """

    def __init__(self, detail: str, code: str = "tool_error") -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code
