"""One tool of one call, ready to be run: tried as often, and for as long, as is worth it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from patter_core.tools.answers import failure
from patter_core.tools.arguments import read_arguments
from patter_core.tools.attempts import Attempted
from patter_core.tools.progress import reassuring

if TYPE_CHECKING:
    from collections.abc import Callable

    from patter_core.clock import Clock
    from patter_core.tools.arguments import ArgumentCheck
    from patter_core.tools.attempts import Request, Work
    from patter_core.tools.breaker import Breaker
    from patter_core.tools.definition import Reassurance

_FIRST_PAUSE_SEC = 0.5
_LONGEST_PAUSE_SEC = 5.0
_JITTER_SEC = 0.06


def backoff_sec(failed_attempts: int, jitter: float) -> float:
    """The pause before the next attempt: 0.5 s, doubled each time, 5 s at most.

    Args:
        failed_attempts: How many there were.
        jitter: From 0 to 1, for up to 60 ms more.
    """
    return min(
        _FIRST_PAUSE_SEC * 2.0 ** (failed_attempts - 1) + jitter * _JITTER_SEC, _LONGEST_PAUSE_SEC
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyTool:
    """A tool with everything that its running takes.

    Attributes:
        work: What does it.
        breaker: Whether it may be tried at all.
        check: Holds arguments to its schema; None takes any object.
        timeout_sec: How long one attempt may take.
        max_retries: How many further attempts a failure is worth.
        reassurance: What is said when all of them together take long.
    """

    work: Work
    breaker: Breaker
    check: ArgumentCheck | None = None
    timeout_sec: float = 10.0
    max_retries: int = 2
    reassurance: Reassurance | None = None

    async def run(self, request: Request, clock: Clock, jitter: Callable[[], float]) -> Attempted:
        """Every attempt that it takes, and the last one's outcome; what is to be said meanwhile."""
        if request.say is None or self.reassurance is None:
            return await self._attempts(request, clock, jitter)
        async with reassuring(request.say, self.reassurance, clock):
            return await self._attempts(request, clock, jitter)

    async def _attempts(
        self, request: Request, clock: Clock, jitter: Callable[[], float]
    ) -> Attempted:
        # By hand rather than with stamina, which sleeps on the wall's clock and on no other.
        attempt = 1
        while True:
            try:
                with clock.hold():
                    async with clock.timeout(self.timeout_sec):
                        attempted = await self.work.attempt(request, attempt)
            except TimeoutError:
                # Final: nobody on the phone waits three times as long for the same silence.
                detail = "The tool took too long."
                result = failure(request.invocation.function_call_id, "tool_timeout", detail)
                return Attempted(result, "failure")
            if not attempted.again or attempt > self.max_retries:
                return attempted
            await clock.sleep(backoff_sec(attempt, jitter()))
            attempt += 1
            # What it was given is the tool's own, and may have been changed.
            request = request._replace(arguments=read_arguments(request.invocation.arguments))
