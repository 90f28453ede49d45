"""One response of a scripted Realtime model, event by event, in the order of real traffic."""

from __future__ import annotations

import asyncio
import binascii
import itertools
import re
from typing import TYPE_CHECKING, Any

import orjson

from patter_core.simulator.realtime.audio import spoken
from patter_core.simulator.realtime.script import Answer, dictated
from patter_core.simulator.realtime.wire import Gone

if TYPE_CHECKING:
    from patter_core.simulator.chat_server import ToolCall
    from patter_core.simulator.realtime.session import Session

_PIECE = re.compile(r"\s*\S+")
_WORDS_ARRIVE_AFTER = 1  # Pieces of audio, before what the callee said is told.


class Response:
    """A response under way.

    Attributes:
        id: Its id.
    """

    def __init__(self, session: Session, parameters: dict[str, Any]) -> None:
        """Answer by the session's script, or say what `parameters` dictate."""
        self.id = session.new_id("resp")
        self._session = session
        self._wire = session.wire
        self._parameters = parameters
        self._output: list[dict[str, Any]] = []
        self._stopped: str | None = None
        self._stop = asyncio.Event()
        self._over = asyncio.Event()
        self._audio_chunks = 0

    async def cancel(self, reason: str) -> None:
        """Break it off, and wait until that was told."""
        self._stopped = self._stopped or reason
        self._stop.set()
        await self._over.wait()

    def leave(self) -> None:
        """Break it off: nobody is there any more."""
        self._stopped = self._stopped or "client_cancelled"
        self._stop.set()

    async def give(self) -> None:
        """Send all of it."""
        try:
            await self._give()
        except Gone:
            pass
        finally:
            self._session.response_over()
            self._over.set()

    async def _give(self) -> None:
        answer = self._chosen()
        await self._wire.send("response.created", response=self._shown("in_progress"))
        if answer.delay_sec:
            await self._wait(answer.delay_sec)
        if answer.error:
            await self._finish("failed", error=answer.error)
            return
        if answer.content and not self._stopped:
            await self._say(answer)
        for call in answer.tool_calls:
            if not self._stopped:
                whole = not (answer.incomplete and call is answer.tool_calls[-1])
                await self._call(call, whole=whole)
        if answer.stops_after is not None and not self._stopped:
            await self._wait(None)
        await self._session.tell_words()
        if self._stopped:
            await self._finish("cancelled")
        else:
            await self._finish("incomplete" if answer.incomplete else "completed")
            limits = [
                {"name": name, "limit": 40_000, "remaining": 39_000, "reset_seconds": 1.5}
                for name in ("requests", "tokens")
            ]
            await self._wire.send("rate_limits.updated", rate_limits=limits)

    def _chosen(self) -> Answer:
        if "instructions" in self._parameters:
            return Answer(content=dictated(self._parameters["instructions"]))
        return self._session.next_answer(self._parameters)

    async def _wait(self, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stop.wait()
        except TimeoutError:
            pass

    # --- speech ------------------------------------------------------------------------------

    async def _say(self, answer: Answer) -> None:
        if self._modalities == ["text"]:
            await self._write(answer.content)
        else:
            await self._speak(answer)

    async def _write(self, text: str) -> None:
        item = self._message()
        place = await self._begin_item(item)
        place |= {"content_index": 0}
        part = {"type": "text", "text": ""}
        await self._wire.send("response.content_part.added", **place, part=part)
        for piece in _PIECE.findall(text):
            await self._wire.send(
                "response.output_text.delta", **place, delta=piece, obfuscation="aGk"
            )
        await self._wire.send("response.output_text.done", **place, text=text)
        part = {"type": "text", "text": text}
        await self._wire.send("response.content_part.done", **place, part=part)
        item["content"] = [{"type": "output_text", "text": text}]
        await self._end_item(item, whole=True)

    async def _speak(self, answer: Answer) -> None:
        item = self._message()
        place = await self._begin_item(item)
        place |= {"content_index": 0}
        part = {"type": "audio", "transcript": ""}
        await self._wire.send("response.content_part.added", **place, part=part)
        said = await self._utter(answer, place)
        whole = not self._stopped
        await self._wire.send("response.output_audio.done", **place)
        await self._wire.send("response.output_audio_transcript.done", **place, transcript=said)
        part = {"type": "audio", "transcript": said}
        await self._wire.send("response.content_part.done", **place, part=part)
        item["content"] = [{"type": "output_audio", "transcript": said}]
        await self._end_item(item, whole=whole)

    async def _utter(self, answer: Answer, place: dict[str, Any]) -> str:
        """Audio and words, mixed; what was said of them."""
        chunks = spoken(answer.content, self._session.settings.output_kind)
        pieces = _PIECE.findall(answer.content)
        per_chunk = -(-len(pieces) // len(chunks))
        said = ""
        words = iter(pieces)
        late = answer.late
        for number, chunk in enumerate(chunks):
            if number == answer.stops_after:
                await self._wait(None)
            if self._stopped:
                late -= 1
                if late < 0:
                    break
            if number == _WORDS_ARRIVE_AFTER:
                await self._session.tell_words()
            for piece in itertools.islice(words, per_chunk):
                said += piece
                await self._wire.send(
                    "response.output_audio_transcript.delta",
                    **place,
                    delta=piece,
                    obfuscation="aGk",
                )
            self._session.items.audio_sent(place["item_id"], chunk)
            delta = binascii.b2a_base64(chunk, newline=False).decode()
            await self._wire.send("response.output_audio.delta", **place, delta=delta)
        return said

    @property
    def _modalities(self) -> list[str]:
        session = self._session.settings.session
        asked: list[str] | None = self._parameters.get("output_modalities")
        return asked or session["output_modalities"]

    def _message(self) -> dict[str, Any]:
        return {
            "id": self._session.new_id("item"),
            "object": "realtime.item",
            "type": "message",
            "status": "in_progress",
            "role": "assistant",
            "phase": "final_answer",
            "content": [],
        }

    # --- tools -------------------------------------------------------------------------------

    async def _call(self, call: ToolCall, *, whole: bool) -> None:
        arguments = call.arguments
        if not isinstance(arguments, str):
            # As models write it: with blanks and line breaks wherever they like.
            arguments = orjson.dumps(dict(arguments), option=orjson.OPT_INDENT_2).decode() + "\n"
        if not whole:
            arguments = arguments[: len(arguments) // 2]
        item = {
            "id": self._session.new_id("item"),
            "object": "realtime.item",
            "type": "function_call",
            "status": "in_progress",
            "name": call.name,
            "call_id": self._session.new_id("call"),
            "arguments": "",
        }
        place = await self._begin_item(item)
        place |= {"call_id": item["call_id"]}
        for start in range(0, len(arguments), 7):
            delta = arguments[start : start + 7]
            await self._wire.send(
                "response.function_call_arguments.delta", **place, delta=delta, obfuscation="eno"
            )
        item["arguments"] = arguments
        await self._wire.send(
            "response.function_call_arguments.done",
            **place,
            name=call.name,
            arguments=arguments,
        )
        await self._end_item(item, whole=whole)

    # --- both --------------------------------------------------------------------------------

    async def _begin_item(self, item: dict[str, Any]) -> dict[str, Any]:
        place = {"response_id": self.id, "output_index": len(self._output)}
        self._output.append(item)
        await self._wire.send("response.output_item.added", **place, item=dict(item))
        if self._parameters.get("conversation") != "none":
            await self._session.items.add(item)
        return place | {"item_id": item["id"]}

    async def _end_item(self, item: dict[str, Any], *, whole: bool) -> None:
        item["status"] = "completed" if whole else "incomplete"
        if self._parameters.get("conversation") != "none":
            await self._session.items.done(item)
        at = self._output.index(item)
        await self._wire.send(
            "response.output_item.done", response_id=self.id, output_index=at, item=dict(item)
        )

    async def _finish(self, status: str, *, error: str = "") -> None:
        self._session.response_over()
        await self._wire.send("response.done", response=self._shown(status, error=error))

    def _shown(self, status: str, *, error: str = "") -> dict[str, Any]:
        details: dict[str, Any] | None = None
        if status == "cancelled":
            details = {"type": status, "reason": self._stopped}
        elif status == "incomplete":
            details = {"type": status, "reason": "max_output_tokens"}
        elif status == "failed":
            details = {"type": status, "error": {"type": "server_error", "code": error}}
        output_kind = self._session.settings.output_kind
        return {
            "id": self.id,
            "object": "realtime.response",
            "status": status,
            "status_details": details,
            "output": [] if status == "in_progress" else [dict(item) for item in self._output],
            "conversation_id": "conv_1",
            "output_modalities": self._modalities,
            "max_output_tokens": "inf",
            "audio": {"output": {"format": {"type": output_kind}, "voice": "marin"}},
            "metadata": self._parameters.get("metadata"),
            "usage": None if status == "in_progress" else self._usage(),
        }

    def _usage(self) -> dict[str, Any]:
        items = self._session.items
        read_text = 40 + 10 * len(items)
        read_audio = 10 * len(items)
        cached_audio = read_audio // 2
        written = sum(items.audio_bytes(item["id"]) for item in self._output) // 400
        return {
            "total_tokens": read_text + read_audio + written + 5,
            "input_tokens": read_text + read_audio,
            "output_tokens": written + 5,
            "input_token_details": {
                "text_tokens": read_text,
                "audio_tokens": read_audio,
                "image_tokens": 0,
                "cached_tokens": 32 + cached_audio,
                "cached_tokens_details": {
                    "text_tokens": 32,
                    "audio_tokens": cached_audio,
                    "image_tokens": 0,
                },
            },
            "output_token_details": {"text_tokens": 5, "audio_tokens": written},
        }
