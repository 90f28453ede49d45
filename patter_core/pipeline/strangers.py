"""Where a provider's code is run: whatever it raises arrives as a `ProviderError`, plainly."""

from __future__ import annotations

from contextlib import asynccontextmanager
from types import coroutine
from typing import TYPE_CHECKING, Any, TypeVar, cast

from patter_core.errors import ConfigError, ProviderError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
    from contextlib import AbstractAsyncContextManager

    from patter_core.clock import Clock
    from patter_core.pipeline.resources import Resources

T = TypeVar("T")

_END = object()


def provider_error(provider: object, error: Exception) -> ProviderError:
    """`error` of `provider` as a `ProviderError`, caused by it.

    The sentence has nothing of a library's own text, which may quote a request, or what was said.
    """
    leaves = list(_leaves(error))
    for leaf in leaves:
        if isinstance(leaf, ProviderError):
            return leaf
    sentence = f"it failed unexpectedly ({type(leaves[0]).__name__})"
    if isinstance(leaves[0], ConfigError):
        sentence = str(leaves[0])
    wrapped = ProviderError(type(provider).__name__, sentence)
    wrapped.__cause__ = error
    return wrapped


async def prepared(provider: object, resources: Resources) -> None:
    """Let `provider` do what it can before anybody is rung, if it has a `prepare(resources)`.

    Raises:
        ProviderError: It cannot be used.
    """
    prepare = getattr(provider, "prepare", None)
    if prepare is None:
        return
    try:
        await prepare(resources)
    except Exception as error:  # noqa: BLE001 - a stranger's code
        wrapped = provider_error(provider, error)
        raise wrapped from wrapped.__cause__


def plain(error: BaseException) -> BaseException:
    """The `ProviderError` that a task group wrapped; without one, `error` itself."""
    return next((leaf for leaf in _leaves(error) if isinstance(leaf, ProviderError)), error)


async def streamed(
    provider: object, ask: Callable[[], AsyncIterator[T]], clock: Clock, within_sec: float
) -> AsyncGenerator[T]:
    """What `ask` streams. Closing this closes the provider's iterator.

    Raises:
        ProviderError: Whatever the provider raised, or nothing came `within_sec` of asking.
    """
    try:
        items = aiter(ask())
        try:
            while True:
                item = await _within(within_sec, clock, anext(items, _END).__await__())
                if item is _END:
                    return
                yield cast("T", item)
        finally:
            if (close := getattr(items, "aclose", None)) is not None:
                await close()
    except TimeoutError as error:
        name = type(provider).__name__
        raise ProviderError(name, "it took too long to answer", retryable=True) from error
    except Exception as error:  # noqa: BLE001 - a stranger's code
        wrapped = provider_error(provider, error)
        raise wrapped from wrapped.__cause__


async def _within(seconds: float, clock: Clock, steps: Generator[Any, Any, T]) -> T:
    """What awaiting `steps` gives. Only what does not come at once is timed.

    Most of what a provider streams is there already when it is asked for, and a timer for each
    piece would take longer than the piece.

    Raises:
        TimeoutError: It did not come within `seconds`.
    """
    try:
        waits_for = next(steps)
    except StopIteration as end:
        return cast("T", end.value)
    async with clock.timeout(seconds):
        return await _going_on(steps, waits_for)


@coroutine
def _going_on(steps: Generator[Any, Any, T], waits_for: object) -> Generator[Any, Any, T]:
    """Await `steps`, which have begun, and wait for `waits_for`."""
    try:
        while True:
            try:
                told = yield waits_for
            except BaseException as error:  # noqa: BLE001 - it is raised where it belongs
                waits_for = steps.throw(error)
            else:
                waits_for = steps.send(told)
    except StopIteration as end:
        return cast("T", end.value)


@asynccontextmanager
async def opened(provider: object, context: AbstractAsyncContextManager[T]) -> AsyncGenerator[T]:
    """`context`, which `provider` made.

    Raises:
        ProviderError: Whatever the provider raised on opening, while open, or on closing. What the
            block itself raised leaves as it is.
    """
    from_block: BaseException | None = None
    try:
        async with context as resource:
            try:
                yield resource
            except BaseException as error:
                from_block = error
                raise
    except Exception as error:  # noqa: BLE001 - a stranger's code
        if from_block is not None and any(leaf is from_block for leaf in _leaves(error)):
            raise from_block from from_block.__cause__
        wrapped = provider_error(provider, error)
        raise wrapped from wrapped.__cause__


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        for part in group.exceptions:
            yield from _leaves(part)
    else:
        yield error
