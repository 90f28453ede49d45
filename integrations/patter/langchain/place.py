"""The tool call under way: its id, and its place in a graph, where there is one."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from langchain_core.runnables.config import ensure_config

from patter_core.contract.keys import derived_key

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


tool_call_id: ContextVar[str | None] = ContextVar("patter_tool_call_id", default=None)
"""The id of the model's tool call that is being answered; None when plain code asks."""


@contextmanager
def answering(call_id: str | None) -> Generator[None]:
    """Let what runs within know which tool call it answers: LangChain does not tell it."""
    token = tool_call_id.set(call_id)
    try:
        yield
    finally:
        tool_call_id.reset(token)


def key_in_graph() -> str | None:
    """A key of this tool call's place in its graph; None without a graph, a thread or an id."""
    config = ensure_config()
    thread_id = config.get("configurable", {}).get("thread_id")
    place = config.get("metadata", {}).get("langgraph_checkpoint_ns")
    return derived_key("langgraph", thread_id, place, tool_call_id.get())


def stream_writer() -> Callable[[Any], None]:
    """LangGraph's writer to the custom stream inside a graph; else one that writes nowhere."""
    if "langgraph" not in sys.modules:  # It need not be installed, and loading it takes long.
        return _nowhere
    from langgraph.config import get_stream_writer

    try:
        return get_stream_writer()
    except (RuntimeError, KeyError):  # No run at all; or one that no graph began.
        return _nowhere


def _nowhere(_data: object) -> None:
    """Whom a run outside of any graph writes to."""
