"""Where a tool's own code runs, and how whatever it does comes back as a value."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Mapping
from functools import partial
from typing import Any, NamedTuple, Protocol, cast

from patter_core.errors import ConfigError
from patter_core.tools.typed_function import TypedFunction
from patter_core.workers import Workers

Say = Callable[[str], None]
"""Takes a progress message; may be called on any loop's thread."""


class RunUserCode(Protocol):
    """Runs users' functions where they belong: `partial(guests.call, loop)` is one."""

    async def __call__(self, function: Callable[..., Any], *args: Any) -> Any:  # noqa: ANN401
        """Run a coroutine function on the users' loop, or a plain one on a thread.

        Cancelling the wait ends it at once, and asks the function to end as well, if it is async.
        """
        ...


class OwnLoop:
    """Runs users' code on the loop that asks for it: for those who have no other."""

    def __init__(self) -> None:
        """Nothing runs yet."""
        # A task that takes no notice of being cancelled belongs to nobody who waits; the loop
        # keeps only weak references, so it would vanish half way.
        self._left_behind: set[asyncio.Task[None]] = set()

    async def __call__(self, function: Callable[..., Any], *args: Any) -> Any:  # noqa: ANN401
        """See `RunUserCode`."""
        if function is _run_async or inspect.iscoroutinefunction(function):
            return await self._task(function, args)
        # One thread for each: a function that never returns must not be in the next one's way.
        workers = Workers("patter-tool")
        workers.start()
        try:
            return await workers.run(function, *args)
        finally:
            workers.release()

    async def _task(self, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:  # noqa: ANN401
        # Awaited itself, the task could hold up a cancellation as long as it likes. It hands its
        # outcome over by its own last step: a callback would cost another turn of the loop.
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[Any] = loop.create_future()
        task = loop.create_task(_hand_over(function, args, outcome))
        try:
            return await outcome
        except asyncio.CancelledError:
            if not task.done():
                self._leave_behind(task)
            raise

    def _leave_behind(self, task: asyncio.Task[None]) -> None:
        task.cancel()
        self._left_behind.add(task)
        task.add_done_callback(self._left_behind.discard)


async def _hand_over(
    function: Callable[..., Any], args: tuple[Any, ...], outcome: asyncio.Future[Any]
) -> None:
    try:
        value = await function(*args)
    except asyncio.CancelledError:
        outcome.cancel()
        raise
    except BaseException as error:
        if not outcome.done():
            outcome.set_exception(error)
        if not isinstance(error, Exception):
            raise  # Ctrl-C: the loop itself has to hear of it.
    else:
        if not outcome.done():
            outcome.set_result(value)


# Tuples, as frozen dataclasses take several times as long to make.
class Answered(NamedTuple):
    """A function came to its end."""

    value: object


class Raised(NamedTuple):
    """A function raised."""

    error: BaseException


def is_async(function: Callable[..., Any], where: str) -> bool:
    """Whether `function` belongs on a loop rather than on a thread.

    Raises:
        ConfigError: It is a plain generator, which would block whoever waits for its next item.
    """
    while isinstance(function, partial | TypedFunction):
        function = function.func if isinstance(function, partial) else function.function
    candidates = (function, getattr(function, "__call__", None))  # noqa: B004 - objects too
    if any(inspect.isgeneratorfunction(candidate) for candidate in candidates):
        raise ConfigError(f"{where}: a handler that yields must be an async generator: async def")
    return any(
        inspect.iscoroutinefunction(candidate) or inspect.isasyncgenfunction(candidate)
        for candidate in candidates
    )


async def run_function(
    run: RunUserCode, function: Callable[..., Any], on_loop: bool, say: Say | None, *args: Any
) -> Answered | Raised:
    """Run a tool's function, of whatever kind, to its end.

    Args:
        run: Where.
        function: What.
        on_loop: Whether it is async, see `is_async`.
        say: Takes the progress that an async generator yields.
        *args: What it is called with.

    Raises:
        CancelledError: The wait was cancelled.
    """
    if on_loop:
        return cast("Answered | Raised", await run(_run_async, function, args, say))
    outcome: Answered | Raised = await run(_run_plain, function, args)
    if isinstance(outcome, Answered) and _is_unfinished(outcome.value):
        # A plain function that hands out a coroutine: its rest belongs on the loop.
        rest = (outcome.value,)
        return cast("Answered | Raised", await run(_run_async, _same, rest, say))
    return outcome


def _is_unfinished(value: object) -> bool:
    return inspect.isawaitable(value) or isinstance(value, AsyncIterable)


def _same(value: object) -> object:
    return value


def _run_plain(function: Callable[..., Any], args: tuple[Any, ...]) -> Answered | Raised:
    try:
        return Answered(function(*args))
    except BaseException as error:  # noqa: BLE001 - a stranger's code, on a thread of its own
        return Raised(error)


async def _run_async(
    function: Callable[..., Any], args: tuple[Any, ...], say: Say | None
) -> Answered | Raised:
    try:
        answer = function(*args)
        if isinstance(answer, AsyncIterable):
            answer = await _last_result(cast("AsyncIterable[object]", answer), say)
        elif inspect.isawaitable(answer):
            answer = await answer
        return Answered(answer)
    except asyncio.CancelledError as error:
        # One that nobody asked of this task comes from something which the tool waited for.
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        return Raised(error)
    except (KeyboardInterrupt, GeneratorExit):
        raise  # Ctrl-C is the loop's owner's, and a coroutine that is being closed must close.
    except BaseException as error:  # noqa: BLE001 - a stranger's code; sys.exit() ends no phone
        return Raised(error)


async def _last_result(items: AsyncIterable[object], say: Say | None) -> object:
    """What an async generator's last result is; None when it yields none."""
    result: object = None
    try:
        async for item in items:
            said: Mapping[str, object] = {}
            if isinstance(item, Mapping):
                said = cast("Mapping[str, object]", item)
            if "progress" not in said and "result" not in said:
                result = cast("object", item)
                continue
            progress = said.get("progress")
            if say is not None and isinstance(progress, str) and progress.strip():
                say(progress)
            result = said.get("result", result)
    finally:
        if isinstance(items, AsyncGenerator):
            await items.aclose()
    return result
