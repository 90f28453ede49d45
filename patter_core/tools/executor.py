"""Runs one invocation of a tool after the other, or side by side, and always has an answer.

The order: the arguments are read, the tool is found, the arguments are held to its schema, its
breaker is asked, then come the attempts, then the result. A handler never sees what does not fit.
"""

from __future__ import annotations

import itertools
import random
import secrets
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from patter_core.calls.redaction import Redaction
from patter_core.clock import SystemClock
from patter_core.errors import ConfigError
from patter_core.tools.answers import failure
from patter_core.tools.arguments import BadArguments, read_arguments
from patter_core.tools.attempts import Attempted, FunctionWork, HandlerWork, Request, WebhookWork
from patter_core.tools.breaker import BreakerBoard
from patter_core.tools.checked_tool import check_needs
from patter_core.tools.definition import origin
from patter_core.tools.invocation import ToolError, ToolInvocation, ToolResult
from patter_core.tools.progress import Progress, reassuring
from patter_core.tools.tool_log import log_ended, log_raised, log_started
from patter_core.tools.user_code import OwnLoop, is_async

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from patter_core.clock import Clock
    from patter_core.tools.arguments import ArgumentCheck
    from patter_core.tools.attempts import Work
    from patter_core.tools.breaker import Breaker, Outcome
    from patter_core.tools.checked_tool import CheckedTool
    from patter_core.tools.definition import Reassurance
    from patter_core.tools.user_code import RunUserCode
    from patter_core.tools.webhook import Webhooks

__all__ = ["ToolError", "ToolExecutor", "ToolInvocation", "ToolLimits", "ToolResult", "backoff_sec"]

_FIRST_PAUSE_SEC = 0.5
_LONGEST_PAUSE_SEC = 5.0
_JITTER_SEC = 0.06


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolLimits:
    """What bounds every tool, whatever it is.

    Attributes:
        argument_bytes: How long the text of the arguments may be.
        result_bytes: How long an answer may be; a longer one is refused, never cut.
    """

    argument_bytes: int = 256 * 1024
    result_bytes: int = 1024 * 1024


def backoff_sec(failed_attempts: int, jitter: float) -> float:
    """The pause before the next attempt: 0.5 s, doubled each time, 5 s at most.

    Args:
        failed_attempts: How many there were.
        jitter: From 0 to 1, for up to 60 ms more.
    """
    return min(
        _FIRST_PAUSE_SEC * 2.0 ** (failed_attempts - 1) + jitter * _JITTER_SEC, _LONGEST_PAUSE_SEC
    )


@dataclass(slots=True, kw_only=True)
class _Entry:
    """One tool, ready to be run."""

    work: Work
    breaker: Breaker
    check: ArgumentCheck | None = None
    timeout_sec: float = 10.0
    max_retries: int = 2
    reassurance: Reassurance | None = None


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
        self._entries: dict[str, _Entry] = {}
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
            ConfigError: The name is taken, or a dependency is missing.
        """
        if name in self._entries:
            raise ConfigError(f"The tool {name!r} is there already")
        checked = self._waiting.pop(name, None)
        where = f"The tool {name!r}"
        all_needs = {*needs, *(checked.tool.needs if checked else ())}
        work = FunctionWork(
            function, is_async(function, where), self._needed(all_needs, where), self._run
        )
        key = (name, origin(function))
        if checked is None:
            self._entries[name] = _Entry(work=work, breaker=self._board.breaker(key))
        else:
            self._entries[name] = self._entry(checked, work, key)

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
        log_ended(invocation, result, took_sec, self._redaction, names=self._entries)
        return result

    async def _answer(
        self, invocation: ToolInvocation, on_progress: Callable[[str], object] | None
    ) -> ToolResult:
        function_call_id = invocation.function_call_id
        try:
            arguments = read_arguments(invocation.arguments, max_bytes=self._limits.argument_bytes)
            entry = self._entries.get(invocation.name)
            if entry is None:
                return failure(function_call_id, "unknown_tool", "There is no tool of that name.")
            if entry.check is not None:
                entry.check.check(arguments)
        except BadArguments as error:
            # The model's own words are in it: names that it gave to what it made up.
            detail = self._redaction.redact(str(error))
            return failure(function_call_id, "invalid_arguments", detail)
        ticket = entry.breaker.admit(self._clock.now())
        if ticket is None:
            return self._resting(function_call_id, entry.breaker)
        outcome: Outcome = "neutral"
        try:
            log_started(invocation, arguments, self._redaction)
            attempted = await self._attempts_aloud(entry, invocation, arguments, on_progress)
            outcome = attempted.outcome
        finally:
            entry.breaker.settle(ticket, outcome, self._clock.now())
        return attempted.result

    async def _attempts_aloud(
        self,
        entry: _Entry,
        invocation: ToolInvocation,
        arguments: dict[str, Any],
        on_progress: Callable[[str], object] | None,
    ) -> Attempted:
        """Every attempt, with what is to be said meanwhile."""
        say = Progress(on_progress) if on_progress is not None else None
        key = f"{self._keys}-{next(self._count)}"
        request = Request(
            invocation, arguments, key, say, self._limits.result_bytes, self._redaction
        )
        if say is None:
            return await self._attempts(entry, request)
        speaking = (
            reassuring(say, entry.reassurance, self._clock) if entry.reassurance else nullcontext()
        )
        try:
            async with speaking:
                return await self._attempts(entry, request)
        finally:
            say.close()

    async def _attempts(self, entry: _Entry, request: Request) -> Attempted:
        # By hand rather than with stamina, which sleeps on the wall's clock and on no other.
        attempt = 1
        while True:
            try:
                with self._clock.hold():
                    async with self._clock.timeout(entry.timeout_sec):
                        attempted = await entry.work.attempt(request, attempt)
            except TimeoutError:
                # Final: nobody on the phone waits three times as long for the same silence.
                detail = "The tool took too long."
                result = failure(request.invocation.function_call_id, "tool_timeout", detail)
                return Attempted(result, "failure")
            if not attempted.again or attempt > entry.max_retries:
                return attempted
            await self._clock.sleep(backoff_sec(attempt, self._jitter()))
            attempt += 1

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
        self._entries[made.name] = self._entry(checked, work, checked.breaker_key)

    def _entry(self, checked: CheckedTool, work: Work, key: object) -> _Entry:
        made = checked.tool
        breaker = self._board.breaker(
            key, threshold=made.breaker_threshold, cooldown_sec=made.breaker_cooldown_sec
        )
        return _Entry(
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
