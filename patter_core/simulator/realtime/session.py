"""One connection's session: its settings, its items, what it hears and when it answers."""

from __future__ import annotations

import binascii
import secrets
import time
from typing import TYPE_CHECKING, Any

from patter_core.simulator.realtime.audio import Ears, duration_ms
from patter_core.simulator.realtime.response import Response
from patter_core.simulator.realtime.rules import BadEvent, check_event
from patter_core.speech.markers import Began, Ended

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from patter_core.simulator.realtime.script import Answer
    from patter_core.simulator.realtime.wire import Wire

_PREFIX_MS = 300
_DEFAULT_DETECTION = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": _PREFIX_MS,
    "silence_duration_ms": 500,
    "idle_timeout_ms": None,
    "create_response": True,
    "interrupt_response": True,
}


class Session:
    """Answers client events, and the callee, as the service would."""

    def __init__(
        self,
        wire: Wire,
        *,
        model: str,
        answer: Callable[[dict[str, Any]], Answer],
        tasks: asyncio.TaskGroup,
        accepts_strict: bool,
    ) -> None:
        """Begin a session of `model`; `answer` is the script, asked with the state of things."""
        self.wire = wire
        self.items: list[dict[str, Any]] = []
        self.response: Response | None = None
        self._answer = answer
        self._tasks = tasks
        self._accepts_strict = accepts_strict
        self._session = _default_session(model)
        self._ears = Ears("audio/pcmu")
        self._speaking_item: str | None = None
        self._said: dict[str, str] = {}  # What the callee said, by item.
        self._untold: list[str] = []  # Items whose words were not told yet.
        self.sent_audio: dict[str, int] = {}  # Bytes, by item.

    # --- what the responses need -------------------------------------------------------------

    @property
    def output_kind(self) -> str:
        """The format of what is said."""
        kind: str = self._session["audio"]["output"]["format"]["type"]
        return kind

    def new_id(self, prefix: str) -> str:
        """An id that nothing else has."""
        return f"{prefix}_{secrets.token_hex(10)}"

    def script_view(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """What a script can see."""
        return {
            "items": [dict(item) for item in self.items],
            "said": [self._said[item["id"]] for item in self.items if item["id"] in self._said],
            "session": self._session,
            "response": parameters,
        }

    def next_answer(self, parameters: dict[str, Any]) -> Answer:
        """What the script has to say now."""
        return self._answer(self.script_view(parameters))

    async def add_item(self, item: dict[str, Any], *, after: str | None = None) -> None:
        """Put `item` into the conversation, and tell."""
        at = len(self.items)
        if after is not None:
            at = 1 + next(i for i, other in enumerate(self.items) if other["id"] == after)
        previous = self.items[at - 1]["id"] if at else None
        self.items.insert(at, item)
        await self.wire.send(
            "conversation.item.added",
            previous_item_id=previous,
            item={**item, "content": []}
            if item["type"] == "message" and item["role"] == "assistant"
            else item,
        )

    async def item_done(self, item: dict[str, Any]) -> None:
        """Tell that `item` is as it will be."""
        at = self.items.index(item)
        previous = self.items[at - 1]["id"] if at else None
        await self.wire.send("conversation.item.done", previous_item_id=previous, item=item)

    async def tell_words(self) -> None:
        """Tell what the callee said: late, as the service does."""
        transcription = self._session["audio"]["input"].get("transcription")
        while self._untold:
            item_id = self._untold.pop(0)
            text = self._said[item_id]
            if transcription is None:
                continue
            kind = "conversation.item.input_audio_transcription"
            shared = {"item_id": item_id, "content_index": 0}
            if text:
                delta = {"delta": text, "obfuscation": "x9", "logprobs": None}
                await self.wire.send(f"{kind}.delta", **shared, **delta)
            tokens = max(1, len(text) // 4)
            details = {"text_tokens": 0, "audio_tokens": 10 * tokens}
            usage = {
                "type": "tokens",
                "input_tokens": 10 * tokens,
                "input_token_details": details,
                "output_tokens": tokens,
                "total_tokens": 11 * tokens,
            }
            await self.wire.send(f"{kind}.completed", **shared, transcript=text, usage=usage)

    def response_over(self) -> None:
        """Another response may begin."""
        self.response = None

    # --- client events -----------------------------------------------------------------------

    async def greet(self) -> None:
        """The first event of every connection."""
        await self.wire.send("session.created", session=self._session)

    async def take(self, event: dict[str, Any]) -> str | None:
        """Do what a client event asks; what was wrong with it, if anything."""
        try:
            kind = check_event(event, accepts_strict=self._accepts_strict)
            await self._do[kind](self, event)
        except BadEvent as problem:
            await self._refuse(problem, event)
            return str(problem)
        return None

    async def _refuse(self, problem: BadEvent, event: dict[str, Any]) -> None:
        event_id = event.get("event_id")
        error = {
            "type": "invalid_request_error",
            "code": problem.code,
            "message": str(problem),
            "param": problem.param,
            "event_id": event_id if isinstance(event_id, str) else None,
        }
        await self.wire.send("error", error=error)

    async def _update(self, event: dict[str, Any]) -> None:
        change = event["session"]
        if self.sent_audio:
            voice = change.get("audio", {}).get("output", {}).get("voice")
            if voice not in (None, self._session["audio"]["output"]["voice"]):
                raise BadEvent(
                    "Cannot update a conversation's voice if assistant audio is present.",
                    "cannot_update_voice",
                    "session.audio.output.voice",
                )
        before = self._session["audio"]["input"]["format"]
        self._session = _merged(self._session, change)
        detection = self._session["audio"]["input"].get("turn_detection")
        if detection is not None and detection.get("type") == "server_vad":
            self._session["audio"]["input"]["turn_detection"] = {**_DEFAULT_DETECTION, **detection}
        if self._session["audio"]["input"]["format"] != before:
            self._ears = Ears(self._session["audio"]["input"]["format"]["type"])
        await self.wire.send("session.updated", session=self._session)

    async def _append(self, event: dict[str, Any]) -> None:
        detection = self._session["audio"]["input"].get("turn_detection")
        for heard in self._ears.feed(binascii.a2b_base64(event["audio"])):
            match heard:
                case Began() if detection is not None:
                    await self._speech_started(detection)
                case Ended(text=text) if detection is not None:
                    await self._speech_stopped(text, detection)
                case _:
                    pass

    async def _speech_started(self, detection: dict[str, Any]) -> None:
        self._speaking_item = self.new_id("item")
        await self.wire.send(
            "input_audio_buffer.speech_started",
            item_id=self._speaking_item,
            audio_start_ms=max(0, self._ears.now_ms - 20 - detection.get("prefix_padding_ms", 0)),
        )
        if detection.get("interrupt_response", True) and self.response is not None:
            await self.response.cancel("turn_detected")

    async def _speech_stopped(self, text: str, detection: dict[str, Any]) -> None:
        item_id = self._speaking_item or self.new_id("item")
        self._speaking_item = None
        await self.wire.send(
            "input_audio_buffer.speech_stopped", item_id=item_id, audio_end_ms=self._ears.now_ms
        )
        await self._commit_as(item_id, text)
        if detection.get("create_response", True) and self.response is None:
            self._respond({})

    async def _commit_as(self, item_id: str, text: str) -> None:
        previous = self.items[-1]["id"] if self.items else None
        await self.wire.send(
            "input_audio_buffer.committed", item_id=item_id, previous_item_id=previous
        )
        item = {
            "id": item_id,
            "object": "realtime.item",
            "type": "message",
            "status": "completed",
            "role": "user",
            "content": [{"type": "input_audio", "transcript": None}],
        }
        self._said[item_id] = text
        await self.add_item(item)
        await self.item_done(item)
        self._untold.append(item_id)
        if not self._session["audio"]["input"].get("turn_detection", {}).get("create_response"):
            await self.tell_words()

    async def _commit(self, _event: dict[str, Any]) -> None:
        if not self._ears.now_ms:
            raise BadEvent("The buffer is empty.", "input_audio_buffer_commit_empty")
        await self._commit_as(self.new_id("item"), "")

    async def _clear(self, _event: dict[str, Any]) -> None:
        await self.wire.send("input_audio_buffer.cleared")

    async def _clear_output(self, _event: dict[str, Any]) -> None:
        raise BadEvent("Only for WebRTC and SIP.", "invalid_request")

    async def _create_item(self, event: dict[str, Any]) -> None:
        item = {"id": self.new_id("item"), "object": "realtime.item", **event["item"]}
        item["status"] = "completed"
        if any(other["id"] == item["id"] for other in self.items):
            raise BadEvent("Item already exists.", "item_already_exists", "item.id")
        if item["type"] == "function_call":
            item.setdefault("call_id", self.new_id("call"))
        if item["type"] == "function_call_output" and not any(
            other["type"] == "function_call" and other["call_id"] == item["call_id"]
            for other in self.items
        ):
            raise BadEvent("Tool call ID not found.", "invalid_tool_call_id", "item.call_id")
        after = event.get("previous_item_id")
        if after is not None:
            self._item(after)
        await self.add_item(item, after=after)
        await self.item_done(item)

    async def _delete_item(self, event: dict[str, Any]) -> None:
        self.items.remove(self._item(event["item_id"]))
        await self.wire.send("conversation.item.deleted", item_id=event["item_id"])

    async def _retrieve_item(self, event: dict[str, Any]) -> None:
        await self.wire.send("conversation.item.retrieved", item=self._item(event["item_id"]))

    async def _truncate_item(self, event: dict[str, Any]) -> None:
        item = self._item(event["item_id"])
        if item.get("role") != "assistant" or item["id"] not in self.sent_audio:
            raise BadEvent("Only assistant audio can be truncated.", "invalid_value", "item_id")
        sent_ms = duration_ms(self.sent_audio[item["id"]], self.output_kind)
        if event["audio_end_ms"] > sent_ms:
            raise BadEvent(
                f"Audio content of {sent_ms}ms is already shorter than {event['audio_end_ms']}ms",
                "invalid_value",
                "audio_end_ms",
            )
        item["content"] = [{"type": "output_audio", "transcript": None}]
        await self.wire.send(
            "conversation.item.truncated",
            item_id=item["id"],
            content_index=0,
            audio_end_ms=event["audio_end_ms"],
        )

    def _item(self, item_id: str) -> dict[str, Any]:
        for item in self.items:
            if item["id"] == item_id:
                return item
        raise BadEvent(f"Item with item_id {item_id!r} not found.", "item_not_found", "item_id")

    async def _create_response(self, event: dict[str, Any]) -> None:
        if self.response is not None:
            raise BadEvent(
                "Conversation already has an active response in progress.",
                "conversation_already_has_active_response",
            )
        self._respond(event.get("response") or {})

    async def _cancel_response(self, event: dict[str, Any]) -> None:
        wanted = event.get("response_id")
        if self.response is None or wanted not in (None, self.response.id):
            raise BadEvent(
                "Cancellation failed: no active response found.", "response_cancel_not_active"
            )
        await self.response.cancel("client_cancelled")

    def _respond(self, parameters: dict[str, Any]) -> None:
        self.response = Response(self, parameters)
        self._tasks.create_task(self.response.give())

    _do = {  # noqa: RUF012 - never changed
        "session.update": _update,
        "input_audio_buffer.append": _append,
        "input_audio_buffer.commit": _commit,
        "input_audio_buffer.clear": _clear,
        "output_audio_buffer.clear": _clear_output,
        "conversation.item.create": _create_item,
        "conversation.item.delete": _delete_item,
        "conversation.item.retrieve": _retrieve_item,
        "conversation.item.truncate": _truncate_item,
        "response.create": _create_response,
        "response.cancel": _cancel_response,
    }


def _merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """`old` with the fields of `new`: `audio` and its two sides field by field, others whole."""
    result = {**old, **new}
    if "audio" in new:
        result["audio"] = {
            side: {**old["audio"][side], **new["audio"].get(side, {})} for side in old["audio"]
        }
    return result


def _default_session(model: str) -> dict[str, Any]:
    return {
        "type": "realtime",
        "object": "realtime.session",
        "id": f"sess_{time.monotonic_ns()}",
        "expires_at": int(time.time()) + 3_600,
        "model": model,
        "output_modalities": ["audio"],
        "instructions": "You are helpful.",
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "truncation": "auto",
        "tracing": None,
        "prompt": None,
        "include": None,
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "transcription": None,
                "noise_reduction": None,
                "turn_detection": dict(_DEFAULT_DETECTION),
            },
            "output": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "voice": "marin",
                "speed": 1.0,
            },
        },
    }
