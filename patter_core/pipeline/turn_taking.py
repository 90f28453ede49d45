"""Whose turn it is: when someone has finished, what is an interruption, what silence means.

A pure machine: an event and the conversation's time go in, commands come out, in the order in
which they must be carried out. It knows no audio and no task. Whoever carries the commands out
reports for each `Speak`, `Reply` and `GoOn` once at most that the agent `AgentBegan`, and at last
that it `AgentEnded`, unless it was told meanwhile to `CutOff` or `TakeBack`.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Literal, assert_never

from patter_core.pipeline.phrases import phrase_book, words_of
from patter_core.pipeline.speech_to_text import SpeechBegan, SpeechEnded, SpeechPaused
from patter_core.pipeline.turn_events import (
    AgentBegan,
    AgentEnded,
    CutOff,
    Finish,
    GoOn,
    HoldBack,
    LetGo,
    Record,
    Reply,
    SayAsked,
    Speak,
    Started,
    Stopped,
    TakeBack,
    TimePassed,
    TurnCommand,
    TurnEvent,
)

if TYPE_CHECKING:
    from patter_core.pipeline.turn_settings import TurnSettings

NEVER = float("inf")

_NAME_WORDS = 3  # "Joe's Pizza, hello": who picks up says no more than that in one breath.
_PICKING_UP_MS = 1_500  # How long it takes to say it.
_REPEATED_MS = 2_000  # A final that comes again so soon, without new speech, is the same one.
_ANSWERS_EARLY_MS = 1_000  # A "yes" so shortly before the agent's last word was its answer.


_Kind = Literal["greeting", "saying", "reply", "prompt", "goodbye"]


class TurnTaking:
    """One conversation's turns.

    The agent is quiet, prepares a turn, or can be heard; the callee is quiet, speaks, or has paused
    and their words are awaited. Neither's turn lasts without end: speech without words is noise in
    the end, and words that do not come are not waited for.

    Attributes:
        due_ms: When `TimePassed` has to be told; `NEVER` while only events matter.
    """

    def __init__(self, settings: TurnSettings, *, greeting: str = "") -> None:
        """Nobody can be heard yet; `Started` begins."""
        self.due_ms: float = NEVER
        self._settings = settings
        self._back_channels = phrase_book(settings.back_channels)
        self._pick_ups = phrase_book((*settings.pick_ups, *settings.back_channels))
        self._longest_ms = round(settings.longest_utterance_sec * 1_000)
        self._now = 0
        self._commands: list[TurnCommand] = []
        self._started = False
        self._over = False

        self._agent: Literal["quiet", "preparing", "audible"] = "quiet"
        self._kind: _Kind = "saying"
        self._held = False
        self._audible_ms = 0
        self._greeting = greeting
        self._greet_ms = 0
        self._sayings: deque[str] = deque()

        self._callee: Literal["quiet", "speaking", "paused"] = "quiet"
        self._began_ms: int | None = None  # When the utterance began whose words are to come.
        self._speaking_ms = 0  # Since when they speak, or spoke, without a pause.
        self._paused_ms = 0
        self._last_words: tuple[str, ...] = ()
        self._last_words_ms = 0
        self._unheeded: list[str] = []  # Said, but no answer was called for.
        self._unanswered: list[str] = []
        self._back_channel_ms: int | None = None
        self._cut_by_sound = False  # And whether there were words in it is not known yet.

        self._quiet_ms = 0  # Since when nobody has spoken.
        self._wordless_ms = 0  # How long sounds were no silence, since the last words.
        self._prompts = 0

    def apply(self, event: TurnEvent, now_ms: int) -> tuple[TurnCommand, ...]:
        """What `event` calls for, at `now_ms` of the conversation's time."""
        self._now = max(self._now, now_ms)
        self._commands = []
        match event:
            case Started():
                self._start()
            case SpeechBegan():
                self._speech_began()
            case SpeechPaused():
                self._speech_paused()
            case SpeechEnded(text=text):
                self._speech_ended(text)
            case SayAsked(text=text):
                self._sayings.append(text)
            case AgentBegan():
                self._agent_began()
            case AgentEnded():
                self._agent_ended()
            case TimePassed():
                self._time_passed()
            case Stopped():
                self._over, self._held = True, False
            case _:
                assert_never(event)
        self._begin_what_can_begin()
        self.due_ms = self._due()
        return tuple(self._commands)

    # --- the agent ---------------------------------------------------------------------------

    def _start(self) -> None:
        if not self._started:
            self._started = True
            self._quiet_ms = self._now
            self._greet_ms = self._now + self._settings.greet_after_ms

    def _agent_began(self) -> None:
        if self._agent == "preparing":
            self._agent, self._audible_ms = "audible", self._now
            self._interrupt_if_they_insist()

    def _agent_ended(self) -> None:
        if self._agent == "quiet":
            return
        self._agent, self._held, self._quiet_ms = "quiet", False, self._now
        if self._kind == "goodbye":
            self._finish()
        if self._back_channel_ms is not None:
            if self._now - self._back_channel_ms <= _ANSWERS_EARLY_MS:
                self._unanswered, self._unheeded = [*self._unheeded, *self._unanswered], []
            self._back_channel_ms = None

    def _take_turn(self, kind: _Kind, command: TurnCommand) -> None:
        self._agent, self._kind, self._held = "preparing", kind, False
        self._back_channel_ms = None
        self._commands.append(command)

    def _begin_what_can_begin(self) -> None:
        if not self._started or self._over or self._agent != "quiet" or self._has_the_line():
            return
        settings, now = self._settings, self._now
        if self._greeting:
            if now >= self._greet_ms:
                greeting, self._greeting = self._greeting, ""
                self._take_turn("greeting", Speak(greeting))
        elif self._sayings:
            self._take_turn("saying", Speak(self._sayings.popleft()))
        elif self._unanswered:
            if now >= self._last_words_ms + settings.end_of_turn_ms:
                texts = (*self._unheeded, *self._unanswered)
                self._unheeded, self._unanswered = [], []
                self._take_turn("reply", Reply(texts))
        elif now >= self._prompt_due():
            self._break_silence()

    def _break_silence(self) -> None:
        if self._prompts < self._settings.silence_prompts:
            self._prompts += 1
            self._take_turn("prompt", Speak(self._settings.silence_prompt))
        elif self._settings.goodbye:
            self._take_turn("goodbye", Speak(self._settings.goodbye))
        else:
            self._finish()

    def _finish(self) -> None:
        if not self._over:
            self._over = True
            said = "said nothing any more" if self._sounds_count() else "never spoke clear words"
            self._commands.append(Finish(f"The other side {said}"))

    # --- the callee --------------------------------------------------------------------------

    def _speech_began(self) -> None:
        if self._callee == "speaking":
            return
        self._callee, self._speaking_ms = "speaking", self._now
        if self._began_ms is None:
            self._began_ms = self._now
        holds_back = self._agent == "preparing" and self._has_the_line() and not self._over
        if holds_back and not self._held:
            self._held = True
            self._commands.append(HoldBack())
        self._interrupt_if_they_insist()

    def _speech_paused(self) -> None:
        if self._callee == "speaking":
            self._interrupt_if_they_insist()
            self._callee, self._paused_ms = "paused", self._now

    def _speech_ended(self, text: str) -> None:
        words = words_of(text)
        if words and self._is_repeated(words):
            return
        began_ms, self._began_ms = self._began_ms, None
        if not words:
            self._only_a_sound()
            return
        self._callee = "quiet"
        self._last_words, self._last_words_ms = words, self._now
        self._quiet_ms, self._wordless_ms, self._prompts = self._now, 0, 0
        self._cut_by_sound = False
        self._greet_ms = self._now
        since_ms = self._now if began_ms is None else began_ms
        heeded = self._is_heeded(words, since_ms)
        if heeded and not self._over:
            self._make_way()
        self._let_go()
        self._commands.append(Record(text.strip(), since_ms))
        if heeded:
            self._unanswered.append(text.strip())
        else:
            self._unheeded.append(text.strip())
            self._back_channel_ms = self._now

    def _is_repeated(self, words: tuple[str, ...]) -> bool:
        soon = self._now - self._last_words_ms <= _REPEATED_MS
        return self._began_ms is None and words == self._last_words and soon

    def _is_heeded(self, words: tuple[str, ...], since_ms: int) -> bool:
        """Whether what was said calls for an answer, whatever the agent does just now."""
        if self._greeting:
            return False  # The greeting is the answer.
        if self._agent == "quiet":
            return True
        if self._kind == "greeting":
            if self._pick_ups.covers(words):
                return False
            return not (self._is_picking_up(since_ms) and len(words) <= _NAME_WORDS)
        return self._agent == "preparing" or not self._back_channels.covers(words)

    def _is_picking_up(self, since_ms: int) -> bool:
        """Whether speech since then came too soon to be an answer to our greeting."""
        soon = since_ms <= self._audible_ms + self._settings.pick_up_ms
        return self._kind == "greeting" and (self._agent == "preparing" or soon)

    def _make_way(self) -> None:
        """The callee's words come first, if the agent's turn is one that can be given up."""
        if self._agent == "audible" and self._is_interruptible():
            self._commands.append(CutOff())
            self._agent, self._back_channel_ms = "quiet", None
        elif self._agent == "preparing" and self._kind in ("reply", "prompt", "goodbye"):
            self._commands.append(TakeBack())
            self._agent, self._held = "quiet", False

    def _let_go(self) -> None:
        if self._held and self._agent == "preparing":
            self._commands.append(LetGo())
        self._held = False

    def _has_the_line(self) -> bool:
        """Whether the callee speaks, or is about to be understood, as far as anybody can tell."""
        return self._callee != "quiet" and self._sounds_count()

    def _sounds_count(self) -> bool:
        """Whether sounds may still turn out to be words; after long enough without, only words do.

        Otherwise a noisy line, or somebody who never stops, could hold the agent up for ever.
        """
        return self._wordless_ms < self._longest_ms

    def _is_interruptible(self) -> bool:
        return self._kind != "greeting" or self._settings.interruptible_greeting

    def _only_a_sound(self) -> None:
        """What was heard had no words; it is over, or is taken for noise."""
        if self._callee == "quiet":
            return
        ended_ms = self._paused_ms if self._callee == "paused" else self._now
        sound_ms = min(ended_ms - self._utterance_ms(), self._longest_ms - self._wordless_ms)
        self._callee, self._began_ms = "quiet", None
        # A sound is no silence, but it cannot keep us from asking for ever.
        self._wordless_ms += sound_ms
        self._quiet_ms = min(self._now, self._quiet_ms + sound_ms)
        self._let_go()
        goes_on = self._cut_by_sound and self._agent == "quiet" and self._sounds_count()
        self._cut_by_sound = False
        if goes_on and not self._over:
            self._take_turn("goodbye" if self._kind == "goodbye" else "saying", GoOn())

    def _utterance_ms(self) -> int:
        """When the utterance under way began, pauses or not."""
        return self._speaking_ms if self._began_ms is None else self._began_ms

    # --- time --------------------------------------------------------------------------------

    def _time_passed(self) -> None:
        self._interrupt_if_they_insist()
        if self._has_the_line() and self._now >= self._words_due():
            self._only_a_sound()

    def _words_due(self) -> int:
        """When what the callee says counts as noise unless it was understood."""
        due_ms = self._utterance_ms() + self._longest_ms
        if self._callee == "paused":
            due_ms = min(due_ms, self._paused_ms + self._settings.text_wait_ms)
        return due_ms

    def _interrupt_if_they_insist(self) -> None:
        if self._now >= self._interrupt_due():
            self._commands.append(CutOff())
            self._agent, self._cut_by_sound, self._back_channel_ms = "quiet", True, None

    def _interrupt_due(self) -> float:
        """When speech over the agent's turn becomes an interruption."""
        speaks_over = self._agent == "audible" and self._callee == "speaking"
        if not speaks_over or self._over or not self._sounds_count():
            return NEVER
        if not self._is_interruptible():
            return NEVER
        after_ms = self._settings.interrupt_after_ms
        if self._is_picking_up(self._speaking_ms):
            after_ms = max(after_ms, _PICKING_UP_MS)
        return max(self._speaking_ms, self._audible_ms) + after_ms

    def _prompt_due(self) -> float:
        silence_ms = round(self._settings.silence_prompt_sec * 1_000)
        return self._quiet_ms + silence_ms if silence_ms else NEVER

    def _due(self) -> float:
        if self._has_the_line():
            return min(self._words_due(), self._interrupt_due())
        if not self._started or self._over or self._agent != "quiet":
            return NEVER
        if self._greeting:
            return self._greet_ms
        if self._unanswered:
            return self._last_words_ms + self._settings.end_of_turn_ms
        return self._prompt_due()
