"""What is said into silence, and when it is given up. No I/O: told the time, it says what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from patter_core.pipeline.turn_settings import TurnSettings

REASON = "The other side said nothing any more"
"""Why a conversation is over that nobody answered in."""


class Silence:
    """One conversation's silence.

    Attributes:
        over: Whether the goodbye was heard too.
    """

    def __init__(self, settings: TurnSettings) -> None:
        """Nobody has been silent yet."""
        self.over = False
        self._settings = settings
        self._wait_ms = settings.silence_prompt_sec * 1_000
        self._since_ms = 0
        self._prompts = 0
        self._parting = False

    def callee_spoke(self) -> None:
        """The callee begins to speak: nobody leaves now."""
        self._parting = False

    def callee_said_something(self) -> None:
        """There were words in it: they may be silent as often again."""
        self._prompts = 0

    def tick(self, now_ms: int, *, busy: bool) -> str | None:
        """What to say now, if anything.

        Args:
            now_ms: The conversation's time.
            busy: Whether anybody speaks, is about to, or is at work.
        """
        if busy:
            self._since_ms = now_ms
            return None
        if self._parting:
            self.over = True
            return None
        if not self._wait_ms or now_ms - self._since_ms < self._wait_ms:
            return None
        self._since_ms = now_ms
        if self._prompts < self._settings.silence_prompts:
            self._prompts += 1
            return self._settings.silence_prompt
        self._parting = True
        return self._settings.goodbye
