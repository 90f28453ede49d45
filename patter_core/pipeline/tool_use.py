"""What a conversation asks of the tools of its call."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolFace:
    """A tool as a model sees it.

    Attributes:
        parameters: JSON Schema of the arguments, an object.
        strict: Whether arguments must match it exactly, as OpenAI's strict mode means it.
    """

    name: str
    description: str
    parameters: dict[str, Any] = field(hash=False)
    strict: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRequest:
    """A model asks for a tool.

    Attributes:
        function_call_id: The model's id for this request; its answer bears the same.
        arguments: JSON text, as the model wrote it.
    """

    function_call_id: str
    name: str
    arguments: str


class ToolUse(Protocol):
    """The tools of one call. Used on the engine's loop."""

    @property
    def faces(self) -> tuple[ToolFace, ...]:
        """Every tool that the model may ask for."""
        ...

    async def run(self, request: ToolRequest, say: Callable[[str], None]) -> str:
        """Run a tool and return its output, the text that goes back to the model.

        Always answers, whatever the tool does; only cancellation leaves it. While it runs, `say`
        gets what should be spoken meanwhile: progress and reassurance, never after the answer.
        """
        ...
