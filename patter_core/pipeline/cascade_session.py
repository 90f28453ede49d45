"""One conversation of the cascade: what turn taking decides is carried out, with its providers."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, assert_never

from patter_core.audio import dtmf
from patter_core.audio.frames import BYTES_PER_MS
from patter_core.calls.transcript import Turn
from patter_core.errors import ProviderError
from patter_core.pipeline import turn_events
from patter_core.pipeline.agent_turn import AgentTurn, Studio
from patter_core.pipeline.meter import Meter, cost_of
from patter_core.pipeline.playback import Playback
from patter_core.pipeline.record import Record
from patter_core.pipeline.sentences import SentenceSplitter
from patter_core.pipeline.session import ClearAudio, ConversationOver, TurnFinished, VoiceEvent
from patter_core.pipeline.speech_to_text import SpeechBegan, SpeechEnded, SpeechPaused
from patter_core.pipeline.strangers import plain, provider_error
from patter_core.pipeline.tool_tasks import ToolTasks
from patter_core.pipeline.turn_taking import NEVER, TurnTaking

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Sequence

    from patter_core.calls.cost import Cost, Usage
    from patter_core.pipeline.cascade import Cascade
    from patter_core.pipeline.meter import ReplyWatch
    from patter_core.pipeline.plan import SessionPlan
    from patter_core.pipeline.playback import Wish
    from patter_core.pipeline.record import ToolRound
    from patter_core.pipeline.resources import Resources
    from patter_core.pipeline.speech_to_text import SpeechEvent
    from patter_core.pipeline.tool_use import ToolRequest
    from patter_core.pipeline.turn_events import TurnCommand, TurnEvent

_APOLOGY_SEC = 15.0  # How long a conversation that failed may go on, to say so.


class CascadeSession:
    """One conversation: a `VoiceSession`. `Cascade.open` makes it.

    Turn taking decides; this carries out, and tells it what came of that.
    """

    def __init__(self, plan: SessionPlan, resources: Resources, engine: Cascade) -> None:
        """Store what is needed; `run` begins."""
        self._engine = engine
        self._apology = plan.turns.apology
        self._clock = resources.clock
        self._playback = Playback(lead_ms=plan.lead_ms)
        self._taking = TurnTaking(plan.turns, greeting=plan.greeting)
        self._due: float = NEVER  # By the playback's clock.
        self._record = Record(plan.instructions)
        self._meter = Meter(engine.stopwatch)
        self._studio = Studio(
            llm=engine.llm,
            tts=engine.tts,
            model_sec=engine.model_sec,
            voice_sec=engine.voice_sec,
            resources=resources,
            playback=self._playback,
            meter=self._meter,
            ask=self._ask,
            ask_tools=self._tools_asked,
            redaction=plan.redaction,
        )
        self._tools = ToolTasks(
            plan.tools,
            say=lambda owner, text: self._tell(turn_events.SayAsked(text, owner)),
            withdraw=lambda owner: self._tell(turn_events.SayingWithdrawn(owner)),
            answered=lambda: self._tell(turn_events.ToolsAnswered()),
        )
        self._unemitted: list[VoiceEvent] = []
        self._emit: Callable[[VoiceEvent], None] = self._unemitted.append
        self._ears: Callable[[bytes], None] = _deaf
        self._group: asyncio.TaskGroup | None = None
        self._turn: AgentTurn | None = None
        self._rest: list[str] = []  # What was cut off, and can be said after all.
        self._rest_round: ToolRound | None = None
        self._ahead: AgentTurn | None = None  # What comes after the turn, thought of already.
        self._silent_watch: ReplyWatch | None = None  # Of a reply that had tools, and no words.
        self._failure: ProviderError | None = None
        self._failed = asyncio.Event()

    def listen_with(self, ears: Callable[[bytes], None]) -> None:
        """Give the callee's audio to `ears`."""
        self._ears = ears

    async def run(self, emit: Callable[[VoiceEvent], None]) -> None:
        """See `VoiceSession.run`."""
        for event in self._unemitted:
            emit(event)
        self._emit = emit
        try:
            async with asyncio.TaskGroup() as self._group:
                try:
                    if self._failure is None:
                        self._tell(turn_events.Started())
                    else:
                        self._apologise()
                    await self._failed.wait()
                    raise self._failure or AssertionError("What failed is known")
                finally:
                    self._stop()  # Before the group waits for tools that are slow to leave.
        except BaseExceptionGroup as errors:
            error = plain(errors)
            raise error from error.__cause__

    def _stop(self) -> None:
        """Take no more turns. Frames and marks still tell what was heard, as the call is ended."""
        self._emit, self._group, self._ears = _nobody, None, _deaf
        self._tell(turn_events.Stopped())
        self._playback.drop_unsent()

    def hear_audio(self, audio: bytes) -> None:
        """See `VoiceSession.hear_audio`."""
        try:
            self._ears(audio)
        except Exception as error:  # noqa: BLE001 - a stranger's code; `run` raises it
            self._ears = _deaf
            self._ears_failed(provider_error(self._engine.stt, error))
        if wishes := self._playback.hear(len(audio)):
            self._ask(wishes)
        if self._turn is not None:
            self._look_around()
        if self._playback.clock >= self._due:
            self._tell(turn_events.TimePassed())

    def hear_mark(self, name: str) -> None:
        """See `VoiceSession.hear_mark`."""
        self._playback.reached(name)
        if self._turn is not None:
            self._look_around()

    def hear_speech(self, event: SpeechEvent) -> None:
        """Take what the ears made of the callee's audio."""
        match event:
            case SpeechBegan():
                self._meter.speech_began()
            case SpeechPaused():
                self._meter.speech_paused(self._playback.now_ms)
            case SpeechEnded(text=text, quiet_ms=quiet_ms):
                if text.strip():
                    self._meter.words_came(self._playback.now_ms, quiet_ms)
            case _:
                assert_never(event)
        self._tell(event)

    def say(self, text: str) -> None:
        """See `VoiceSession.say`."""
        self._tell(turn_events.SayAsked(text))

    def finish(self, reason: str) -> None:
        """See `VoiceSession.finish`.

        A model that asked for it without a word is asked once more, for its goodbye.
        """
        self._tell(turn_events.FinishAsked(reason))

    def leave_message(self, text: str, reason: str) -> None:
        """See `VoiceSession.leave_message`."""
        self._tell(turn_events.MessageAsked(text, reason))

    def send_digits(self, digits: str) -> None:
        """See `VoiceSession.send_digits`. ValueError: something is no key."""
        dtmf.tones(digits)
        self._tell(turn_events.DigitsAsked(digits))

    def transcript(self) -> tuple[Turn, ...]:
        """See `VoiceSession.transcript`."""
        turns = list(self._record.turns)
        if (begun := self._agent_turn(cut=not self._playback.all_heard)) is not None:
            turns.append(begun)
        return tuple(sorted(turns, key=lambda turn: (turn.started_ms, turn.role != "agent")))

    def metrics(self) -> dict[str, Any]:
        """See `VoiceSession.metrics`."""
        turns, underruns = len(self.transcript()), self._playback.underruns
        return self._meter.metrics(turns=turns, underruns=underruns).to_dict()

    def usage(self) -> Usage:
        """See `VoiceSession.usage`."""
        return self._meter.usage(self._playback.clock)

    def cost(self) -> Cost:
        """See `VoiceSession.cost`."""
        engine = self._engine
        return cost_of(self.usage(), stt=engine.stt, llm=engine.llm, tts=engine.tts)

    # --- turns -------------------------------------------------------------------------------

    def _tell(self, event: TurnEvent) -> None:
        """Tell turn taking what happened, and do what it wants done."""
        commands = self._taking.apply(event, self._playback.now_ms)
        self._due = self._taking.due_ms * BYTES_PER_MS
        for command in commands:
            self._perform(command)

    def _perform(self, command: TurnCommand) -> None:
        match command:
            case turn_events.CutOff():
                self._cut_off()
            case turn_events.TakeBack():
                self._take_back()
            case turn_events.HoldBack():
                self._playback.held = True
            case turn_events.LetGo():
                self._ask(self._playback.let_go())
            case turn_events.Record(text=text, began_ms=began_ms):
                self._emit(TurnFinished(self._record.user_said(text, began_ms)))
            case turn_events.Speak(text=text):
                text = self._studio.redaction.redact(text)
                splitter = SentenceSplitter()
                self._say([*splitter.feed(text), *splitter.flush()])
            case turn_events.Press(digits=digits):
                self._say([dtmf.tones(digits)])
            case turn_events.Reply():
                self._reply(command)
            case turn_events.ThinkAhead(tools=tools):
                self._ahead = self._thinking((), tools=tools)
            case turn_events.ForgetThought():
                self._forget_thought()
            case turn_events.GoOn():
                self._say(self._rest, self._rest_round)
            case turn_events.Finish(reason=reason):
                self._emit(ConversationOver(reason))
            case _:
                assert_never(command)

    def _say(self, pieces: Iterable[str | bytes], tool_round: ToolRound | None = None) -> None:
        turn = AgentTurn(self._studio)
        turn.tool_round = tool_round
        turn.write(pieces)
        self._take(turn)

    def _reply(self, command: turn_events.Reply) -> None:
        if not command.thought:
            self._take(self._thinking(command.texts, tools=command.tools))
        elif self._ahead is not None:
            turn, self._ahead = self._ahead, None
            self._take(turn)

    def _thinking(self, texts: Sequence[str], *, tools: bool) -> AgentTurn:
        """A turn in which the model answers `texts`, or only what tools answered."""
        watch, self._silent_watch = self._silent_watch, None
        if texts:
            watch = self._meter.reply_asked(self._playback.now_ms)
        turn = AgentTurn(self._studio, watch)
        faces = self._tools.faces if tools else ()
        self._start(turn, turn.think(self._record.ask(texts), faces))
        return turn

    def _tools_asked(self, turn: AgentTurn, requests: Sequence[ToolRequest]) -> None:
        if self._group is not None:
            turn.tool_round = self._record.tools_asked(turn.text, requests)
            self._tell(turn_events.ToolsAsked())
            self._tools.start(turn.tool_round, self._group)

    def _forget_thought(self) -> None:
        if self._ahead is not None:
            self._ahead.drop()
            if self._ahead.tool_round is not None:
                self._record.agent_said(None, self._ahead.tool_round)
            self._ahead = None

    def _take(self, turn: AgentTurn) -> None:
        self._turn = turn
        self._start(turn, self._speak(turn))

    def _start(self, turn: AgentTurn, work: Coroutine[Any, Any, None]) -> None:
        if self._group is None:
            raise AssertionError("Turns are taken while the conversation runs")
        turn.owns(self._group.create_task(work))

    async def _speak(self, turn: AgentTurn) -> None:
        try:
            await turn.speak()
        except ProviderError as error:
            if turn is not self._turn:
                return  # It was dropped: how its providers took that is nobody's concern.
            self._fail(error)
            await self._say_sorry(turn)
            self._failed.set()
            return
        if turn is self._turn:
            self._playback.end_turn()
            self._look_around()

    def _look_around(self) -> None:
        """See whether the turn was heard, and whether what it waits for came."""
        turn = self._turn
        if self._playback.finished:
            self._finish_turn()
        if turn is not None:
            turn.look_around()

    def _finish_turn(self) -> None:
        turn, heard = self._turn, self._agent_turn(cut=False)
        self._turn = None
        self._playback.next_turn()
        self._note(heard, turn)
        if turn is not None and not turn.audible:
            self._silent_watch = turn.watch
        self._tell(turn_events.AgentEnded())

    def _cut_off(self) -> None:
        self._emit(ClearAudio())
        self._meter.interruptions += not self._playback.all_heard
        self._drop_turn()

    def _take_back(self) -> None:
        self._drop_turn()

    def _drop_turn(self) -> None:
        # A mark that is late, or lost, does not make a turn that was heard to its end a cut one.
        turn, heard = self._turn, self._agent_turn(cut=not self._playback.all_heard)
        self._turn = None
        unheard = [piece.text for piece in self._playback.cut() if piece.heard != piece.text]
        if turn is not None:
            self._rest, self._rest_round = [*unheard, *turn.drop()], turn.tool_round
            if heard is None and turn.watch is not None:
                self._record.not_answered()
        self._note(heard, turn)

    def _note(self, heard: Turn | None, turn: AgentTurn | None) -> None:
        self._record.agent_said(heard, turn.tool_round if turn is not None else None)
        if heard is not None:
            self._emit(TurnFinished(heard))

    def _agent_turn(self, *, cut: bool) -> Turn | None:
        """The agent's turn that is under way, as far as it was heard; None without a word."""
        started_ms = self._playback.started_ms
        text = self._playback.heard_text()
        if started_ms is None or not text:
            return None
        return Turn(role="agent", text=text, started_ms=started_ms, cut=cut)

    def _ask(self, wishes: Sequence[Wish]) -> None:
        for wish in wishes:
            self._emit(wish)
        turn = self._turn
        if wishes and turn is not None and not turn.audible:
            turn.audible = True
            if turn.watch is not None:
                turn.watch.first_sound_sent()
            self._tell(turn_events.AgentBegan())

    # --- failing -----------------------------------------------------------------------------

    def _fail(self, error: ProviderError) -> None:
        """From now on there is nothing left but to say so."""
        self._failure = error
        self._tell(turn_events.Stopped())
        self._playback.held = False

    def _ears_failed(self, error: ProviderError) -> None:
        if self._failure is not None:
            return
        self._fail(error)
        if self._turn is not None:
            if self._turn.audible:
                self._emit(ClearAudio())
            self._drop_turn()
        if self._group is not None:
            self._apologise()

    def _apologise(self) -> None:
        self._turn = turn = AgentTurn(self._studio)
        self._start(turn, self._apologise_and_end(turn))

    async def _apologise_and_end(self, turn: AgentTurn) -> None:
        await self._say_sorry(turn)
        self._failed.set()

    async def _say_sorry(self, turn: AgentTurn) -> None:
        """Tell the callee, with a voice that may not work either, and wait until they heard it."""
        if not self._apology:
            return
        with suppress(ProviderError, TimeoutError):
            async with self._clock.timeout(_APOLOGY_SEC):
                await turn.voice(self._apology)
                self._playback.end_turn()
                self._look_around()
                await turn.until(lambda: turn is not self._turn)


def _deaf(_audio: bytes) -> None:
    """Ears before they open, after they failed, and once the conversation is over."""


def _nobody(_event: VoiceEvent) -> None:
    """Whom a conversation that is over speaks to."""
