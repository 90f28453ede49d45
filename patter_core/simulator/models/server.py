"""A scripted model on loopback: one script behind OpenAI's Responses, Assistants, and Anthropic.

Chat Completions are `ScriptedChatServer`'s. Here, too, a request that leaves a tool call without
its answer is refused, as the services refuse it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from patter_core.simulator.loopback import on_loopback
from patter_core.simulator.models.anthropic import AnthropicMessages
from patter_core.simulator.models.assistants import OpenAIAssistants
from patter_core.simulator.models.responses import OpenAIResponses
from patter_core.simulator.models.script import ModelScript
from patter_core.simulator.own_loop import OnOwnLoop, OwnLoop

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from patter_core.simulator.models.script import Reply


class ScriptedModelServer(OnOwnLoop):
    """Answers by a script at `/v1/responses`, `/v1/threads/...` and `/v1/messages`.

    Open it with `with` or `async with`; it lives on a thread of its own.

    Attributes:
        url: Where it listens: Anthropic's `base_url`. OpenAI's has /v1 after it.
        requests: Path and body of every request that asked the model, in order.
        refusals: What was wrong with the refused ones.
    """

    def __init__(self, script: Sequence[Reply]) -> None:
        """Plan it; nothing is touched before it is entered. The replies are given in order."""
        self._script = ModelScript(script)
        self._url: str | None = None
        self._loop = OwnLoop("scripted-model", self._serve)
        self.requests: list[tuple[str, dict[str, Any]]] = self._script.requests
        self.refusals: list[str] = self._script.refusals

    @property
    def url(self) -> str:
        """See the class."""
        if self._url is None:
            raise RuntimeError("the model server is not up; open it with `with` or `async with`")
        return self._url

    async def _serve(self, ready: Callable[[], None], stop: asyncio.Event) -> None:
        app = web.Application()
        for api in (AnthropicMessages, OpenAIResponses, OpenAIAssistants):
            app.add_routes(api(self._script).routes)
        runner = web.AppRunner(app, handle_signals=False, access_log=None, shutdown_timeout=0.1)
        async with on_loopback(runner) as url:
            self._url = url
            ready()
            await stop.wait()
