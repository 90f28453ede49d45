"""The first words of a call: when they are said, and what may interrupt them.

People pick up with a "Hello?" just when the greeting begins. A service that interrupts itself at
every sound would swallow the greeting, and answer the "Hello?" instead. So while the greeting is
under way the session hears, but neither answers nor interrupts by itself; we decide. No I/O.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from patter_core.pipeline.phrases import phrase_book, words_of

if TYPE_CHECKING:
    from patter_core.pipeline.turn_settings import TurnSettings

_NAME_WORDS = 3  # Who picks up with their name says no more than that in one breath.


class Opening:
    """One call's opening.

    Attributes:
        words: The greeting; "" when there is none.
        under_way: Whether it has still to be heard.
        response_id: The response that says it, once there is one.
        unheeded: Somebody said into it what calls for an answer after it.
    """

    def __init__(self, settings: TurnSettings, words: str) -> None:
        """Nobody can be heard yet."""
        self.words = words
        self.under_way = bool(words)
        self.response_id: str | None = None
        self.unheeded = False
        self._settings = settings
        self._asked = False
        self._began_ms: int | None = None
        self._pick_ups: set[str] = set()

    def due(self, now_ms: int, *, callee_spoke: bool) -> bool:
        """Whether the greeting is to be asked for now; true once."""
        if self._asked or not self.under_way:
            return False
        self._asked = callee_spoke or now_ms >= self._settings.greet_after_ms
        return self._asked

    def sounded(self, response_id: str, now_ms: int) -> None:
        """A sound of this response was sent."""
        if self.under_way and response_id == self.response_id and self._began_ms is None:
            self._began_ms = now_ms

    def lets_pass(self, item_id: str, now_ms: int) -> bool:
        """Whether speech that begins now interrupts nothing: the callee is picking up."""
        if not self.under_way:
            return False
        early = self._began_ms is None or now_ms - self._began_ms < self._settings.pick_up_ms
        if early or not self._settings.interruptible_greeting:
            self._pick_ups.add(item_id)
            return True
        return False

    def answers(self, item_id: str) -> bool:
        """Whether the greeting is the answer to this speech."""
        return item_id in self._pick_ups and self.under_way

    def understood(self, item_id: str, text: str) -> None:
        """What was said into the greeting was this."""
        if item_id not in self._pick_ups:
            return
        words = words_of(text)
        settings = self._settings
        book = phrase_book((*settings.pick_ups, *settings.back_channels))
        if len(words) > _NAME_WORDS and not book.covers(words):
            self.unheeded = True

    def over(self) -> None:
        """The greeting was heard, was interrupted, or came to nothing."""
        self.under_way = False
