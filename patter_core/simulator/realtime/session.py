"""One connection's session: what it hears, what it is asked, and when it answers."""

from __future__ import annotations

import binascii
import secrets
from typing import TYPE_CHECKING, Any

from patter_core.simulator.realtime.audio import Ears
from patter_core.simulator.realtime.checks import BadEvent
from patter_core.simulator.realtime.items import Items
from patter_core.simulator.realtime.response import Response
from patter_core.simulator.realtime.rules import check_event
from patter_core.simulator.realtime.settings import Settings
from patter_core.speech.markers import Began, Ended

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from patter_core.simulator.realtime.script import Answer
    from patter_core.simulator.realtime.wire import Wire

_BILLED_BY_TIME = ("whisper-1",)
_TRANSCRIPTION_MODELS = (
    *_BILLED_BY_TIME,
    *("gpt-4o-transcribe", "gpt-4o-mini-transcribe", "gpt-4o-transcribe-diarize"),
    *("gpt-transcribe", "gpt-live-transcribe", "gpt-realtime-whisper"),
)


class Session:
    """Answers client events, and the callee, as the service would.

    Attributes:
        wire: Where events are sent.
        items: The conversation.
        settings: What was asked for.
        response: The one under way.
    """

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
        self.items = Items(wire)
        self.settings = Settings(model)
        self.response: Response | None = None
        self._answer = answer
        self._tasks = tasks
        self._accepts_strict = accepts_strict
        self._ears = Ears(self.settings.input_kind)
        self._speaking_item: str | None = None
        self._said: dict[str, str] = {}  # What the callee said, by item.
        self._untold: list[str] = []  # Items whose words were not told yet.

    # --- what the responses need -------------------------------------------------------------

    def new_id(self, prefix: str) -> str:
        """An id that nothing else has."""
        return f"{prefix}_{secrets.token_hex(10)}"

    def next_answer(self, parameters: dict[str, Any]) -> Answer:
        """What the script has to say now."""
        return self._answer(
            {
                "items": [dict(item) for item in self.items],
                "said": [self._said[item["id"]] for item in self.items if item["id"] in self._said],
                "session": self.settings.session,
                "response": parameters,
            }
        )

    async def tell_words(self) -> None:
        """Tell what the callee said: late, as the service does."""
        model = self.settings.transcription_model
        while self._untold:
            item_id = self._untold.pop(0)
            text = self._said[item_id]
            if model is None:
                continue
            kind = "conversation.item.input_audio_transcription"
            shared = {"item_id": item_id, "content_index": 0}
            if model not in _TRANSCRIPTION_MODELS:
                error = {"type": "transcription_error", "code": "model_not_found", "message": "No."}
                await self.wire.send(f"{kind}.failed", **shared, error={**error, "param": None})
                continue
            if text:
                delta = {"delta": text, "obfuscation": "x9", "logprobs": None}
                await self.wire.send(f"{kind}.delta", **shared, **delta)
            usage = _transcription_usage(text, by_time=model in _BILLED_BY_TIME)
            await self.wire.send(f"{kind}.completed", **shared, transcript=text, usage=usage)

    def response_over(self) -> None:
        """Another response may begin."""
        self.response = None

    # --- client events -----------------------------------------------------------------------

    async def greet(self) -> None:
        """The first event of every connection."""
        await self.wire.send("session.created", session=self.settings.session)

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
        before = self.settings.input_kind
        self.settings.change(event["session"], has_spoken=self.items.has_audio)
        if self.settings.input_kind != before:
            self._ears = Ears(self.settings.input_kind)
        await self.wire.send("session.updated", session=self.settings.session)

    async def _append(self, event: dict[str, Any]) -> None:
        detection = self.settings.detection
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
        await self.wire.send(
            "input_audio_buffer.committed", item_id=item_id, previous_item_id=self.items.last_id
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
        await self.items.add(item)
        await self.items.done(item)
        self._untold.append(item_id)
        if not (self.settings.detection or {}).get("create_response"):
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
        given: dict[str, Any] = event["item"]
        item: dict[str, Any] = {"id": self.new_id("item"), "object": "realtime.item", **given}
        item["status"] = "completed"
        if item["type"] == "function_call":
            item.setdefault("call_id", self.new_id("call"))
        await self.items.create(event, item)
        if item.get("role") == "user":
            parts: list[dict[str, Any]] = item["content"]
            self._said[item["id"]] = " ".join(part.get("text", "") for part in parts)

    async def _delete_item(self, event: dict[str, Any]) -> None:
        await self.items.delete(event)

    async def _retrieve_item(self, event: dict[str, Any]) -> None:
        await self.items.retrieve(event)

    async def _truncate_item(self, event: dict[str, Any]) -> None:
        await self.items.truncate(event, self.settings.output_kind)

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


def _transcription_usage(text: str, *, by_time: bool) -> dict[str, Any]:
    if by_time:
        return {"type": "duration", "seconds": len(text) / 50}
    tokens = max(1, len(text) // 4)
    return {
        "type": "tokens",
        "input_tokens": 10 * tokens,
        "input_token_details": {"text_tokens": 0, "audio_tokens": 10 * tokens},
        "output_tokens": tokens,
        "total_tokens": 11 * tokens,
    }
