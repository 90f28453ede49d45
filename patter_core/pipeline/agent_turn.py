"""One turn of the agent, from the model's first word to the voice's last."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, assert_never

from patter_core.calls.redaction import RedactedStream, Redaction
from patter_core.errors import ProviderError
from patter_core.pipeline.language_model import TextPiece, TokensUsed, ToolAsked
from patter_core.pipeline.sentences import SentenceSplitter
from patter_core.pipeline.strangers import streamed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from patter_core.pipeline.language_model import LanguageModel, Message
    from patter_core.pipeline.meter import Meter, ReplyWatch
    from patter_core.pipeline.playback import Playback, Wish
    from patter_core.pipeline.record import ToolRound
    from patter_core.pipeline.resources import Resources
    from patter_core.pipeline.text_to_speech import TextToSpeech
    from patter_core.pipeline.tool_use import ToolFace, ToolRequest

_PIECES_AHEAD = 64  # How far a model may write ahead of what is spoken.

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Studio:
    """What every turn of one conversation is made with.

    Attributes:
        model_sec: How long each piece of the model's reply may take to come.
        voice_sec: How long each piece of audio may take to come.
        ask: Where playback's wishes go.
        ask_tools: Takes the tools that a reply asked for, once it has ended.
        redaction: What must not be said.
    """

    llm: LanguageModel
    tts: TextToSpeech
    model_sec: float
    voice_sec: float
    resources: Resources
    playback: Playback
    meter: Meter
    ask: Callable[[Sequence[Wish]], None]
    ask_tools: Callable[[AgentTurn, Sequence[ToolRequest]], None]
    redaction: Redaction = field(default_factory=Redaction)


class AgentTurn:
    """One turn: what is written is voiced piece by piece, into playback.

    The model is read on, in a task of its own, while its first sentences are spoken. A turn that
    was dropped sends nothing any more, however its providers take the cancellation.

    Attributes:
        audible: Something of it was sent.
        watch: Times it, when it answers what the callee said.
        tool_round: The tools that it asked for, or that were asked for in what it goes on with.
    """

    def __init__(self, studio: Studio, watch: ReplyWatch | None = None) -> None:
        """Store what is needed. Nothing is written yet."""
        self.audible = False
        self.watch = watch
        self.tool_round: ToolRound | None = None
        self._studio = studio
        self._written: asyncio.Queue[str | bytes | ProviderError | None] = asyncio.Queue()
        self._text: list[str] = []
        self._room = asyncio.Semaphore(_PIECES_AHEAD)
        self._voiced = False
        self._tasks: list[asyncio.Task[None]] = []
        self._dropped = False
        self._awaited: Callable[[], bool] | None = None
        self._moved: asyncio.Future[None] | None = None

    @property
    def text(self) -> str:
        """What a reply has said so far, spoken or not."""
        return " ".join(self._text)

    def owns(self, task: asyncio.Task[None]) -> None:
        """Cancel `task` as well when this turn is dropped."""
        self._tasks.append(task)

    def drop(self) -> list[str]:
        """Cancel it, and return the pieces that nobody began to voice."""
        self._dropped = True
        for task in self._tasks:
            task.cancel()
        unvoiced: list[str] = []
        while not self._written.empty():
            piece = self._written.get_nowait()
            if isinstance(piece, str):
                unvoiced.append(piece)
        self._written.put_nowait(None)  # Whatever survives its cancellation has nothing to do.
        return unvoiced

    def write(self, pieces: Iterable[str | bytes]) -> None:
        """Let it be these pieces, words or sounds, and nothing more."""
        for piece in pieces:
            self._written.put_nowait(piece)
        self._written.put_nowait(None)

    async def think(self, messages: Sequence[Message], tools: tuple[ToolFace, ...] = ()) -> None:
        """Let it be the model's answer to `messages`, which is asked twice if it must be.

        What it asks for of `tools` begins to run as soon as it has ended: from then on another
        attempt could only do it twice.
        """
        ending: ProviderError | None = None
        requests: list[ToolRequest] = []
        try:
            try:
                requests = await self._think_once(messages, tools)
            except ProviderError as error:
                if self._text or not error.retryable:
                    raise
                requests = await self._think_once(messages, tools)
        except ProviderError as error:
            ending = error
        if requests and not self._dropped:
            self._studio.ask_tools(self, requests)
        self._written.put_nowait(ending)

    async def _think_once(
        self, messages: Sequence[Message], tools: tuple[ToolFace, ...]
    ) -> list[ToolRequest]:
        studio, splitter, written, used = self._studio, SentenceSplitter(), 0, None
        speakable = RedactedStream(studio.redaction)
        requests: list[ToolRequest] = []
        events = streamed(
            studio.llm,
            lambda: studio.llm.reply(messages, studio.resources, tools),
            studio.resources.clock,
            studio.model_sec,
        )
        try:
            async with aclosing(events) as reply:
                async for event in reply:
                    match event:
                        case TextPiece(text=text):
                            if self.watch is not None:
                                self.watch.token()
                            written += len(text)
                            await self._put(splitter.feed(speakable.feed(text)))
                        case ToolAsked(request=request):
                            written += len(request.name) + len(request.arguments)
                            await self._put(splitter.feed(speakable.flush()))
                            await self._put(splitter.flush())
                            requests.append(request)
                        case TokensUsed():
                            used = event
                        case _:
                            assert_never(event)
            await self._put([*splitter.feed(speakable.flush()), *splitter.flush()])
        finally:
            studio.meter.model_answered(messages, written, used)
        if requests and not tools:
            _log.warning("A model asked for %d tools, and was offered none", len(requests))
            return []
        return requests

    async def _put(self, pieces: list[str]) -> None:
        for piece in pieces:
            await self._room.acquire()
            if self._dropped:
                return
            self._text.append(piece)
            self._written.put_nowait(piece)
            if len(self._text) == 1:
                # The voice begins now, even if the model has more words at hand.
                await asyncio.sleep(0)

    async def speak(self) -> None:
        """Voice what is written, to its end. It is heard later.

        Raises:
            ProviderError: The model or the voice failed for good; what was voiced goes on playing.
        """
        while isinstance(piece := await self._written.get(), str | bytes):
            self._room.release()
            await self.until(lambda: self._studio.playback.hungry)
            if isinstance(piece, bytes):
                self._play(piece)
            else:
                await self.voice(piece)
        if piece is not None:
            raise piece

    def _play(self, sound: bytes) -> None:
        """Play what is no speech, and has no words that could be heard."""
        if not self._dropped:
            self._studio.playback.begin_piece("")
            self._studio.ask(self._studio.playback.feed(sound))
            self._end_piece()

    async def voice(self, piece: str) -> None:
        """Voice one piece; once more if the first attempt gave no sound and none came before.

        Raises:
            ProviderError: It could not be spoken, or not to its end.
        """
        if self._dropped:
            return
        self._studio.playback.begin_piece(piece)
        try:
            try:
                await self._voice_once(piece)
            except ProviderError as error:
                if self._voiced or not error.retryable:
                    raise
                await self._voice_once(piece)
        except ProviderError:
            self._end_piece()
            raise
        self._end_piece()

    def _end_piece(self) -> None:
        if not self._dropped:
            self._studio.ask(self._studio.playback.end_piece())

    async def _voice_once(self, piece: str) -> None:
        studio = self._studio
        studio.meter.voice_asked(piece)
        if self.watch is not None:
            self.watch.voice_asked()
        chunks = streamed(
            studio.tts,
            lambda: studio.tts.speak(piece, studio.resources),
            studio.resources.clock,
            studio.voice_sec,
        )
        async with aclosing(chunks) as audio:
            async for chunk in audio:
                if self._dropped:
                    return
                if chunk:
                    self._voiced = True
                    if self.watch is not None:
                        self.watch.byte()
                    studio.ask(studio.playback.feed(chunk))

    async def until(self, came: Callable[[], bool]) -> None:
        """Wait for something that only the callee's audio or a mark can bring about."""
        if came():
            return
        self._moved = asyncio.get_running_loop().create_future()
        self._awaited = came
        try:
            await self._moved
        finally:
            self._awaited = None

    def look_around(self) -> None:
        """See whether what is awaited came."""
        if self._awaited is not None and self._awaited():
            self._awaited = None
            if self._moved is not None and not self._moved.done():
                self._moved.set_result(None)
