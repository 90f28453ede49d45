"""The model's speech on its way to the callee, item by item, and how much of each was heard.

Unlike a voice that is given a text, the model sends its words along with its audio, several items
one after another, and may begin the next one while the last still plays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from patter_core.audio.frames import BYTES_PER_MS
from patter_core.pipeline.playback import Playback

if TYPE_CHECKING:
    from collections.abc import Sequence

    from patter_core.pipeline.playback import Wish


@dataclass(slots=True)
class _Spoken:
    """One item. `audio_bytes` is what the service sent; `ended` when it will send no more."""

    item_id: str
    response_id: str
    ended: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HeardItem:
    """How much of an item was heard.

    Attributes:
        text: The words of it that were heard.
        heard_ms: How much of its audio was.
        audio_ms: How much of its audio there is.
        started_ms: When its first sound was played; None before that.
        whole: Whether it is complete and was heard to its end.
    """

    item_id: str
    response_id: str
    text: str
    heard_ms: int
    audio_ms: int
    started_ms: int | None
    whole: bool


class Speech(Playback):
    """A `Playback` whose pieces are the model's items."""

    def __init__(self, *, lead_ms: int) -> None:
        """Begin with a silent line."""
        super().__init__(lead_ms=lead_ms)
        self._items: list[_Spoken] = []
        self._finished = 0  # So many of them were reported as heard whole.

    @property
    def silent(self) -> bool:
        """Whether the callee has heard everything that came so far."""
        return not self._waiting and not self._marks

    @property
    def unended(self) -> bool:
        """Whether more is to come of the item that came last."""
        return bool(self._items) and not self._items[-1].ended

    @property
    def speaking_of(self) -> frozenset[str]:
        """The responses that have audio here which was not heard to its end."""
        return frozenset(item.response_id for item in self._items[self._finished :])

    def say(self, response_id: str, item_id: str, audio: bytes) -> Sequence[Wish]:
        """Take more audio of an item, mu-law."""
        wishes: Sequence[Wish] = ()
        if not self._items or self._items[-1].item_id != item_id:
            if any(item.item_id == item_id for item in self._items):
                return ()  # Audio of an item that ended.
            wishes = self.end(self._items[-1].item_id) if self._items else ()
            self._items.append(_Spoken(item_id, response_id))
            self.begin_piece("")
        elif self._items[-1].ended:
            return ()
        return [*wishes, *self.feed(audio)]

    def words(self, item_id: str, text: str) -> None:
        """The words of an item, as far as they are known."""
        for item, piece in zip(self._items, self._pieces, strict=True):
            if item.item_id == item_id:
                piece.text = text

    def end(self, item_id: str) -> Sequence[Wish]:
        """An item has all its audio."""
        if self._items and self._items[-1].item_id == item_id and not self._items[-1].ended:
            self._items[-1].ended = True
            return self.end_piece()
        return ()

    def end_all(self) -> Sequence[Wish]:
        """No item under way gets more audio."""
        return self.end(self._items[-1].item_id) if self._items else ()

    def newly_heard(self) -> list[HeardItem]:
        """The items that were heard to their end since this was last asked."""
        # Asked fifty times a second: most of the time the answer is that there is nothing new.
        if self._finished == len(self._items) or not self._items[self._finished].ended:
            return []
        if not (self.silent or self._certain(self._finished)):
            return []
        position = self._heard_position()
        found: list[HeardItem] = []
        while self._finished < len(self._items):
            heard = self._heard_item(self._finished, position)
            if not heard.whole or not (self.silent or self._certain(self._finished)):
                break
            found.append(heard)
            self._finished += 1
        if self._finished == len(self._items) and self.silent:
            self.next_turn()
        return found

    def under_way(self) -> list[HeardItem]:
        """The items that were not heard to their end yet."""
        position = self._heard_position()
        return [self._heard_item(at, position) for at in range(self._finished, len(self._items))]

    def break_off(self) -> list[HeardItem]:
        """Drop what was not played; what was heard of each item. The line must be cleared too."""
        heard = self.under_way()
        self.cut()
        return heard

    def next_turn(self) -> None:
        """See `Playback.next_turn`."""
        super().next_turn()
        self._items.clear()
        self._finished = 0

    def _certain(self, at: int) -> bool:
        """Whether marks say that the item has been played."""
        end = self._pieces[at].end
        return end is not None and self._marks.reached >= end

    def _heard_item(self, at: int, position: int) -> HeardItem:
        item, piece = self._items[at], self._pieces[at]
        heard = max(0, min(position - piece.start, piece.audio))
        return HeardItem(
            item_id=item.item_id,
            response_id=item.response_id,
            text=self._pace.heard_of(piece, position).heard,
            heard_ms=heard // BYTES_PER_MS,
            audio_ms=piece.audio // BYTES_PER_MS,
            started_ms=self._started_ms(piece.start) if heard else None,
            whole=item.ended and heard == piece.audio,
        )

    def _started_ms(self, position: int) -> int:
        for start, began in reversed(self._runs):
            if start <= position:
                return (began + position - start) // BYTES_PER_MS
        return self.now_ms
