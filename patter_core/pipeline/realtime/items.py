"""The conversation's items in the service's order, and the turns that they make.

What the callee said is known later than the answer to it begins: turns are put in order by the
item that each one follows, never by when its words arrived. No I/O and no waiting.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from patter_core.calls.transcript import Turn
from patter_core.pipeline.realtime.wire import call_item, message_item, output_item

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Mapping

_WORDS_WAIT_MS = 5_000  # How long later turns wait for the words of an earlier one.

Kind = Literal["user", "agent", "call", "output", "other"]


@dataclass(slots=True, kw_only=True, eq=False)
class _Item:
    item_id: str
    kind: Kind
    text: str = ""
    started_ms: int | None = None
    settled: bool = False
    settled_ms: int = 0
    cut: bool = False
    told: bool = False
    wire: dict[str, Any] | None = None

    def turn(self, *, cut: bool) -> Turn | None:
        if self.kind not in ("user", "agent") or not self.text.strip():
            return None
        role: Literal["user", "agent"] = "user" if self.kind == "user" else "agent"
        return Turn(role=role, text=self.text.strip(), started_ms=self.started_ms or 0, cut=cut)


class Items:
    """One conversation's items, across connections."""

    def __init__(self, tell: Callable[[Turn], None]) -> None:
        """Begin without any; `tell` hears of each finished turn once, in order if that can be."""
        self._tell = tell
        self._order: list[_Item] = []
        self._known: dict[str, _Item] = {}

    def add(self, item_id: str, kind: Kind, previous: str | None) -> None:
        """An item is there, after `previous`; what is known already stays where it is."""
        if item_id in self._known:
            return
        item = _Item(item_id=item_id, kind=kind, settled=kind in ("call", "output", "other"))
        self._known[item_id] = item
        self._order.insert(self._place_after(previous), item)

    def call(self, item_id: str, call_id: str, name: str, arguments: str) -> None:
        """The model asked for a tool."""
        self.add(item_id, "call", None)
        self._known[item_id].wire = call_item(call_id, name, arguments)

    def output(self, call_id: str, output: str) -> None:
        """A tool's answer was given."""
        item = _Item(item_id="", kind="output", settled=True, wire=output_item(call_id, output))
        self._order.append(item)

    def user_began(self, item_id: str, started_ms: int) -> None:
        """The callee began to say what will be this item, which has no place yet."""
        if item_id not in self._known:
            self._known[item_id] = _Item(item_id=item_id, kind="user", started_ms=started_ms)

    def user_finished(self, item_id: str, previous: str | None, now_ms: int) -> None:
        """The callee has said it; its words may be yet to come."""
        item = self._known.get(item_id) or _Item(item_id=item_id, kind="user", started_ms=now_ms)
        self._known[item_id] = item
        item.settled_ms = now_ms
        if item not in self._order:
            self._order.insert(self._place_after(previous), item)

    def user_words(self, item_id: str, text: str, now_ms: int, *, all_of_them: bool) -> None:
        """Words of the callee; without `all_of_them` they are some more of them."""
        self.user_finished(item_id, None, self._settled_ms(item_id, now_ms))
        item = self._known[item_id]
        if not all_of_them:
            item.text += text
            return
        item.text, item.settled = text, True
        if item.started_ms is None:
            item.started_ms = now_ms

    def agent_heard(self, item_id: str, *, text: str, started_ms: int | None, cut: bool) -> None:
        """So much of the agent's item was heard, and no more will be."""
        self.add(item_id, "agent", None)
        item = self._known[item_id]
        item.text, item.started_ms, item.cut, item.settled = text, started_ms, cut, True

    def settle_agents(
        self, *, except_for: Container[str], only: Container[str] | None = None
    ) -> None:
        """The agent's items that are not being heard will not be, or none but `only` these."""
        for item in self._order:
            if item.kind == "agent" and item.item_id not in except_for:
                item.settled = item.settled or only is None or item.item_id in only

    def settle_users(self) -> None:
        """The words that are not known will not be."""
        for item in self._order:
            if item.kind == "user":
                item.settled = True

    def tell_finished(self, now_ms: int) -> None:
        """Tell of the turns that are finished and whose turn it is."""
        for item in self._order:
            if item.settled:
                self._tell_of(item)
            elif item.kind == "user" and now_ms - item.settled_ms > _WORDS_WAIT_MS:
                continue  # Its words may still come; then they are told late.
            else:
                break

    def turns(self, under_way: Mapping[str, Turn]) -> tuple[Turn, ...]:
        """Every turn in order; those of `under_way`, by item, as far as they got."""
        found: list[Turn] = []
        for item in self._order:
            turn = under_way.get(item.item_id) or item.turn(cut=item.cut or not item.settled)
            if turn is not None:
                found.append(turn)
        known = {item.item_id for item in self._order}
        found.extend(turn for item_id, turn in under_way.items() if item_id not in known)
        return tuple(found)

    def again(self, under_way: Mapping[str, Turn]) -> Iterator[dict[str, Any]]:
        """The conversation so far as items for another connection: as text.

        Args:
            under_way: What the callee is hearing of the agent just now, by item, as it was meant.
        """
        for item in self._order:
            turn = under_way.get(item.item_id) or item.turn(cut=item.cut)
            # The same ids as before, so that what comes back of them is known.
            named = {"id": item.item_id} if item.item_id else {}
            if item.wire is not None:
                yield {**named, **item.wire}
            elif turn is not None and turn.text:
                by_us = item.kind == "agent"
                yield {**named, **message_item("assistant" if by_us else "user", turn.text)}

    @property
    def awaits_answer(self) -> bool:
        """Whether the last thing said, or found out, was not the agent's."""
        for item in reversed(self._order):
            if item.kind in ("user", "output"):
                return True
            if item.kind == "agent":
                return False
        return False

    def _place_after(self, previous: str | None) -> int:
        before = self._known.get(previous) if previous is not None else None
        if before is not None and before in self._order:
            return self._order.index(before) + 1
        return len(self._order)

    def _settled_ms(self, item_id: str, now_ms: int) -> int:
        item = self._known.get(item_id)
        return now_ms if item is None or item not in self._order else item.settled_ms

    def _tell_of(self, item: _Item) -> None:
        if item.told:
            return
        item.told = True
        turn = item.turn(cut=item.cut)
        if turn is not None:
            self._tell(turn)
