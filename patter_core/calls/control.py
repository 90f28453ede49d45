"""What hooks and tools may do to a live call, whatever carrier carries it."""

from __future__ import annotations

from typing import Protocol


class CallControl(Protocol):
    """A hand on one live call. Every method may be called at any time, and any number of times."""

    async def end(self, reason: str) -> None:
        """End the call once what is being said was heard; returns when that was asked for."""
        ...

    async def transfer(self, target: str) -> None:
        """Hand the call over to `target`, E.164: our part ends with it.

        Asking again for the same target is the same request.

        Raises:
            TransferRefused: It is not allowed, or the carrier did not do it; says why.
        """
        ...

    async def record_opt_out(self) -> None:
        """Put whom we rang on the do-not-call list; returns when it is written.

        Raises:
            LedgerError: It could not be, or somebody rang us: then there is nobody to spare.
        """
        ...

    def send_digits(self, digits: str) -> None:
        """Press keys, as tones in the audio: 0-9, A-D, * and #; w waits half a second, W one.

        Raises:
            ValueError: Something is no key.
        """
        ...
