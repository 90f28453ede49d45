"""What a Realtime conversation does about each event: it reads, decides and writes; it never waits.

Whoever holds the connection gives it events and takes what it sends; across a lost connection it
goes on with another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from patter_core.audio.dtmf import tones
from patter_core.pipeline.realtime import events, wire
from patter_core.pipeline.realtime.callee import Callee
from patter_core.pipeline.realtime.delivery import Delivery
from patter_core.pipeline.realtime.detection import Detection
from patter_core.pipeline.realtime.ending import Ending
from patter_core.pipeline.realtime.failures import Failures
from patter_core.pipeline.realtime.items import Items
from patter_core.pipeline.realtime.opening import Opening
from patter_core.pipeline.realtime.responses import Responses
from patter_core.pipeline.realtime.silence import REASON, Silence
from patter_core.pipeline.realtime.tools import ToolTurns
from patter_core.pipeline.realtime.upstream import Upstream
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
        self._opening = Opening(plan.turns, plan.greeting)
        self.detection = Detection(detection, self._opening)
        self._ending = Ending()
        self._silence = Silence(plan.turns)
        self._items = Items(lambda turn: self.emit(TurnFinished(turn)))
        self._delivery = Delivery(
            lead_ms=plan.lead_ms, encoding=encoding, wish=lambda wish: self.emit(wish)
        )
        self.speech = self._delivery.speech
        self._callee = Callee(
            items=self._items,
            responses=self.responses,
            detection=self.detection,
            opening=self._opening,
            silence=self._silence,
            meter=meter,
            interrupt=self._interrupt,
            transcribed=transcribed,
        )
        self._redact = plan.redaction.redact
        self._tools = ToolTurns(plan.tools, self, most_rounds=plan.turns.tool_rounds)
        self._upstream = Upstream()
        self._group: asyncio.TaskGroup | None = None
        self._failures = Failures(self.responses, call_id=plan.call_id)
        self._mind_ms = 0

    # --- the connection ----------------------------------------------------------------------

    def attach(self, send: Callable[[str], None]) -> None:
        """There is a connection, configured with `detection.wanted` as it is now."""
        self._upstream.attach(send)
        self.detection.in_force()
        for item in self._items.again(self._delivery.under_way(cut=False)):
            self._upstream.item(item)
        if missed := self._callee.take_missed(self.speech.now_ms):
            self._upstream.audio(self._encoding.to_service(missed))
        self._ask_next()

    def lost(self) -> None:
        """The connection is gone, and everything that was under way on it."""
        self._upstream.lost()
        half_said = self._delivery.lost()
        self._items.settle_agents(except_for=self._delivery.under_way(cut=False))
        self._items.settle_users()
        asked = self.responses.lost()
        if asked is not None and asked.words is not None:
            # What was to be said word for word is said again, but a greeting is not begun twice.
            greeted = asked.owner is _GREETING and self.speech.started_ms is not None
            if not greeted:
                self.responses.say(asked.words, owner=asked.owner, first=True)
                half_said = False
        if self._callee.recent.lost(self.speech.now_ms):
            return  # The next connection hears it again, and answers.
        if (half_said or self._items.awaits_answer) and not self._tools.running:
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
            wordless = self._tools.running and not self._callee.answered
            self._ending.begin(reason, answer_owed=self.responses.owed, goodbye_due=wordless)
            self.responses.stop()
            self._close_detection()
            self._see_whether_over()

    def leave_message(self, text: str, reason: str) -> None:
        """See `VoiceSession.leave_message`."""
        if self._ending.reason is None:
            self._interrupt()
            self._ending.leave_message(reason)
            self.responses.say_only(self._redact(text))
            self._close_detection()
            self._ask_next()

    def send_digits(self, digits: str) -> None:
        """See `VoiceSession.send_digits`."""
        self._delivery.keys.append(tones(digits))
        self._press_keys()

    def end(self) -> None:
        """The call is over: nothing more is sent to the callee, or asked for."""
        self.emit = _nobody
        self._group = None
        self.responses.stop()
        self.speech.drop_unsent()

    def hear_audio(self, audio: bytes) -> None:
        """See `VoiceSession.hear_audio`."""
        connected = self._upstream.connected
        if connected and not self._ending.to_a_machine:
            self._upstream.audio(self._encoding.to_service(audio))
            self._meter.hear(audio)
        self._callee.recent.add(audio, missed=not connected)
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
            self.responses.say(self._redact(text), owner=owner)
            self._ask_next()

    def forget(self, owner: object) -> None:
        """What `owner` wanted said is not wanted any more."""
        self.responses.forget(owner)

    def tool_answered(self, call_id: str, output: str) -> None:
        """Give a tool's answer to the model."""
        self._items.output(call_id, output)
        self._upstream.item(wire.output_item(call_id, output))

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
        now_ms = self.speech.now_ms
        match event:
            case events.AudioDelta():
                self._audio(event)
            case events.TextDelta(item_id=item_id, text=text):
                self._delivery.more_words(item_id, text)
            case events.TextDone(item_id=item_id, text=text):
                self._delivery.all_words(item_id, text)
            case events.SpeechStarted():
                self._callee.speech_started(event, now_ms)
                self._tools.callee_spoke()
            case events.SpeechStopped():
                self._callee.speech_stopped(now_ms)
            case events.Committed():
                self._callee.committed(event, now_ms)
            case events.ItemAdded():
                self._item_added(event)
            case events.TranscriptionDelta(item_id=item_id, text=text):
                self._items.user_words(item_id, text, now_ms, all_of_them=False)
            case events.Transcribed():
                self._callee.transcribed(event, now_ms)
            case events.ResponseCreated():
                self._response_created(event)
            case events.OutputDone(response_id=response_id, item_id=item_id):
                self._output_done(response_id, item_id)
            case events.ResponseDone():
                self._response_done(event)
            case events.Fault():
                self._failures.objection(event, now_ms)
            case events.SessionUpdated():
                self.detection.in_force()
            case events.RateLimits(remaining=remaining):
                self._meter.rate_limit(remaining)
            case events.SessionCreated():
                pass
            case _:
                assert_never(event)
        self._ask_next()
        if self._delivery.keys:
            self._press_keys()
        if self._ending.reason is not None:
            self._see_whether_over()

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
        if self._delivery.can_be_cut(heard):
            self._upstream.truncate(heard.item_id, heard.heard_ms)
        self._settle_agent(heard, cut=not heard.whole)

    def _item_added(self, event: events.ItemAdded) -> None:
        match event.kind, event.role:
            case "message", "assistant":
                self._items.add(event.item_id, "agent", event.previous_item_id)
            case "message", "user":
                now_ms = self.speech.now_ms
                self._items.user_finished(event.item_id, event.previous_item_id, now_ms)
            case "function_call", _:
                self._items.add(event.item_id, "call", event.previous_item_id)
            case _:
                self._items.add(event.item_id, "other", event.previous_item_id)

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
            self._callee.answered = self._callee.answered or ask is None or ask.words is None
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
                self._callee.recent.known()  # Whatever it was, it has been answered.
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
        self._upstream.detect(self.detection.wanted)

    def _close_detection(self) -> None:
        self.detection.closing = True
        if not self._opening.under_way:
            self._upstream.detect(self.detection.wanted)

    def _drop(self, response_id: str, *, cancel: bool) -> None:
        self._delivery.drop(response_id)
        if cancel:
            self._upstream.cancel(response_id)

    def _press_keys(self) -> None:
        """Send the tones of keys, once nothing more comes of what is being said."""
        while self._delivery.keys and not self.responses.expecting:
            self._delivery.press()

    def _see_whether_over(self) -> None:
        """Once the last word was heard, the conversation is over."""
        ending = self._ending
        if ending.told or ending.reason is None or ending.goodbye_due:
            return
        if self.responses.idle and self.speech.silent and not self._delivery.keys:
            ending.told = True
            self._items.tell_finished(self.speech.now_ms)
            self.emit(ConversationOver(ending.reason))

    def _greet_when_due(self) -> None:
        if self._opening.due(self.speech.now_ms, callee_spoke=self._callee.spoke):
            self.responses.say(self._redact(self._opening.words), owner=_GREETING, first=True)

    def _mind_the_time(self) -> None:
        now_ms = self.speech.now_ms
        self._greet_when_due()
        responses = self.responses
        busy = (
            not self.speech.silent
            or not responses.idle
            or responses.callee_speaks
            or self._tools.running
            or not self._upstream.connected
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
        if self._upstream.connected and self._group is not None:
            ask = self.responses.next(self.speech.now_ms)
            if ask is not None:
                self._upstream.ask(ask)


def _nobody(_event: VoiceEvent) -> None:
    """Whom a conversation that is over speaks to."""
