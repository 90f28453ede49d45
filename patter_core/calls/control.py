"""What hooks, tools and a live call's owner may do to it, whatever carrier carries it."""

from __future__ import annotations

from typing import Protocol


class CallControl(Protocol):
    """A hand on one live call. Every method may be called at any time, and any number of times."""

    async def say(self, text: str) -> bool:
        """Have the agent say `text` next.

        Returns:
            Whether the call was live to hear it.
        """
        ...

    async def hang_up(self) -> None:
        """End the call; returns once that was asked for."""
        ...
