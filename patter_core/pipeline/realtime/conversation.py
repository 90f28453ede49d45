"""What a Realtime conversation does about each event: it reads, decides and writes; it never waits.

Whoever holds the connection gives it events and takes what it sends; across a lost connection it
goes on with another.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, assert_never

from patter_core.audio.dtmf import tones
from patter_core.audio.frames import BYTES_PER_MS
from patter_core.pipeline.realtime import events, wire
from patter_core.pipeline.realtime.delivery import Delivery
from patter_core.pipeline.realtime.detection import Detection
from patter_core.pipeline.realtime.ending import Ending
from patter_core.pipeline.realtime.failures import Failures
from patter_core.pipeline.realtime.items import Items
from patter_core.pipeline.realtime.opening import Opening
from patter_core.pipeline.realtime.recent import RecentAudio
from patter_core.pipeline.realtime.responses import Responses
from patter_core.pipeline.realtime.silence import REASON, Silence
from patter_core.pipeline.realtime.tools import ToolTurns
from patter_core.pipeline.session import ClearAudio, ConversationOver, TurnFinished, VoiceEvent

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping
    from typing import Any

    from patter_core.calls.transcript import Turn
    from patter_core.pipeline.plan import SessionPlan
    from patter_core.pipeline.realtime.audio import Encoding
    from patter_core.pipeline.realtime.meter import RealtimeMeter
    from patter_core.pipeline.realtime.speech import HeardItem

_MIND_EVERY_MS = 100  # How often silence, and what is overdue, is looked after.
_GREETING = object()


class RealtimeConversation:
    """One conversation.

    Attributes:
        emit: Who hears of it.
        responses: What the service was asked for.
        detection: Who notices turns, and answers them.
        speech: What the callee hears.
    """

    def __init__(
        self,
        plan: SessionPlan,
        encoding: Encoding,
        detection: Mapping[str, Any],
        meter: RealtimeMeter,
        *,
        transcribed: bool = True,
    ) -> None:
        """Store what is needed.

        Args:
            plan: What the conversation should be.
            encoding: How audio goes to the service, and comes from it.
            detection: How the service is to notice turns.
            meter: Measures it.
            transcribed: Whether the service is to write down the callee's words.
        """
        self._unemitted: list[VoiceEvent] = []
        self.emit: Callable[[VoiceEvent], None] = self._unemitted.append
        self.responses = Responses()
        self._encoding = encoding
        self._meter = meter
        self._transcribed_at_all = transcribed
        self._opening = Opening(plan.turns, plan.greeting)
        self.detection = Detection(detection, self._opening)
        self._ending = Ending()
        self._silence = Silence(plan.turns)
        self._items = Items(lambda turn: self.emit(TurnFinished(turn)))
        self._delivery = Delivery(
            lead_ms=plan.lead_ms, encoding=encoding, wish=lambda wish: self.emit(wish)
        )
        self.speech = self._delivery.speech
        self._tools = ToolTurns(plan.tools, self, most_rounds=plan.turns.tool_rounds)
        self._send: Callable[[str], None] | None = None
        self._group: asyncio.TaskGroup | None = None
        self._recent = RecentAudio()
        self._began_ms = 0  # When this connection's audio began.
        self._callee_spoke = False
        self._replied = False  # The model has said something since the callee spoke last.
        self._failures = Failures(self.responses, call_id=plan.call_id)
        self._mind_ms = 0
        self._keys: deque[bytes] = deque()
        self._keys_pressed = 0

    # --- the connection ----------------------------------------------------------------------

    def attach(self, send: Callable[[str], None]) -> None:
        """There is a connection, configured with `detection.wanted` as it is now."""
        self._send = send
        self.detection.in_force()
        self._began_ms = self.speech.now_ms
        for item in self._items.again(self._delivery.under_way(cut=False)):
            send(wire.create_item(item))
        if missed := self._recent.take_missed():
            self._began_ms -= len(missed) // BYTES_PER_MS
            send(wire.append_audio(self._encoding.to_service(missed)))
        self._ask_next()

    def lost(self) -> None:
        """The connection is gone, and everything that was under way on it."""
        self._send = None
        self._delivery.lost()
        self._items.settle_agents(except_for=self._delivery.under_way(cut=False))
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
        """See `VoiceSession.finish`.

        A model that asked for it without a word is asked once more, for its goodbye.
        """
        if self._ending.reason is None:
            wordless = self._tools.running and not self._replied
            self._ending.begin(reason, answer_owed=self.responses.owed, goodbye_due=wordless)
            self.responses.stop()
            self._close_detection()
            self._see_whether_over()

    def leave_message(self, text: str, reason: str) -> None:
        """See `VoiceSession.leave_message`."""
        if self._ending.reason is None:
            self._interrupt()
            self._ending.leave_message(reason)
            self.responses.say_only(text)
            self._close_detection()
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
        if self._send is not None and not self._ending.to_a_machine:
            self._send(wire.append_audio(self._encoding.to_service(audio)))
            self._meter.hear(audio)
        self._recent.add(audio, missed=self._send is None)
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
        return self._items.turns(self._delivery.under_way(cut=True))

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
        if self._ending.goodbye_due:
            self._ending.goodbye_due = False
            self.responses.say_goodbye()
        else:
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
                self._delivery.more_words(item_id, text)
            case events.TextDone(item_id=item_id, text=text):
                self._delivery.all_words(item_id, text)
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
                self.detection.in_force()
            case events.RateLimits(remaining=remaining):
                self._meter.rate_limit(remaining)
            case events.SessionCreated():
                pass
            case _:
                assert_never(event)
        self._ask_next()
        if self._keys:
            self._press_keys()
        if self._ending.reason is not None:
            self._see_whether_over()

    def _speech_started(self, event: events.SpeechStarted) -> None:
        now_ms = self.speech.now_ms
        lets_pass = self._opening.lets_pass(event.item_id, now_ms)
        if not lets_pass:
            # Before anything else: the agent must not talk over the callee.
            self._interrupt()
            self.responses.callee_speaks = True
        self.responses.owed = False
        self._callee_spoke, self._replied = True, False
        self._meter.speech_began()
        self._silence.callee_spoke()
        self._tools.callee_spoke()
        # The audio that the service takes along from before the first sound is no speech.
        heard_ms = event.audio_start_ms + self.detection.takes_along_ms
        began_ms = min(self._began_ms + heard_ms, now_ms)
        self._items.user_began(event.item_id, max(0, began_ms))
        self._recent.speech_began(max(0, began_ms))

    def _interrupt(self) -> None:
        if not self.speech.silent:
            self.emit(ClearAudio())
        cut = self._delivery.break_off()
        if cut:
            self._meter.interruptions += 1
        active = self.responses.active
        if active is not None:
            self._drop(active, cancel=not self.detection.interrupts_itself)
        for heard in cut:
            self._cut_item(heard)
        if self._opening.under_way and cut:
            self._open_up()
        self._items.tell_finished(self.speech.now_ms)

    def _cut_item(self, heard: HeardItem) -> None:
        if self._delivery.can_be_cut(heard) and self._send is not None:
            self._send(wire.truncate_item(heard.item_id, heard.heard_ms))
        self._settle_agent(heard, cut=not heard.whole)

    def _speech_stopped(self) -> None:
        self.responses.callee_speaks = False
        self.detection.speech_stopped()
        self.responses.owed = self.detection.answers_this
        self._meter.speech_stopped(self.speech.now_ms)

    def _committed(self, event: events.Committed) -> None:
        self._items.user_finished(event.item_id, event.previous_item_id, self.speech.now_ms)
        if not self._transcribed_at_all:
            self._silence.callee_said_something()
        if not self.detection.answers_this and not self._opening.answers(event.item_id):
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
        text = event.text or ""
        self._meter.transcribed(event.usage)
        if not self.responses.callee_speaks:
            self._recent.known()
        self._items.user_words(event.item_id, text, now_ms, all_of_them=True)
        self._opening.understood(event.item_id, text)
        if event.text is None or text.strip():
            self._silence.callee_said_something()
        self._items.tell_finished(now_ms)

    def _response_created(self, event: events.ResponseCreated) -> None:
        ask = self.responses.created(event.response_id, event.ask)
        if ask is not None and ask.owner is _GREETING:
            self._opening.response_id = event.response_id
        # One that was asked for just when the callee began to speak came too late to be cancelled.
        wanted = self._ending.wants(ours=ask is not None) and not self.responses.callee_speaks
        if not wanted:
            self._drop(event.response_id, cancel=True)

    def _audio(self, event: events.AudioDelta) -> None:
        if self._delivery.audio(event):
            ask = self.responses.active_ask
            self._replied = self._replied or ask is None or ask.words is None
            self._meter.sound_sent()
            self._opening.sounded(event.response_id, self.speech.now_ms)

    def _output_done(self, response_id: str, item_id: str) -> None:
        if self._delivery.item_done(response_id, item_id):
            self._after_playing()

    def _response_done(self, event: events.ResponseDone) -> None:
        ask = self.responses.active_ask
        self.responses.done(event.response_id)
        self._meter.response(event.usage)
        wanted = self._delivery.response_done(event.response_id)
        being_heard = self._delivery.under_way(cut=False)
        self._items.settle_agents(except_for=being_heard, only=event.messages)
        for call in event.calls:
            self._items.call(call.item_id, call.call_id, call.name, call.arguments)
        if not wanted or event.status == "cancelled":
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
        if self._ending.reason is not None:
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
            session = {"audio": {"input": {"turn_detection": self.detection.wanted}}}
            self._send(wire.session_update(session, event_id="detection"))

    def _close_detection(self) -> None:
        self.detection.closing = True
        if not self._opening.under_way:
            self._configure_detection()

    def _drop(self, response_id: str, *, cancel: bool) -> None:
        self._delivery.drop(response_id)
        if cancel and self._send is not None:
            self._send(wire.cancel_response(response_id))

    def _press_keys(self) -> None:
        """Send the tones of keys, once nothing more comes of what is being said."""
        while self._keys and not self.responses.expecting:
            self._keys_pressed += 1
            self._delivery.tones(f"keys_{self._keys_pressed}", self._keys.popleft())

    def _see_whether_over(self) -> None:
        """Once the last word was heard, the conversation is over."""
        ending = self._ending
        if ending.told or ending.reason is None or ending.goodbye_due:
            return
        if self.responses.idle and self.speech.silent and not self._keys:
            ending.told = True
            self._items.tell_finished(self.speech.now_ms)
            self.emit(ConversationOver(ending.reason))

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
        self._send(wire.create_response(ask.response(), event_id=ask.name))


def _nobody(_event: VoiceEvent) -> None:
    """Whom a conversation that is over speaks to."""
