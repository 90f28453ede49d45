"""The callee's side of a conversation: what is heard of them, and what that means for the others.

Decides nothing about the agent's speech: whoever is interrupted is told so by `interrupt`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from patter_core.audio.frames import BYTES_PER_MS
from patter_core.pipeline.realtime.recent import RecentAudio

if TYPE_CHECKING:
    from collections.abc import Callable

    from patter_core.pipeline.realtime import events
    from patter_core.pipeline.realtime.detection import Detection
    from patter_core.pipeline.realtime.items import Items
    from patter_core.pipeline.realtime.meter import RealtimeMeter
    from patter_core.pipeline.realtime.opening import Opening
    from patter_core.pipeline.realtime.responses import Responses
    from patter_core.pipeline.realtime.silence import Silence


class Callee:
    """One conversation's callee.

    Attributes:
        spoke: They have said something, at any time.
        answered: The model has said something since they spoke last.
        recent: Their audio, as far as another connection may have to hear it.
    """

    def __init__(
        self,
        *,
        items: Items,
        responses: Responses,
        detection: Detection,
        opening: Opening,
        silence: Silence,
        meter: RealtimeMeter,
        interrupt: Callable[[], None],
        transcribed: bool,
    ) -> None:
        """Tell all these of what is heard; `transcribed` if their words are to be written down."""
        self.spoke = self.answered = False
        self.recent = RecentAudio()
        self._items = items
        self._responses = responses
        self._detection = detection
        self._opening = opening
        self._silence = silence
        self._meter = meter
        self._interrupt = interrupt
        self._transcribed = transcribed
        self._since_ms = 0  # When this connection began to hear.

    def take_missed(self, now_ms: int) -> bytes:
        """What a connection that begins now has to hear first."""
        missed = self.recent.take_missed()
        self._since_ms = now_ms - len(missed) // BYTES_PER_MS
        return missed

    def speech_started(self, event: events.SpeechStarted, now_ms: int) -> None:
        """They begin to speak."""
        if not self._opening.lets_pass(event.item_id, now_ms):
            # Before anything else: the agent must not talk over them.
            self._interrupt()
            self._responses.callee_speaks = True
        self._responses.owed = False
        self.spoke, self.answered = True, False
        self._meter.speech_began()
        self._silence.callee_spoke()
        # The audio that the service takes along from before the first sound is no speech.
        heard_ms = event.audio_start_ms + self._detection.takes_along_ms
        began_ms = max(0, min(self._since_ms + heard_ms, now_ms))
        self._items.user_began(event.item_id, began_ms)
        self.recent.speech_began(began_ms)

    def speech_stopped(self, now_ms: int) -> None:
        """They have finished, as far as the service can tell."""
        self._responses.callee_speaks = False
        self._detection.speech_stopped()
        self._responses.owed = self._detection.answers_this
        self._meter.speech_stopped(now_ms)

    def committed(self, event: events.Committed, now_ms: int) -> None:
        """What they said is part of the conversation."""
        self._items.user_finished(event.item_id, event.previous_item_id, now_ms)
        if not self._transcribed:
            self._silence.callee_said_something()
        if not self._detection.answers_this and not self._opening.answers(event.item_id):
            self._responses.reply()

    def transcribed(self, event: events.Transcribed, now_ms: int) -> None:
        """Their words are known, or will not be."""
        text = event.text or ""
        self._meter.transcribed(event.usage)
        if not self._responses.callee_speaks:
            self.recent.known()
        self._items.user_words(event.item_id, text, now_ms, all_of_them=True)
        self._opening.understood(event.item_id, text)
        if event.text is None or text.strip():
            self._silence.callee_said_something()
        self._items.tell_finished(now_ms)
