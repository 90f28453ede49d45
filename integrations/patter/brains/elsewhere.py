"""Replies thought of on another loop than the engine's: an application's agent may block."""

from __future__ import annotations

import asyncio
import weakref
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any, cast

from patter_core.errors import ProviderError
from patter_core.guest_loop import GuestLoops

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence

    from patter_core.pipeline.language_model import Message, ReplyEvent
    from patter_core.pipeline.resources import Resources

_DONE = object()


class Elsewhere:
    """The loop of whoever made the brain, while it runs; else one on a thread of ours."""

    def __init__(self) -> None:
        """Remember the running loop, if there is one."""
        self._guests = GuestLoops()
        weakref.finalize(self, self._guests.stop)  # A brain is not closed; its thread goes with it.
        with suppress(RuntimeError):
            self._guests.adopt(asyncio.get_running_loop())

    async def stream(
        self,
        think: Callable[[], AsyncGenerator[ReplyEvent]],
        resources: Resources,
        *,
        name: str,
        stall_sec: float,
    ) -> AsyncIterator[ReplyEvent]:
        """What `think` yields there. Closing this cancels it.

        Raises:
            ProviderError: It raised, or said nothing for `stall_sec`.
        """
        home = asyncio.get_running_loop()
        thought: asyncio.Queue[object] = asyncio.Queue()

        def hand_over(item: object) -> None:
            with suppress(RuntimeError):  # The engine was closed meanwhile.
                home.call_soon_threadsafe(thought.put_nowait, item)

        async def run() -> None:
            async with aclosing(think()) as events:
                async for event in events:
                    hand_over(event)

        thinking = asyncio.run_coroutine_threadsafe(run(), self._guests.choose(None))
        thinking.add_done_callback(lambda _: hand_over(_DONE))
        try:
            while True:
                # Real work in real time: a simulated clock stands still meanwhile.
                with resources.clock.hold():
                    async with asyncio.timeout(stall_sec):
                        item = await thought.get()
                if item is _DONE:
                    break
                yield cast("ReplyEvent", item)
            if (error := thinking.exception()) is not None:
                raise ProviderError(name, f"it failed ({type(error).__name__})") from error
        except TimeoutError as error:
            sentence = "it took too long to answer"
            raise ProviderError(name, sentence, retryable=True) from error
        finally:
            thinking.cancel()


def spoken(messages: Sequence[Message]) -> list[Message]:
    """What was said, without what concerns tools of the call."""
    return [message for message in messages if message.role != "tool" and message.text]


def text_of(content: Any) -> str:  # noqa: ANN401 - any framework's message content
    """The words of a message's content: text, or blocks of which some are text."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    blocks = cast("list[Any]", content)
    return "".join(block if isinstance(block, str) else _block_text(block) for block in blocks)


def _block_text(block: Any) -> str:  # noqa: ANN401 - any framework's block
    if not isinstance(block, dict):
        return ""
    known = cast("dict[str, Any]", block)
    return str(known.get("text", "")) if known.get("type") == "text" else ""
