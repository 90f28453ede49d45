"""Runs one invocation of a tool after the other, or side by side, and always has an answer.

The order: the arguments are read, the tool is found, the arguments are held to its schema, its
breaker is asked, then come the attempts, then the result. A handler never sees what does not fit.
"""

from __future__ import annotations

import itertools
import random
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from patter_core.calls.redaction import Redaction
from patter_core.clock import SystemClock
from patter_core.errors import ConfigError
from patter_core.tools.answers import failure
from patter_core.tools.arguments import BadArguments, read_arguments
from patter_core.tools.attempts import FunctionWork, HandlerWork, Request, WebhookWork
from patter_core.tools.breaker import BreakerBoard
from patter_core.tools.checked_tool import as_names, check_needs
from patter_core.tools.definition import origin
from patter_core.tools.invocation import ToolError, ToolInvocation, ToolResult
from patter_core.tools.progress import Progress
from patter_core.tools.ready_tool import ReadyTool
from patter_core.tools.tool_log import log_ended, log_raised, log_started
from patter_core.tools.user_code import OwnLoop, is_async

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from patter_core.clock import Clock
    from patter_core.tools.attempts import Attempted, Work
    from patter_core.tools.breaker import Breaker, Outcome
    from patter_core.tools.checked_tool import CheckedTool
    from patter_core.tools.user_code import RunUserCode
    from patter_core.tools.webhook import Webhooks

__all__ = ["ToolError", "ToolExecutor", "ToolInvocation", "ToolLimits", "ToolResult"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolLimits:
    """What bounds every tool, whatever it is.

    Attributes:
        argument_bytes: How long the text of the arguments may be.
        result_bytes: How long an answer may be; a longer one is refused, never cut.
    """

    argument_bytes: int = 256 * 1024
    result_bytes: int = 1024 * 1024


class ToolExecutor:
    """The tools of one call. Used on one loop, on which it opens nothing and leaves nothing."""

    def __init__(
        self,
        dependencies: Mapping[str, Any] | None = None,
        board: BreakerBoard | None = None,
        *,
        tools: Collection[CheckedTool] = (),
        clock: Clock | None = None,
        run_user_code: RunUserCode | None = None,
        webhooks: Webhooks | None = None,
        limits: ToolLimits | None = None,
        redaction: Redaction | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Make the tools ready.

        Args:
            dependencies: What tools may need, by name; each is given only what it declares.
            board: The breakers that this call shares with others; breakers of its own when absent.
            tools: What `check_tools` returned.
            clock: Times everything.
            run_user_code: Runs handlers where they belong; on this same loop when absent.
            webhooks: Calls the tools that have a URL.
            limits: What bounds every tool.
            redaction: What must not get out in logs, nor in what a failure says.
            jitter: From 0 to 1, anew for each pause.

        Raises:
            ConfigError: A tool needs what is not there.
        """
        self._dependencies = dict(dependencies or {})
        self._board = board or BreakerBoard()
        self._clock = clock or SystemClock()
        self._run: RunUserCode = run_user_code or OwnLoop()
        self._webhooks = webhooks
        self._limits = limits or ToolLimits()
        self._redaction = redaction or Redaction()
        self._jitter = jitter
        # Ids of models will not do as keys: some of them number every call's requests alike.
        self._keys = secrets.token_hex(12)
        self._count = itertools.count(1)
        self._tools: dict[str, ReadyTool] = {}
        self._waiting: dict[str, CheckedTool] = {}
        for checked in tools:
            self._add(checked)

    @property
    def waiting(self) -> frozenset[str]:
        """The names of tools that have neither handler nor URL, and no function yet."""
        return frozenset(self._waiting)

    def register(
        self, name: str, function: Callable[..., Any], *, needs: Collection[str] = ()
    ) -> None:
        """Have `function` do the work of the tool `name`.

        It is called with `(arguments, invocation, dependencies)`, async or plain, and returns a
        `ToolResult`, or whatever a handler may. A failed result of its own is final and says
        nothing about the tool's health; what it raises is tried again, and counts.

        Args:
            name: A tool without handler and URL, or one that no agent declared: then any object
                will do as arguments.
            function: What does the work.
            needs: The names of the dependencies that it is given.

        Raises:
            ConfigError: The name is taken, it is no function, or a dependency is missing.
        """
        where = f"The tool {name!r}"
        if name in self._tools:
            raise ConfigError(f"{where} is there already")
        if not callable(function):
            raise ConfigError(f"{where} needs a function, not {type(function).__name__}")
        checked = self._waiting.get(name)
        all_needs = {*as_names(needs, where), *(checked.tool.needs if checked else ())}
        work = FunctionWork(
            function, is_async(function, where), self._needed(all_needs, where), self._run
        )
        key = (name, origin(function))
        if checked is None:
            self._tools[name] = ReadyTool(work=work, breaker=self._board.breaker(key))
        else:
            self._tools[name] = self._ready(checked, work, key)
            del self._waiting[name]

    async def execute(
        self, invocation: ToolInvocation, *, on_progress: Callable[[str], object] | None = None
    ) -> ToolResult:
        """Run one invocation, and answer it whatever happens.

        Args:
            invocation: What the model asked for.
            on_progress: Takes what is to be said while the tool runs: its progress, in order, and
                the reassurance. Called on this loop, and not after this has returned.

        Raises:
            CancelledError: Nothing else. The tool was asked to end as well.
        """
        started = self._clock.now()
        try:
            result = await self._answer(invocation, on_progress)
        except Exception as error:  # noqa: BLE001 - users' values may fail in ways of their own
            # Nothing should get here; if it does, the model must still be told something.
            log_raised(invocation, error)
            result = failure(invocation.function_call_id, "tool_failed", "The tool failed.")
        took_sec = self._clock.now() - started
        log_ended(invocation, result, took_sec, self._redaction, names=self._tools)
        return result

    async def _answer(
        self, invocation: ToolInvocation, on_progress: Callable[[str], object] | None
    ) -> ToolResult:
        function_call_id = invocation.function_call_id
        try:
            arguments = read_arguments(invocation.arguments, max_bytes=self._limits.argument_bytes)
            tool = self._tools.get(invocation.name)
            if tool is None:
                return failure(function_call_id, "unknown_tool", "There is no tool of that name.")
            if tool.check is not None:
                tool.check.check(arguments)
        except BadArguments as error:
            # The model's own words are in it: names that it gave to what it made up.
            detail = self._redaction.redact(str(error))
            return failure(function_call_id, "invalid_arguments", detail)
        ticket = tool.breaker.admit(self._clock.now())
        if ticket is None:
            return self._resting(function_call_id, tool.breaker)
        outcome: Outcome = "neutral"
        try:
            log_started(invocation, arguments, self._redaction)
            attempted = await self._run_aloud(tool, invocation, arguments, on_progress)
            outcome = attempted.outcome
        finally:
            tool.breaker.settle(ticket, outcome, self._clock.now())
        return attempted.result

    async def _run_aloud(
        self,
        tool: ReadyTool,
        invocation: ToolInvocation,
        arguments: dict[str, Any],
        on_progress: Callable[[str], object] | None,
    ) -> Attempted:
        """Run `tool`, and let it be heard until it has answered."""
        say = Progress(on_progress) if on_progress is not None else None
        key = f"{self._keys}-{next(self._count)}"
        request = Request(
            invocation, arguments, key, say, self._limits.result_bytes, self._redaction
        )
        try:
            return await tool.run(request, self._clock, self._jitter)
        finally:
            if say is not None:
                say.close()

    def _resting(self, function_call_id: str, breaker: Breaker) -> ToolResult:
        wait_sec = breaker.retry_after_sec(self._clock.now())
        return failure(
            function_call_id,
            "circuit_open",
            "The tool keeps failing, and is given a rest.",
            circuit_state="open",
            retry_after_ms=round(wait_sec * 1000),
        )

    def _add(self, checked: CheckedTool) -> None:
        made = checked.tool
        where = f"The tool {made.name!r}"
        if made.handler is not None:
            work: Work = HandlerWork(
                made.handler, checked.on_loop, self._needed(made.needs, where), self._run
            )
        elif made.webhook_url is not None:
            if self._webhooks is None:
                raise ConfigError(f"{where} has a URL, and nothing was given that could call it")
            work = WebhookWork(made.webhook_url, made.webhook_secret, self._webhooks, self._clock)
        else:
            self._waiting[made.name] = checked
            return
        self._tools[made.name] = self._ready(checked, work, checked.breaker_key)

    def _ready(self, checked: CheckedTool, work: Work, key: object) -> ReadyTool:
        made = checked.tool
        breaker = self._board.breaker(
            key, threshold=made.breaker_threshold, cooldown_sec=made.breaker_cooldown_sec
        )
        return ReadyTool(
            work=work,
            breaker=breaker,
            check=checked.check,
            timeout_sec=made.timeout_sec,
            max_retries=made.max_retries,
            reassurance=checked.reassurance,
        )

    def _needed(self, needs: Collection[str], where: str) -> Mapping[str, Any]:
        check_needs(needs, self._dependencies, where)
        return {name: self._dependencies[name] for name in needs}
