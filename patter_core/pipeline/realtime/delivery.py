"""The model's speech as it comes: decoded, sent on, dropped when it comes too late.

Words come along with audio, and the response under way may have been broken off already.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from patter_core.calls.transcript import Turn
from patter_core.pipeline.realtime.speech import Speech

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from patter_core.pipeline.playback import Wish
    from patter_core.pipeline.realtime.audio import Encoding
    from patter_core.pipeline.realtime.events import AudioDelta
    from patter_core.pipeline.realtime.speech import HeardItem


class Delivery:
    """One conversation's speech of the agent, across connections.

    Attributes:
        speech: What the callee hears of it.
        keys: The tones of keys that are to be pressed.
    """

    def __init__(self, *, lead_ms: int, encoding: Encoding, wish: Callable[[Wish], None]) -> None:
        """Begin with a silent line; `wish` takes what is asked of it."""
        self.speech = Speech(lead_ms=lead_ms)
        self.keys: deque[bytes] = deque()
        self._keys_pressed = 0
        self._encoding = encoding
        self._wish = wish
        self._words: dict[str, str] = {}
        self._here: set[str] = set()  # Items that this connection knows.
        self._dropped: set[str] = set()  # Responses whose late audio is not wanted.

    def audio(self, event: AudioDelta) -> bool:
        """Take more audio; whether it is the first of its item that can be heard."""
        if event.response_id in self._dropped:
            return False
        new = event.item_id not in self._here
        audio = self._encoding.from_service(event.audio)
        self.play(self.speech.say(event.response_id, event.item_id, audio))
        if new:
            self._here.add(event.item_id)
            self.speech.words(event.item_id, self._words.get(event.item_id, ""))
        return new

    def more_words(self, item_id: str, text: str) -> None:
        """Take some more of an item's words."""
        self.all_words(item_id, self._words.get(item_id, "") + text)

    def all_words(self, item_id: str, text: str) -> None:
        """Take all of an item's words."""
        self._words[item_id] = text
        self.speech.words(item_id, text)

    def item_done(self, response_id: str, item_id: str) -> bool:
        """An item has all its audio; whether that is wanted."""
        if response_id in self._dropped:
            return False
        if rest := self._encoding.from_service(b"", last=True):
            self.play(self.speech.say(response_id, item_id, rest))
        self.play(self.speech.end(item_id))
        return True

    def response_done(self, response_id: str) -> bool:
        """A response is over; whether it was wanted to its end."""
        if response_id in self._dropped:
            self._dropped.discard(response_id)
            return False
        self.play(self.speech.end_all())
        return True

    def press(self) -> None:
        """Play the tones of the next keys, which are nobody's words."""
        self._keys_pressed += 1
        name = f"keys_{self._keys_pressed}"
        self.play(self.speech.say(name, name, self.keys.popleft()))
        self.play(self.speech.end(name))

    def drop(self, response_id: str) -> None:
        """What is still to come of a response is not wanted."""
        self._dropped.add(response_id)

    def break_off(self) -> list[HeardItem]:
        """Drop what was not played; what was heard of each item. The line must be cleared too."""
        self._encoding.from_service(b"", last=True)
        return self.speech.break_off()

    def can_be_cut(self, heard: HeardItem) -> bool:
        """Whether the service has more of this item than was heard."""
        return not heard.whole and heard.item_id in self._here

    def lost(self) -> bool:
        """The connection is gone; whether that broke off what was being said."""
        half_said = self.speech.unended
        self.play(self.speech.end_all())
        self._here.clear()
        self._dropped.clear()
        return half_said

    def under_way(self, *, cut: bool) -> dict[str, Turn]:
        """The turns that are being heard, by item: as far as they were if `cut`, else as meant."""
        turns: dict[str, Turn] = {}
        for heard in self.speech.under_way():
            if cut and not heard.text:
                continue
            text = heard.text if cut else self._words.get(heard.item_id, "")
            turns[heard.item_id] = Turn(
                role="agent", text=text, started_ms=heard.started_ms or 0, cut=not heard.whole
            )
        return turns

    def play(self, wishes: Sequence[Wish]) -> None:
        """Ask all this of the line."""
        for wish in wishes:
            self._wish(wish)
