"""What the phone lends to every conversation: its HTTP session, its clock, and opened clients."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from contextlib import AbstractAsyncContextManager

    import aiohttp

    from patter_core.clock import Clock

T = TypeVar("T")


class Resources:
    """Shared by all calls of one open phone; used on the engine's loop only.

    Attributes:
        http: The phone's one client session.
        clock: The phone's clock.
    """

    def __init__(self, *, http: aiohttp.ClientSession, clock: Clock) -> None:
        """Share `http`, which stays the phone's to close."""
        self.http = http
        self.clock = clock
        self._opened: dict[Hashable, object] = {}
        self._exits = AsyncExitStack()

    async def shared(
        self, key: Hashable, opener: Callable[[], AbstractAsyncContextManager[T]]
    ) -> T:
        """What `opener` opens, opened once for `key` and closed with the phone.

        A client and its TLS context cost tens of milliseconds: too much for every call. `opener`
        must open without waiting for a network, because two calls may ask at the same moment.
        """
        if key not in self._opened:
            self._opened[key] = await self._exits.enter_async_context(opener())
        opened: T = self._opened[key]  # type: ignore[assignment]  # One opener for each key.
        return opened

    async def aclose(self) -> None:
        """Close what was opened. Safe to repeat."""
        self._opened.clear()
        await self._exits.aclose()
