"""One rehearsal: lines are read, the agent answers them, its tools are really used."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, cast

from patter_core.clock import SystemClock
from patter_core.errors import ConfigError, ProviderError
from patter_core.guest_loop import GuestLoops
from patter_core.http_session import WorkerResolver, open_http_session
from patter_core.library_logs import private
from patter_core.pipeline.resources import Resources
from patter_core.rehearsal.control import RehearsedControl
from patter_core.rehearsal.screen import Screen, ShownTools
from patter_core.rehearsal.terminal import Terminal
from patter_core.switchboard.call_tools import CallTools, Toolbox
from patter_core.tools.breaker import BreakerBoard
from patter_core.tools.webhook import Webhooks
from patter_core.workers import Workers

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from patter_core.agent import Agent
    from patter_core.calls.transcript import Turn
    from patter_core.phone_settings import PhoneSettings
    from patter_core.pipeline.tool_use import ToolRequest
    from patter_core.pipeline.written import WritingEngine, WrittenConversation

QUIT = "/quit"
_CALL_ID = "rehearsal"
_RESOLVER_THREADS = 2


async def rehearse(
    agent: Agent,
    settings: PhoneSettings,
    *,
    goal: str | None = None,
    first_message: str | None = None,
    read: Callable[[], Awaitable[str | None] | str | None] | None = None,
    write: Callable[[str], None] | None = None,
) -> tuple[Turn, ...]:
    """Talk to `agent` in writing until it ends the call, or `read` has no more to say.

    Everything runs on the calling loop: nothing that `settings` describes is opened.

    Args:
        agent: Who answers.
        settings: The phone whose calls are rehearsed.
        goal: What the call should achieve.
        first_message: The first thing said; None for the agent's own.
        read: Gives the next line of the other side, None when there is none; a plain function may
            block. None reads the terminal.
        write: Takes what is to be shown, line by line. None writes to the terminal.

    Returns:
        Who said what.

    Raises:
        ConfigError: The agent's engine cannot be talked to in writing.
        ProviderError: The model cannot be used.
    """
    if not callable(getattr(agent.engine, "open_written", None)):
        kind = type(agent.engine).__name__
        raise ConfigError(f"test: {kind} has no open_written(), so nobody can write to it")
    engine = cast("WritingEngine", agent.engine)
    terminal = Terminal()
    screen = Screen(write or terminal.write_line, settings.redaction)
    control = RehearsedControl(agent.kit.destinations.all_numbers, screen)
    async with _rooms(settings) as (resources, toolbox, guests):
        loop = asyncio.get_running_loop()
        tools = CallTools(
            agent.kit,
            call_id=_CALL_ID,
            caller=settings.phone_number,
            callee="",
            outbound=True,
            control=control,
            toolbox=toolbox,
            clock=resources.clock,
            limits=settings.limits,
            redaction=settings.redaction,
            run_user_code=partial(guests.call, loop),
            announce=lambda _event: None,
        )
        plan = agent.plan(
            call_id=_CALL_ID,
            tools=tools,
            goal=goal,
            first_message=first_message,
            disclosure=settings.policy.said_first(recording=False),
        )
        async with engine.open_written(plan, resources) as conversation:
            rehearsal = _Rehearsal(
                conversation, ShownTools(tools, screen), control, screen, plan.turns.tool_rounds
            )
            if plan.greeting:
                screen.agent_said(plan.greeting)
            while not control.over:
                line = await guests.call(loop, read or terminal.read_line)
                if line is None or line.strip() == QUIT:
                    break
                if line.strip():
                    await rehearsal.answer(line.strip())
    return screen.turns


class _Rehearsal:
    """Answers one line after another."""

    def __init__(
        self,
        conversation: WrittenConversation,
        tools: ShownTools,
        control: RehearsedControl,
        screen: Screen,
        most_rounds: int,
    ) -> None:
        self._conversation = conversation
        self._tools = tools
        self._control = control
        self._screen = screen
        self._most_rounds = most_rounds

    async def answer(self, text: str) -> None:
        """Let the agent answer `text`, with all the tools that it asks for on the way."""
        self._screen.user_said(text)
        self._conversation.take(text)
        try:
            await self._answer()
        except ProviderError as error:
            if not error.retryable:
                raise
            self._screen.note(f"No answer: {error}")

    async def _answer(self) -> None:
        spoke = False
        for rounds in range(self._most_rounds, -1, -1):
            over = self._control.over
            reply = await self._conversation.reply(tools=rounds > 0 and not over)
            if reply.text:
                self._screen.agent_said(reply.text)
                spoke = True
            if not reply.requests:
                return
            self._conversation.take_outputs(await self._run(reply.requests))
            if self._control.over and spoke:
                return  # Without a word it is asked for its goodbye, as in a call.

    async def _run(self, requests: tuple[ToolRequest, ...]) -> list[str]:
        say = self._screen.agent_said
        async with asyncio.TaskGroup() as group:
            running = [group.create_task(self._tools.run(request, say)) for request in requests]
        return [tool.result() for tool in running]


@asynccontextmanager
async def _rooms(
    settings: PhoneSettings,
) -> AsyncGenerator[tuple[Resources, Toolbox, GuestLoops]]:
    """What a phone shares between its calls, opened for this rehearsal alone."""
    async with AsyncExitStack() as stack:
        stack.enter_context(private(settings.redaction))
        workers = Workers("patter-resolver", threads=_RESOLVER_THREADS)
        workers.start()
        stack.callback(workers.release)
        http = await stack.enter_async_context(open_http_session(workers))
        webhooks = Webhooks(settings.url_guard(), resolver=WorkerResolver(workers))
        await stack.enter_async_context(webhooks)
        # Whoever types does so in real time, whatever clock the phone's calls have.
        resources = Resources(http=http, clock=SystemClock())
        stack.push_async_callback(resources.aclose)
        guests = GuestLoops()
        stack.callback(guests.stop)
        board = BreakerBoard(
            threshold=settings.breaker_threshold, cooldown_sec=settings.breaker_cooldown_sec
        )
        dependencies = settings.dependencies
        yield resources, Toolbox(dependencies=dependencies, board=board, webhooks=webhooks), guests
