"""One connection's conversation: its items in order, and what of the agent's audio was sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from patter_core.simulator.realtime.audio import duration_ms
from patter_core.simulator.realtime.checks import BadEvent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from patter_core.simulator.realtime.wire import Wire


class Items:
    """The items of one conversation; tells of every change on the wire."""

    def __init__(self, wire: Wire) -> None:
        """Begin without any."""
        self._wire = wire
        self._items: list[dict[str, Any]] = []
        self._sent_bytes: dict[str, int] = {}  # Of audio, by item.

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Every item, in order."""
        return iter(self._items)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._items)

    @property
    def last_id(self) -> str | None:
        """The last one's id."""
        return self._items[-1]["id"] if self._items else None

    @property
    def has_audio(self) -> bool:
        """Whether the agent has said anything."""
        return bool(self._sent_bytes)

    def audio_sent(self, item_id: str, audio: bytes) -> None:
        """More of the agent's audio was sent."""
        self._sent_bytes[item_id] = self.audio_bytes(item_id) + len(audio)

    def audio_bytes(self, item_id: str) -> int:
        """How much of its audio was sent."""
        return self._sent_bytes.get(item_id, 0)

    async def add(self, item: dict[str, Any], *, after: str | None = None) -> None:
        """Put `item` into the conversation, and tell."""
        at = len(self._items)
        if after is not None:
            at = 1 + next(i for i, other in enumerate(self._items) if other["id"] == after)
        previous = self._items[at - 1]["id"] if at else None
        self._items.insert(at, item)
        await self._wire.send(
            "conversation.item.added",
            previous_item_id=previous,
            item={**item, "content": []}
            if item["type"] == "message" and item["role"] == "assistant"
            else item,
        )

    async def done(self, item: dict[str, Any]) -> None:
        """Tell that `item` is as it will be."""
        at = self._items.index(item)
        previous = self._items[at - 1]["id"] if at else None
        await self._wire.send("conversation.item.done", previous_item_id=previous, item=item)

    # --- what the client asks for ------------------------------------------------------------

    async def create(self, event: dict[str, Any], item: dict[str, Any]) -> None:
        """Add an item of the client's: `item`, where `event` wants it."""
        if any(other["id"] == item["id"] for other in self._items):
            raise BadEvent("Item already exists.", "item_already_exists", "item.id")
        if item["type"] == "function_call_output" and not any(
            other["type"] == "function_call" and other["call_id"] == item["call_id"]
            for other in self._items
        ):
            raise BadEvent("Tool call ID not found.", "invalid_tool_call_id", "item.call_id")
        after = event.get("previous_item_id")
        if after is not None:
            self._item(after)
        await self.add(item, after=after)
        await self.done(item)

    async def delete(self, event: dict[str, Any]) -> None:
        """Take an item out."""
        self._items.remove(self._item(event["item_id"]))
        await self._wire.send("conversation.item.deleted", item_id=event["item_id"])

    async def retrieve(self, event: dict[str, Any]) -> None:
        """Show an item."""
        item = self._item(event["item_id"])
        await self._wire.send("conversation.item.retrieved", item=item)

    async def truncate(self, event: dict[str, Any], kind: str) -> None:
        """Forget what of the agent's audio, in the format `kind`, was not heard."""
        item = self._item(event["item_id"])
        if item.get("role") != "assistant" or item["id"] not in self._sent_bytes:
            raise BadEvent("Only assistant audio can be truncated.", "invalid_value", "item_id")
        sent_ms = duration_ms(self._sent_bytes[item["id"]], kind)
        if event["audio_end_ms"] > sent_ms:
            raise BadEvent(
                f"Audio content of {sent_ms}ms is already shorter than {event['audio_end_ms']}ms",
                "invalid_value",
                "audio_end_ms",
            )
        item["content"] = [{"type": "output_audio", "transcript": None}]
        await self._wire.send(
            "conversation.item.truncated",
            item_id=item["id"],
            content_index=0,
            audio_end_ms=event["audio_end_ms"],
        )

    def _item(self, item_id: str) -> dict[str, Any]:
        for item in self._items:
            if item["id"] == item_id:
                return item
        raise BadEvent(f"Item with item_id {item_id!r} not found.", "item_not_found", "item_id")
