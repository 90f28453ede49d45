"""The voice engine made of three providers: ears, a language model and a voice."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from patter_core.calls.transcript import Turn
from patter_core.pipeline.language_model import Message, TextPiece, TokensUsed
from patter_core.pipeline.playback import Playback
from patter_core.pipeline.sentences import SentenceSplitter
from patter_core.pipeline.session import TurnFinished, VoiceEvent
from patter_core.pipeline.speech_to_text import SpeechBegan, SpeechEnded
from patter_core.pipeline.strangers import opened, plain, prepared, provider_error, streamed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from patter_core.errors import ProviderError
    from patter_core.pipeline.language_model import LanguageModel
    from patter_core.pipeline.plan import SessionPlan
    from patter_core.pipeline.playback import Wish
    from patter_core.pipeline.resources import Resources
    from patter_core.pipeline.speech_to_text import SpeechEvent, SpeechToText
    from patter_core.pipeline.text_to_speech import TextToSpeech

_PIECES_AHEAD = 64  # How far a model may write ahead of what is spoken.


@dataclass(frozen=True, slots=True, kw_only=True)
class Cascade:
    """Ears, then a model, then a voice: a `VoiceEngine`."""

    stt: SpeechToText
    llm: LanguageModel
    tts: TextToSpeech

    @asynccontextmanager
    async def open(self, plan: SessionPlan, resources: Resources) -> AsyncGenerator[CascadeSession]:
        """See `VoiceEngine.open`."""
        for provider in (self.llm, self.tts):
            await prepared(provider, resources)
        session = CascadeSession(plan, resources, self.llm, self.tts)
        ears = self.stt.listen(session.hear_speech, resources)
        async with opened(self.stt, ears) as open_ears:
            session.listen_with(open_ears.feed, self.stt)
            yield session


class CascadeSession:
    """One conversation: a `VoiceSession`. `Cascade.open` makes it.

    The agent speaks one turn at a time. What the callee says meanwhile is answered next, all of it
    together; what `say` was given comes before that.
    """

    def __init__(
        self, plan: SessionPlan, resources: Resources, llm: LanguageModel, tts: TextToSpeech
    ) -> None:
        """Store what is needed; `run` begins."""
        self._plan = plan
        self._resources = resources
        self._llm = llm
        self._tts = tts
        self._playback = Playback(lead_ms=plan.lead_ms)

        self._unemitted: list[VoiceEvent] = []
        self._emit: Callable[[VoiceEvent], None] = self._unemitted.append
        self._ears: Callable[[bytes], None] = _deaf
        self._stt: object = None
        self._failure: ProviderError | None = None
        self._failed = asyncio.Event()

        self._turns: list[Turn] = []
        self._messages = [Message("system", plan.instructions)] if plan.instructions else []
        self._sayings = deque([plan.greeting] if plan.greeting else [])
        self._unanswered: list[str] = []
        self._speech_began_ms: int | None = None
        self._something_to_do = asyncio.Event()

        self._speaking = False
        self._awaited: Callable[[], bool] | None = None
        self._moved: asyncio.Future[None] | None = None

    def listen_with(self, ears: Callable[[bytes], None], stt: SpeechToText) -> None:
        """Give the callee's audio to `ears`, which `stt` opened."""
        self._ears, self._stt = ears, stt

    async def run(self, emit: Callable[[VoiceEvent], None]) -> None:
        """See `VoiceSession.run`."""
        for event in self._unemitted:
            emit(event)
        self._emit = emit
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._watch_ears())
                await self._converse(group)
        except BaseExceptionGroup as errors:
            error = plain(errors)
            raise error from error.__cause__
        finally:
            # While the call is being ended, frames and marks still tell what was heard.
            self._emit = _nobody
            self._playback.drop_unsent()

    def hear_audio(self, audio: bytes) -> None:
        """See `VoiceSession.hear_audio`."""
        try:
            self._ears(audio)
        except Exception as error:  # noqa: BLE001 - a stranger's code; `run` raises it
            self._ears, self._failure = _deaf, provider_error(self._stt, error)
            self._failed.set()
        self._ask(self._playback.hear(len(audio)))
        if self._speaking:
            self._look_around()

    def hear_mark(self, name: str) -> None:
        """See `VoiceSession.hear_mark`."""
        self._playback.reached(name)
        if self._speaking:
            self._look_around()

    def hear_speech(self, event: SpeechEvent) -> None:
        """Take what the ears made of the callee's audio."""
        match event:
            case SpeechBegan():
                self._speech_began_ms = self._playback.now_ms
            case SpeechEnded(text=text):
                began_ms, self._speech_began_ms = self._speech_began_ms, None
                if text.strip():
                    self._user_said(text.strip(), began_ms)
            case _:
                assert_never(event)

    def say(self, text: str) -> None:
        """See `VoiceSession.say`."""
        self._sayings.append(text)
        self._something_to_do.set()

    def transcript(self) -> tuple[Turn, ...]:
        """See `VoiceSession.transcript`."""
        turns = list(self._turns)
        if (begun := self._agent_turn(cut=True)) is not None:
            turns.append(begun)
        return tuple(sorted(turns, key=lambda turn: (turn.started_ms, turn.role != "agent")))

    async def _converse(self, group: asyncio.TaskGroup) -> None:
        """Speak whenever there is something to say, one turn at a time."""
        while True:
            if self._sayings:
                await self._speak(_pieces(self._sayings.popleft()))
            elif self._unanswered:
                await self._speak(self._reply(group))
            else:
                self._something_to_do.clear()
                await self._something_to_do.wait()

    async def _reply(self, group: asyncio.TaskGroup) -> AsyncGenerator[str]:
        """The pieces of the model's answer to everything that was not answered yet."""
        self._messages.append(Message("user", " ".join(self._unanswered)))
        self._unanswered.clear()
        # A task of its own, so that the model is read on while its first sentences are spoken.
        written: asyncio.Queue[str | None] = asyncio.Queue(_PIECES_AHEAD)
        thinking = group.create_task(self._think(tuple(self._messages), written))
        try:
            while (piece := await written.get()) is not None:
                yield piece
        finally:
            thinking.cancel()

    async def _think(self, messages: Sequence[Message], written: asyncio.Queue[str | None]) -> None:
        splitter = SentenceSplitter()
        events = streamed(self._llm, lambda: self._llm.reply(messages, self._resources))
        async with aclosing(events) as reply:
            async for event in reply:
                match event:
                    case TextPiece(text=text):
                        for piece in splitter.feed(text):
                            await written.put(piece)
                    case TokensUsed():
                        pass
                    case _:
                        assert_never(event)
        for piece in splitter.flush():
            await written.put(piece)
        await written.put(None)

    async def _speak(self, pieces: AsyncGenerator[str]) -> None:
        """One turn of the agent: voice the pieces in order, until all of it was heard."""
        playback = self._playback
        self._speaking = True
        async with aclosing(pieces):
            async for piece in pieces:
                await self._until(lambda: playback.hungry)
                await self._voice(piece)
        playback.end_turn()
        self._look_around()
        await self._until(lambda: not self._speaking)

    async def _voice(self, piece: str) -> None:
        self._playback.begin_piece(piece)
        chunks = streamed(self._tts, lambda: self._tts.speak(piece, self._resources))
        async with aclosing(chunks) as audio:
            async for chunk in audio:
                self._ask(self._playback.feed(chunk))
        self._ask(self._playback.end_piece())

    async def _until(self, came: Callable[[], bool]) -> None:
        """Wait for something that only the callee's audio or a mark can bring about."""
        if came():
            return
        self._moved = asyncio.get_running_loop().create_future()
        self._awaited = came
        try:
            await self._moved
        finally:
            self._awaited = None

    def _look_around(self) -> None:
        """See whether the turn was heard, and whether what is awaited came."""
        if self._playback.finished:
            self._finish_turn()
        if self._awaited is not None and self._awaited():
            self._awaited = None
            if self._moved is not None and not self._moved.done():
                self._moved.set_result(None)

    def _finish_turn(self) -> None:
        turn = self._agent_turn(cut=False)
        self._playback.next_turn()
        self._speaking = False
        if turn is not None:
            self._turns.append(turn)
            self._messages.append(Message("assistant", turn.text))
            self._emit(TurnFinished(turn))

    def _agent_turn(self, *, cut: bool) -> Turn | None:
        """The agent's turn that is under way, as far as it was heard; None without a word."""
        started_ms = self._playback.started_ms
        text = self._playback.heard_text()
        if started_ms is None or not text:
            return None
        return Turn(role="agent", text=text, started_ms=started_ms, cut=cut)

    def _user_said(self, text: str, began_ms: int | None) -> None:
        started_ms = self._playback.now_ms if began_ms is None else began_ms
        turn = Turn(role="user", text=text, started_ms=started_ms)
        self._turns.append(turn)
        self._emit(TurnFinished(turn))
        self._unanswered.append(text)
        self._something_to_do.set()

    def _ask(self, wishes: Sequence[Wish]) -> None:
        for wish in wishes:
            self._emit(wish)

    async def _watch_ears(self) -> None:
        """Ears fail while they are fed, where nobody can take the error: raise it in `run`."""
        await self._failed.wait()
        if self._failure is not None:
            raise self._failure


async def _pieces(text: str) -> AsyncGenerator[str]:
    splitter = SentenceSplitter()
    for piece in (*splitter.feed(text), *splitter.flush()):
        yield piece


def _deaf(_audio: bytes) -> None:
    """Ears before they open, and after they failed."""


def _nobody(_event: VoiceEvent) -> None:
    """Whom a conversation that is over speaks to."""
