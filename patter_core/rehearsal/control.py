"""What tools may do to a call that is only rehearsed: it is shown, and nobody is rung."""

from __future__ import annotations

from typing import TYPE_CHECKING

from patter_core.errors import TransferRefused

if TYPE_CHECKING:
    from patter_core.rehearsal.screen import Screen


class RehearsedControl:
    """A `CallControl`.

    Attributes:
        over: The agent's part of the call has ended.
    """

    def __init__(self, destinations: frozenset[str], screen: Screen) -> None:
        """Allow transfers to `destinations`, E.164, and to nobody else."""
        self.over = False
        self._destinations = destinations
        self._screen = screen

    async def end(self, reason: str) -> None:
        """See `CallControl.end`."""
        self._end(f"The agent ended the call: {reason}")

    async def transfer(self, target: str) -> None:
        """See `CallControl.transfer`. A call asks the dial policy too."""
        if target not in self._destinations:
            raise TransferRefused("Transfers to this number are not allowed")
        self._end(f"The call would be transferred to {target}")

    async def record_opt_out(self) -> None:
        """See `CallControl.record_opt_out`."""
        self._screen.note("The number would be put on the do-not-call list")

    def send_digits(self, digits: str) -> None:
        """See `CallControl.send_digits`."""
        self._screen.note(f"Digits would be sent: {digits}")

    def _end(self, sentence: str) -> None:
        if not self.over:
            self.over = True
            self._screen.note(sentence)
