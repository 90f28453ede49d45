"""The phone as LlamaIndex's tool spec."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from llama_index.core.tools.tool_spec.base import BaseToolSpec

from patter.llama_index.tool import phone_call_tool

if TYPE_CHECKING:
    from llama_index.core.tools import FunctionTool

    from patter_core.contract.phone_tool import PatterTool
    from patter_core.phone import Patter


class PatterToolSpec(BaseToolSpec):
    """The phone as a tool spec: `PatterToolSpec(phone, agent={...}).to_tool_list()`."""

    spec_functions: ClassVar[list[str]] = ["make_phone_call"]  # type: ignore[assignment,misc]

    def __init__(self, phone: Patter | PatterTool, **options: Any) -> None:
        """Take what `phone_call_tool` takes."""
        self.make_phone_call = phone_call_tool(phone, **options)

    def to_tool_list(self, *_spec: Any, **_more: Any) -> list[FunctionTool]:
        """The one tool."""
        return [self.make_phone_call]
