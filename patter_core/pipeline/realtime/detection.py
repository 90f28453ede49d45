"""Who notices turns, and who answers them: the service by itself, or we.

While the greeting is under way, and once the conversation is to be over, the service hears and
decides nothing. A change of that takes effect at one point in the order of its events. No I/O.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from patter_core.pipeline.realtime.opening import Opening


class Detection:
    """One conversation's detection of turns.

    Attributes:
        closing: Nothing that the callee says is to be answered any more.
    """

    def __init__(self, settings: Mapping[str, Any], opening: Opening) -> None:
        """`settings` are the session's own, for when there is nothing to keep it from."""
        self.closing = False
        self._settings = dict(settings)
        self._opening = opening
        self._answers_itself = False  # As far as the order of its events tells.
        self._answers_this = False  # Whether it did when the callee stopped speaking.

    @property
    def wanted(self) -> dict[str, Any]:
        """The settings that a session should have just now."""
        if self._opening.under_way:
            return {**self._settings, "create_response": False, "interrupt_response": False}
        if self.closing:
            return {**self._settings, "create_response": False}
        return self._settings

    @property
    def takes_along_ms(self) -> int:
        """How much audio before the first sound the service takes for speech."""
        before_ms: int = self._settings.get("prefix_padding_ms", 0)
        return before_ms

    @property
    def interrupts_itself(self) -> bool:
        """Whether the service has stopped by itself when the callee begins to speak."""
        return self._answers_itself and bool(self._settings["interrupt_response"])

    @property
    def answers_this(self) -> bool:
        """Whether the service answers by itself what the callee said last."""
        return self._answers_this

    def in_force(self) -> None:
        """From here on in the order of events the session is as it should be."""
        self._answers_itself = bool(self.wanted["create_response"])

    def speech_stopped(self) -> None:
        """The callee finished: whoever answers now answers that."""
        self._answers_this = self._answers_itself
