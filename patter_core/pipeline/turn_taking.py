"""Whose turn it is: when someone has finished, what is an interruption, what silence means.

A pure machine: an event and the conversation's time go in, commands come out, in the order in
which they must be carried out. It knows no audio and no task. Whoever carries the commands out
reports for each `Speak`, `Press`, `Reply` and `GoOn` once at most that the agent `AgentBegan`, and
at last that it `AgentEnded`, unless it was told meanwhile to `CutOff` or `TakeBack`.

A tool at work takes nobody's turn. While it runs the agent is quiet, or says what was queued; the
callee may speak, and is answered; only "okay" and the like is no more than it is during the
agent's own words, and nobody is asked whether they are there. Its answer calls for a reply of the
agent as words of the callee do, once no tool runs any more. If the reply that asked for it is
still being heard then, the model thinks ahead, and its turn follows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, assert_never

from patter_core.pipeline.agenda import Agenda, Queued
from patter_core.pipeline.callee_speech import CalleeSpeech
from patter_core.pipeline.phrases import phrase_book, words_of
from patter_core.pipeline.speech_to_text import SpeechBegan, SpeechEnded, SpeechPaused
from patter_core.pipeline.turn_events import (
    AgentBegan,
    AgentEnded,
    CutOff,
    DigitsAsked,
    Finish,
    FinishAsked,
    ForgetThought,
    GoOn,
    HoldBack,
    LetGo,
    MessageAsked,
    Press,
    Record,
    Reply,
    SayAsked,
    SayingWithdrawn,
    Speak,
    Started,
    Stopped,
    TakeBack,
    ThinkAhead,
    TimePassed,
    ToolsAnswered,
    ToolsAsked,
    TurnCommand,
    TurnEvent,
)

if TYPE_CHECKING:
    from patter_core.pipeline.turn_settings import TurnSettings

NEVER = float("inf")

_NAME_WORDS = 3  # "Joe's Pizza, hello": who picks up says no more than that in one breath.
_PICKING_UP_MS = 1_500  # How long it takes to say it.
_ANSWERS_EARLY_MS = 1_000  # A "yes" so shortly before the agent's last word was its answer.


_Kind = Literal["greeting", "saying", "progress", "digits", "reply", "prompt", "goodbye"]
_GIVEN_UP_FOR_WORDS = ("progress", "reply", "prompt", "goodbye")


class TurnTaking:
    """One conversation's turns.

    The agent is quiet, prepares a turn, or can be heard: this decides, from what is heard of the
    callee (`CalleeSpeech`) and from what the agent has yet to say (`Agenda`).

    Attributes:
        due_ms: When `TimePassed` has to be told; `NEVER` while only events matter.
    """

    def __init__(self, settings: TurnSettings, *, greeting: str = "") -> None:
        """Nobody can be heard yet; `Started` begins."""
        self.due_ms: float = NEVER
        self._settings = settings
        self._back_channels = phrase_book(settings.back_channels)
        self._pick_ups = phrase_book((*settings.pick_ups, *settings.back_channels))
        self._now = 0
        self._commands: list[TurnCommand] = []
        self._started = False
        self._over = False

        self._agent: Literal["quiet", "preparing", "audible"] = "quiet"
        self._kind: _Kind = "saying"
        self._owner: object = None  # Of what is being said.
        self._held = False
        self._audible_ms = 0
        self._greeting = greeting
        self._greet_ms = 0
        self._agenda = Agenda(tool_rounds=settings.tool_rounds)
        self._ending: str | None = None  # Why, once the conversation is to be over.
        self._to_a_machine = False  # What is said is a message that nobody answers.

        self._callee = CalleeSpeech(
            longest_ms=round(settings.longest_utterance_sec * 1_000),
            words_wait_ms=settings.text_wait_ms,
        )
        self._unheeded: list[str] = []  # Said, but no answer was called for.
        self._unanswered: list[str] = []
        self._back_channel_ms: int | None = None
        self._cut_by_sound = False  # And whether there were words in it is not known yet.
        self._quiet_ms = 0  # Since when nobody has spoken.
        self._prompts = 0

    def apply(self, event: TurnEvent, now_ms: int) -> tuple[TurnCommand, ...]:
        """What `event` calls for, at `now_ms` of the conversation's time."""
        self._now = max(self._now, now_ms)
        self._commands = []
        match event:
            case Started():
                self._start()
            case SpeechBegan() | SpeechPaused() if self._to_a_machine:
                pass  # It does not listen to us, nor we to it.
            case SpeechEnded(text=text) if self._to_a_machine:
                self._overheard(text)
            case SpeechBegan():
                self._speech_began()
            case SpeechPaused():
                self._speech_paused()
            case SpeechEnded(text=text):
                self._speech_ended(text)
            case SayAsked(text=text, owner=owner):
                self._say(text, owner)
            case SayingWithdrawn(owner=owner):
                self._withdraw(owner)
            case DigitsAsked(digits=digits):
                self._enqueue(Queued(kind="digits", text=digits))
            case FinishAsked(reason=reason):
                self._end(reason)
            case MessageAsked(text=text, reason=reason):
                self._leave_message(text, reason)
            case ToolsAsked():
                self._agenda.ask_tools()
            case ToolsAnswered():
                self._agenda.hear_from_tools()
                self._quiet_ms = self._now
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
            self._agenda.replied = self._agenda.replied or self._kind == "reply"
            self._interrupt_if_they_insist()

    def _agent_ended(self) -> None:
        if self._agent == "quiet":
            return
        self._agent, self._held, self._quiet_ms = "quiet", False, self._now
        if self._kind == "goodbye":
            self._finish(self._ending or self._silent_reason())
        if self._back_channel_ms is not None:
            if self._now - self._back_channel_ms <= _ANSWERS_EARLY_MS:
                self._unanswered, self._unheeded = [*self._unheeded, *self._unanswered], []
            self._back_channel_ms = None

    def _take_turn(self, kind: _Kind, command: TurnCommand) -> None:
        self._agent, self._kind, self._held = "preparing", kind, False
        self._back_channel_ms = self._owner = None
        self._agenda.begin_turn(thought=isinstance(command, Reply) and command.thought)
        self._commands.append(command)

    def _begin_what_can_begin(self) -> None:
        if not self._started or self._over:
            return
        if self._agent == "quiet":
            self._begin_a_turn()
        if self._agent != "quiet":
            self._think_ahead()

    def _begin_a_turn(self) -> None:
        if self._agenda.next_kind == "digits" and not self._greeting:
            self._take_next()  # A machine that recites its menu can be pressed keys at any time.
        elif self._ending is not None and self._nothing_left_to_say():
            self._finish(self._ending)
        elif not self._callee.has_the_line():
            self._begin_on_a_free_line()

    def _begin_on_a_free_line(self) -> None:
        if self._greeting:
            if self._now >= self._greet_ms:
                greeting, self._greeting = self._greeting, ""
                self._take_turn("greeting", Speak(greeting))
        elif self._agenda:
            self._take_next()
        elif self._unanswered and self._ending is None:
            if self._now >= self._answer_due():
                self._agenda.answering()
                self._reply((*self._unheeded, *self._unanswered))
        elif self._agenda.tools_answered:
            self._reply(tuple(self._unheeded))
        elif self._now >= self._prompt_due():
            self._break_silence()

    def _take_next(self) -> None:
        item = self._agenda.take()
        match item.kind:
            case "digits":
                self._take_turn("digits", Press(item.text))
            case "reply":
                self._take_turn("reply", Reply((), thought=True))
            case _:
                self._take_turn(item.kind, Speak(item.text))
                self._owner = item.owner

    def _reply(self, texts: tuple[str, ...]) -> None:
        self._unheeded, self._unanswered = [], []
        self._agenda.tools_due = False
        self._take_turn("reply", Reply(texts, tools=self._may_ask_for_tools()))

    def _may_ask_for_tools(self) -> bool:
        return self._ending is None and self._agenda.may_ask_for_tools

    # --- tools, and what they do -------------------------------------------------------------

    def _say(self, text: str, owner: object) -> None:
        kind: Literal["saying", "progress"] = "saying" if owner is None else "progress"
        self._enqueue(Queued(kind=kind, text=text, owner=owner))

    def _enqueue(self, item: Queued) -> None:
        if self._ending is None:
            self._agenda.add(item)

    def _withdraw(self, owner: object) -> None:
        self._agenda.withdraw(owner)
        if self._over:
            return
        if self._owner is owner and self._agent == "preparing":
            self._commands.append(TakeBack())
            self._agent, self._held = "quiet", False
        elif self._owner is owner and self._agent == "quiet":
            self._cut_by_sound = False  # Nor is the rest of it worth saying.

    def _think_ahead(self) -> None:
        """Use the time in which a turn is heard whose words the model knows already."""
        known = self._kind == "progress" or (self._kind == "reply" and self._agenda.asked_in_turn)
        if not known or not self._agenda.tools_answered or self._ending is not None:
            return
        if self._unanswered or self._callee.has_the_line() or self._agenda.has_a_thought:
            return
        self._agenda.think_ahead()
        self._commands.append(ThinkAhead(tools=self._may_ask_for_tools()))

    def _clear_for_words(self) -> None:
        """What the callee said comes before what was to bridge a silence, or was thought ahead."""
        if self._agenda.make_room_for_words():
            self._commands.append(ForgetThought())

    # --- the end -----------------------------------------------------------------------------

    def _end(self, reason: str) -> None:
        if self._ending is None:
            self._ending = reason
            self._greeting = ""
            self._agenda.drop_progress()

    def _leave_message(self, text: str, reason: str) -> None:
        """Nothing else matters any more: not what is being said, and not what will be."""
        if self._to_a_machine or self._over:
            return
        self._to_a_machine, self._ending = True, reason
        if self._agent == "audible":
            self._commands.append(CutOff())
        elif self._agent == "preparing":
            self._commands.append(TakeBack())
        self._agent, self._held, self._cut_by_sound = "quiet", False, False
        self._callee.fall_silent()
        self._greeting = ""
        self._agenda.clear()
        self._unanswered = []
        self._take_turn("goodbye", Speak(text))

    def _overheard(self, text: str) -> None:
        """A machine's words, which come late: they belong into the record all the same."""
        if text.strip():
            self._commands.append(Record(text.strip(), self._now))

    def _nothing_left_to_say(self) -> bool:
        """Whether a conversation that is to be over is."""
        if self._agenda:
            return False
        if self._cut_by_sound and self._callee.has_the_line():
            return False  # It may have been a cough, and half a goodbye is none.
        # A model that asked to end the call without a word gets the chance to say goodbye.
        return self._agenda.replied or not (self._agenda.tools_run or self._agenda.tools_due)

    def _break_silence(self) -> None:
        if self._prompts < self._settings.silence_prompts:
            self._prompts += 1
            self._take_turn("prompt", Speak(self._settings.silence_prompt))
        elif self._settings.goodbye:
            self._take_turn("goodbye", Speak(self._settings.goodbye))
        else:
            self._finish(self._silent_reason())

    def _finish(self, reason: str) -> None:
        if not self._over:
            self._over = True
            self._commands.append(Finish(reason))

    def _silent_reason(self) -> str:
        said = "said nothing any more" if self._callee.sounds_count() else "never spoke clear words"
        return f"The other side {said}"

    # --- the callee --------------------------------------------------------------------------

    def _speech_began(self) -> None:
        if self._callee.state == "speaking":
            return
        self._callee.begin(self._now)
        holds_back = self._agent == "preparing" and self._callee.has_the_line() and not self._over
        holds_back = holds_back and self._kind != "digits"
        if holds_back and not self._held:
            self._held = True
            self._commands.append(HoldBack())
        self._interrupt_if_they_insist()

    def _speech_paused(self) -> None:
        if self._callee.state == "speaking":
            self._interrupt_if_they_insist()
            self._callee.pause(self._now)

    def _speech_ended(self, text: str) -> None:
        words = words_of(text)
        if words and self._callee.is_repeated(words, self._now):
            return
        began_ms, self._callee.began_ms = self._callee.began_ms, None
        if not words:
            self._only_a_sound()
            return
        self._callee.understood(words, self._now)
        self._quiet_ms, self._prompts = self._now, 0
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

    def _is_heeded(self, words: tuple[str, ...], since_ms: int) -> bool:
        """Whether what was said calls for an answer, whatever the agent does just now."""
        if self._greeting:
            return False  # The greeting is the answer.
        if self._agent == "quiet":
            return not (self._agenda.tools_run and self._back_channels.covers(words))
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
        elif self._agent == "preparing" and self._is_given_up_for_words():
            self._commands.append(TakeBack())
            self._agent, self._held = "quiet", False
        if self._ending is None:
            self._clear_for_words()

    def _is_given_up_for_words(self) -> bool:
        # What is said last is not answered any more, and still deserves its goodbye.
        return self._ending is None and self._kind in _GIVEN_UP_FOR_WORDS

    def _let_go(self) -> None:
        if self._held and self._agent == "preparing":
            self._commands.append(LetGo())
        self._held = False

    def _is_interruptible(self) -> bool:
        if self._kind == "digits":
            return False
        return self._kind != "greeting" or self._settings.interruptible_greeting

    def _only_a_sound(self) -> None:
        """What was heard had no words; it is over, or is taken for noise."""
        if self._callee.state == "quiet":
            return
        sound_ms = self._callee.was_only_a_sound(self._now)
        self._quiet_ms = min(self._now, self._quiet_ms + sound_ms)
        self._let_go()
        goes_on = self._cut_by_sound and self._agent == "quiet" and self._callee.sounds_count()
        self._cut_by_sound = False
        if goes_on and not self._over:
            kinds: dict[_Kind, _Kind] = {"goodbye": "goodbye", "progress": "progress"}
            owner = self._owner
            self._take_turn(kinds.get(self._kind, "saying"), GoOn())
            self._owner = owner

    # --- time --------------------------------------------------------------------------------

    def _time_passed(self) -> None:
        self._interrupt_if_they_insist()
        if self._callee.has_the_line() and self._now >= self._callee.words_due():
            self._only_a_sound()

    def _interrupt_if_they_insist(self) -> None:
        if self._now >= self._interrupt_due():
            self._commands.append(CutOff())
            self._agent, self._cut_by_sound, self._back_channel_ms = "quiet", True, None

    def _interrupt_due(self) -> float:
        """When speech over the agent's turn becomes an interruption."""
        speaks_over = self._agent == "audible" and self._callee.state == "speaking"
        if not speaks_over or self._over or not self._callee.sounds_count():
            return NEVER
        if not self._is_interruptible():
            return NEVER
        after_ms = self._settings.interrupt_after_ms
        if self._is_picking_up(self._callee.speaking_ms):
            after_ms = max(after_ms, _PICKING_UP_MS)
        return max(self._callee.speaking_ms, self._audible_ms) + after_ms

    def _answer_due(self) -> int:
        """When what the callee said is answered, unless more of it follows."""
        return self._callee.last_words_ms + self._settings.end_of_turn_ms

    def _prompt_due(self) -> float:
        if self._ending is not None or self._agenda.tools_run:
            return NEVER
        silence_ms = round(self._settings.silence_prompt_sec * 1_000)
        return self._quiet_ms + silence_ms if silence_ms else NEVER

    def _due(self) -> float:
        if self._callee.has_the_line():
            return min(self._callee.words_due(), self._interrupt_due())
        if not self._started or self._over or self._agent != "quiet":
            return NEVER
        if self._greeting:
            return self._greet_ms
        if self._unanswered and self._ending is None:
            return self._answer_due()
        return self._prompt_due()
