"""What a Realtime conversation does about each event: it reads, decides and writes; it never waits.

Whoever holds the connection gives it events and takes what it sends; across a lost connection it
goes on with another.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, assert_never

from patter_core.audio.dtmf import tones
from patter_core.audio.frames import BYTES_PER_MS
from patter_core.calls.transcript import Turn
from patter_core.pipeline import realtime_events as events
from patter_core.pipeline import realtime_wire as wire
from patter_core.pipeline.realtime_failures import Failures
from patter_core.pipeline.realtime_items import Items
from patter_core.pipeline.realtime_opening import Opening
from patter_core.pipeline.realtime_recent import RecentAudio
from patter_core.pipeline.realtime_responses import Responses
from patter_core.pipeline.realtime_silence import REASON, Silence
from patter_core.pipeline.realtime_speech import HeardItem, Speech
from patter_core.pipeline.realtime_tools import ToolTurns
from patter_core.pipeline.session import ClearAudio, ConversationOver, TurnFinished, VoiceEvent

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping, Sequence

    from patter_core.pipeline.plan import SessionPlan
    from patter_core.pipeline.playback import Wish
    from patter_core.pipeline.realtime_audio import Encoding
    from patter_core.pipeline.realtime_meter import RealtimeMeter

_MIND_EVERY_MS = 100  # How often silence, and what is overdue, is looked after.
_GREETING = object()


class RealtimeConversation:
    """One conversation.

    Attributes:
        emit: Who hears of it.
        responses: What the service was asked for.
        speech: What the callee hears.
    """

    def __init__(
        self,
        plan: SessionPlan,
        encoding: Encoding,
        detection: Mapping[str, Any],
        meter: RealtimeMeter,
    ) -> None:
        """Store what is needed. `detection` is how the service is to notice turns."""
        self._unemitted: list[VoiceEvent] = []
        self.emit: Callable[[VoiceEvent], None] = self._unemitted.append
        self.responses = Responses()
        self.speech = Speech(lead_ms=plan.lead_ms)
        self._encoding = encoding
        self._detection = dict(detection)
        self._meter = meter
        self._opening = Opening(plan.turns, plan.greeting)
        self._silence = Silence(plan.turns)
        self._items = Items(lambda turn: self.emit(TurnFinished(turn)))
        self._tools = ToolTurns(plan.tools, self)
        self._send: Callable[[str], None] | None = None
        self._group: asyncio.TaskGroup | None = None
        self._recent = RecentAudio()
        self._began_ms = 0  # When this connection's audio began.
        self._answers_itself = False  # As far as the order of its events tells.
        self._answers_this = False  # Whether it did when the callee stopped speaking.
        self._callee_spoke = False
        self._words: dict[str, str] = {}
        self._spoken_here: set[str] = set()  # Items that this connection knows.
        self._dropped: set[str] = set()  # Responses whose late audio is not wanted.
        self._failures = Failures(self.responses, call_id=plan.call_id)
        self._mind_ms = 0
        self._keys: deque[bytes] = deque()
        self._keys_pressed = 0
        self._reason: str | None = None  # Why the conversation is to be over.
        self._over = self._owed_at_finish = False
        self._to_a_machine = False  # It is not listened to: nothing it says is an answer.

    # --- the connection ----------------------------------------------------------------------

    @property
    def detection(self) -> dict[str, Any]:
        """How the service is to notice turns just now."""
        if not self._opening.under_way and self._reason is None:
            return self._detection
        if not self._opening.under_way:
            return {**self._detection, "create_response": False}
        return {**self._detection, "create_response": False, "interrupt_response": False}

    def attach(self, send: Callable[[str], None]) -> None:
        """There is a connection, configured with `detection` as it is now."""
        self._send = send
        self._answers_itself = bool(self.detection["create_response"])
        self._began_ms = self.speech.now_ms
        for item in self._items.again(self._under_way(cut=False)):
            send(wire.create_item(item))
        if missed := self._recent.take_missed():
            self._began_ms -= len(missed) // BYTES_PER_MS
            send(wire.append_audio(self._encoding.to_service(missed)))
        self._ask_next()

    def lost(self) -> None:
        """The connection is gone, and everything that was under way on it."""
        self._send = None
        self._play(self.speech.end_all())
        self._spoken_here.clear()
        self._dropped.clear()
        self._items.settle_agents(except_for=self._under_way(cut=False))
        self._items.settle_users()
        asked = self.responses.lost()
        greeted = self.speech.started_ms is not None
        words = asked.words if asked is not None else None
        if asked is not None and words is not None and not (asked.owner is _GREETING and greeted):
            self.responses.say(words, owner=asked.owner, first=True)
        if self._recent.lost(self.speech.now_ms):
            return  # The next connection hears it again, and answers.
        if self._items.awaits_answer and not self._tools.running:
            self.responses.reply()

    # --- the call ----------------------------------------------------------------------------

    def begin(self, group: asyncio.TaskGroup, emit: Callable[[VoiceEvent], None]) -> None:
        """The callee can hear us. Tools run in `group`."""
        for event in self._unemitted:
            emit(event)
        self.emit = emit
        self._group = group
        self._greet_when_due()
        self._ask_next()

    def finish(self, reason: str) -> None:
        """See `VoiceSession.finish`."""
        if self._reason is None:
            self._reason = reason
            self._owed_at_finish = self.responses.owed
            self.responses.stop()
            if not self._opening.under_way:
                self._configure_detection()
            self._see_whether_over()

    def leave_message(self, text: str, reason: str) -> None:
        """See `VoiceSession.leave_message`."""
        if self._reason is None:
            self._interrupt()
            self._reason, self._to_a_machine = reason, True
            self.responses.say_only(text)
            if not self._opening.under_way:
                self._configure_detection()
            self._ask_next()

    def send_digits(self, digits: str) -> None:
        """See `VoiceSession.send_digits`."""
        self._keys.append(tones(digits))
        self._press_keys()

    def end(self) -> None:
        """The call is over: nothing more is sent to the callee, or asked for."""
        self.emit = _nobody
        self._group = None
        self.responses.stop()
        self.speech.drop_unsent()

    def hear_audio(self, audio: bytes) -> None:
        """See `VoiceSession.hear_audio`."""
        if self._send is not None and not self._to_a_machine:
            self._send(wire.append_audio(self._encoding.to_service(audio)))
        self._recent.add(audio, missed=self._send is None)
        self._meter.hear(audio)
        speech = self.speech
        for wish in speech.hear(len(audio)):
            self.emit(wish)
        self._after_playing()
        if self._group is not None and speech.now_ms >= self._mind_ms:
            self._mind_ms = speech.now_ms + _MIND_EVERY_MS
            self._mind_the_time()

    def hear_mark(self, name: str) -> None:
        """See `VoiceSession.hear_mark`."""
        self.speech.reached(name)
        self._after_playing()

    def say(self, text: str) -> None:
        """See `VoiceSession.say`."""
        self.say_for(None, text)

    def transcript(self) -> tuple[Turn, ...]:
        """See `VoiceSession.transcript`."""
        return self._items.turns(self._under_way(cut=True))

    # --- what tools ask for ------------------------------------------------------------------

    def say_for(self, owner: object, text: str) -> None:
        """Have `text` said on behalf of `owner`, unless it is forgotten before that."""
        if text.strip():
            self.responses.say(text, owner=owner)
            self._ask_next()

    def forget(self, owner: object) -> None:
        """What `owner` wanted said is not wanted any more."""
        self.responses.forget(owner)

    def tool_answered(self, call_id: str, output: str) -> None:
        """Give a tool's answer to the model."""
        self._items.output(call_id, output)
        if self._send is not None:
            self._send(wire.create_item(wire.output_item(call_id, output)))

    def tools_answered(self, *, more: bool) -> None:
        """Everything that a response asked for is answered; `more`: it may ask for more."""
        self.responses.reply(tools=more)
        self._ask_next()

    # --- events ------------------------------------------------------------------------------

    def take(self, event: events.ServerEvent) -> None:
        """Do what `event` calls for.

        Raises:
            ProviderError: It cannot go on.
        """
        match event:
            case events.AudioDelta():
                self._audio(event)
            case events.TextDelta(item_id=item_id, text=text):
                self._agent_words(item_id, self._words.get(item_id, "") + text)
            case events.TextDone(item_id=item_id, text=text):
                self._agent_words(item_id, text)
            case events.SpeechStarted():
                self._speech_started(event)
            case events.SpeechStopped():
                self._speech_stopped()
            case events.Committed():
                self._committed(event)
            case events.ItemAdded():
                self._item_added(event)
            case events.TranscriptionDelta(item_id=item_id, text=text):
                self._items.user_words(item_id, text, self.speech.now_ms, all_of_them=False)
            case events.Transcribed():
                self._transcribed(event)
            case events.ResponseCreated():
                self._response_created(event)
            case events.OutputDone(response_id=response_id, item_id=item_id):
                self._output_done(response_id, item_id)
            case events.ResponseDone():
                self._response_done(event)
            case events.Fault():
                self._failures.objection(event, self.speech.now_ms)
            case events.SessionUpdated():
                self._answers_itself = bool(self.detection["create_response"])
            case events.RateLimits(remaining=remaining):
                self._meter.rate_limit(remaining)
            case events.SessionCreated():
                pass
            case _:
                assert_never(event)
        self._ask_next()
        if self._keys:
            self._press_keys()
        if self._reason is not None:
            self._see_whether_over()

    def _speech_started(self, event: events.SpeechStarted) -> None:
        now_ms = self.speech.now_ms
        lets_pass = self._opening.lets_pass(event.item_id, now_ms)
        if not lets_pass:
            # Before anything else: the agent must not talk over the callee.
            self._interrupt()
            self.responses.callee_speaks = True
        self.responses.owed = False
        self._callee_spoke = True
        self._meter.speech_began()
        self._silence.callee_spoke()
        self._tools.callee_spoke()
        # The audio that the service takes along from before the first sound is no speech.
        heard_ms = event.audio_start_ms + self._detection.get("prefix_padding_ms", 0)
        began_ms = min(self._began_ms + heard_ms, now_ms)
        self._items.user_began(event.item_id, max(0, began_ms))
        self._recent.speech_began(max(0, began_ms))

    def _interrupt(self) -> None:
        if not self.speech.silent:
            self.emit(ClearAudio())
        cut = self.speech.break_off()
        self._encoding.from_service(b"", last=True)
        if cut:
            self._meter.interruptions += 1
        active = self.responses.active
        if active is not None:
            self._dropped.add(active)
            if not self._interrupts_itself and self._send is not None:
                self._send(wire.cancel_response(active))
        for heard in cut:
            self._cut_item(heard)
        if self._opening.under_way and cut:
            self._open_up()
        self._items.tell_finished(self.speech.now_ms)

    def _cut_item(self, heard: HeardItem) -> None:
        if not heard.whole and heard.item_id in self._spoken_here and self._send is not None:
            self._send(wire.truncate_item(heard.item_id, heard.heard_ms))
        self._settle_agent(heard, cut=not heard.whole)

    def _speech_stopped(self) -> None:
        self.responses.callee_speaks = False
        self._answers_this = self._answers_itself
        self.responses.owed = self._answers_this
        self._meter.speech_stopped(self.speech.now_ms)

    def _committed(self, event: events.Committed) -> None:
        self._items.user_finished(event.item_id, event.previous_item_id, self.speech.now_ms)
        if not self._answers_this and not self._opening.answers(event.item_id):
            self.responses.reply()

    def _item_added(self, event: events.ItemAdded) -> None:
        match event.kind, event.role:
            case "message", "assistant":
                self._items.add(event.item_id, "agent", event.previous_item_id)
            case "message", "user":
                self._items.user_finished(event.item_id, event.previous_item_id, self.speech.now_ms)
            case "function_call", _:
                self._items.add(event.item_id, "call", event.previous_item_id)
            case _:
                self._items.add(event.item_id, "other", event.previous_item_id)

    def _transcribed(self, event: events.Transcribed) -> None:
        now_ms = self.speech.now_ms
        self._meter.transcribed(event.usage)
        if not self.responses.callee_speaks:
            self._recent.known()
        self._items.user_words(event.item_id, event.text, now_ms, all_of_them=True)
        self._opening.understood(event.item_id, event.text)
        if event.text.strip():
            self._silence.callee_said_something()
        self._items.tell_finished(now_ms)

    def _response_created(self, event: events.ResponseCreated) -> None:
        owed = self._owed_at_finish
        ask = self.responses.created(event.response_id, event.ask)
        self._owed_at_finish = False
        if ask is not None and ask.owner is _GREETING:
            self._opening.response_id = event.response_id
        if self._reason is not None and ask is None and not owed:
            # The callee spoke once more; nothing is to be said to it.
            self._drop(event.response_id)
        elif self.responses.callee_speaks:
            # It was asked for just when the callee began to speak, too late to be cancelled.
            self._drop(event.response_id)

    def _audio(self, event: events.AudioDelta) -> None:
        if event.response_id in self._dropped:
            return
        new = event.item_id not in self._spoken_here
        audio = self._encoding.from_service(event.audio)
        self._play(self.speech.say(event.response_id, event.item_id, audio))
        if new:
            self._spoken_here.add(event.item_id)
            self.speech.words(event.item_id, self._words.get(event.item_id, ""))
            self._meter.sound_sent()
            self._opening.sounded(event.response_id, self.speech.now_ms)

    def _agent_words(self, item_id: str, text: str) -> None:
        self._words[item_id] = text
        self.speech.words(item_id, text)

    def _output_done(self, response_id: str, item_id: str) -> None:
        if response_id in self._dropped:
            return
        if rest := self._encoding.from_service(b"", last=True):
            self._play(self.speech.say(response_id, item_id, rest))
        self._play(self.speech.end(item_id))
        self._after_playing()

    def _response_done(self, event: events.ResponseDone) -> None:
        ask = self.responses.active_ask
        self.responses.done(event.response_id)
        self._meter.response(event.usage)
        dropped = event.response_id in self._dropped
        self._dropped.discard(event.response_id)
        if not dropped:
            self._play(self.speech.end_all())
        self._items.settle_agents(except_for=self._under_way(cut=False), only=event.messages)
        for call in event.calls:
            self._items.call(call.item_id, call.call_id, call.name, call.arguments)
        if dropped or event.status == "cancelled":
            self._tools.refuse(event.calls)
        elif event.status == "failed":
            fault = events.Fault(kind="server_error", code=event.error, param="", event_id="")
            self._failures.response_failed(fault, ask, self.speech.now_ms)
        else:
            self._failures.none()
            if not self.responses.callee_speaks:
                self._recent.known()  # Whatever it was, it has been answered.
            if event.calls and self._group is not None:
                self._tools.take(event.calls, self._group)
        self._after_playing()
        self._see_whether_open()

    # --- what follows ------------------------------------------------------------------------

    def _after_playing(self) -> None:
        """See what has been heard to its end."""
        heard_items = self.speech.newly_heard()
        if not heard_items:
            return
        for heard in heard_items:
            self._settle_agent(heard, cut=False)
        self._see_whether_open()
        self._items.tell_finished(self.speech.now_ms)
        if self._reason is not None:
            self._see_whether_over()

    def _settle_agent(self, heard: HeardItem, *, cut: bool) -> None:
        self._items.agent_heard(
            heard.item_id, text=heard.text, started_ms=heard.started_ms, cut=cut
        )

    def _see_whether_open(self) -> None:
        """Once the greeting has been heard, the service may answer by itself."""
        opening = self._opening
        if not opening.under_way or opening.response_id is None:
            return
        if opening.response_id == self.responses.active:
            return
        if opening.response_id not in self.speech.speaking_of and not self._asks_for_greeting():
            self._open_up()
            if opening.unheeded:
                self.responses.reply()
                self._ask_next()

    def _asks_for_greeting(self) -> bool:
        return self.responses.asks_for(_GREETING)

    def _open_up(self) -> None:
        self._opening.over()
        self._configure_detection()

    def _configure_detection(self) -> None:
        if self._send is not None:
            session = {"audio": {"input": {"turn_detection": self.detection}}}
            self._send(wire.session_update(session, event_id="detection"))

    def _drop(self, response_id: str) -> None:
        self._dropped.add(response_id)
        if self._send is not None:
            self._send(wire.cancel_response(response_id))

    def _press_keys(self) -> None:
        """Send the tones of keys, once nothing more comes of what is being said."""
        while self._keys and not self.responses.expecting:
            self._keys_pressed += 1
            name = f"keys_{self._keys_pressed}"
            self._play(self.speech.say(name, name, self._keys.popleft()))
            self._play(self.speech.end(name))

    def _see_whether_over(self) -> None:
        """Once the last word was heard, the conversation is over."""
        if self._over or self._reason is None or not self.responses.idle or self._keys:
            return
        if self.speech.silent:
            self._over = True
            self._items.tell_finished(self.speech.now_ms)
            self.emit(ConversationOver(self._reason))

    def _greet_when_due(self) -> None:
        if self._opening.due(self.speech.now_ms, callee_spoke=self._callee_spoke):
            self.responses.say(self._opening.words, owner=_GREETING, first=True)

    def _mind_the_time(self) -> None:
        now_ms = self.speech.now_ms
        self._greet_when_due()
        responses = self.responses
        busy = (
            not self.speech.silent
            or not responses.idle
            or responses.callee_speaks
            or self._tools.running
            or self._send is None
        )
        words = self._silence.tick(now_ms, busy=busy)
        if words:
            responses.say(words)
        if self._silence.over:
            self.finish(REASON)
        elif not responses.idle:
            self._ask_next()

    def _ask_next(self) -> None:
        """Ask for the next response, if it can be asked for now."""
        if self._send is None or self._group is None:
            return
        ask = self.responses.next(self.speech.now_ms)
        if ask is None:
            return
        response: dict[str, Any] = {"metadata": {wire.ASK: ask.name}}
        if ask.words is not None:
            # Instructions of one response take the place of the session's. The words become part
            # of the conversation as said, which an item that we made ourselves would not be heard
            # for; and without tools there is nothing for the model to do but to say them.
            response["instructions"] = f"{_WORD_FOR_WORD}\n\n{ask.words}"
            response["tool_choice"] = "none"
        elif not ask.tools:
            response["tool_choice"] = "none"
        self._send(wire.create_response(response, event_id=ask.name))

    def _play(self, wishes: Sequence[Wish]) -> None:
        for wish in wishes:
            self.emit(wish)

    def _under_way(self, *, cut: bool) -> dict[str, Turn]:
        """The agent's turns that are being heard, by item, as far as they were."""
        turns: dict[str, Turn] = {}
        for heard in self.speech.under_way():
            if cut and not heard.text:
                continue
            text = heard.text if cut else self._words.get(heard.item_id, "")
            turns[heard.item_id] = Turn(
                role="agent", text=text, started_ms=heard.started_ms or 0, cut=not heard.whole
            )
        return turns

    @property
    def _interrupts_itself(self) -> bool:
        return self._answers_itself and bool(self._detection["interrupt_response"])


_WORD_FOR_WORD = "Say exactly the following words, in their language, and nothing else."


def _nobody(_event: VoiceEvent) -> None:
    """Whom a conversation that is over speaks to."""
