"""Who is rung: what they say, and how they behave on the telephone."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Self

from patter_core.simulator.phrasebook import Phrasebook

Behaviour = Literal["talks", "busy", "no_answer", "silent", "voicemail", "unreachable"]
Background = Literal["hiss", "babble"]
Reply = Callable[[list[str]], str | None]

BEEP_SEC = 0.4
"""How long a voicemail beeps after its greeting."""
_VOICEMAIL_GREETING = "You have reached my voicemail. Please leave a message after the tone."
_KEYS = re.compile(r"[0-9*#A-D]+")


class Digits(str):
    """Keys of the telephone: what is pressed rather than spoken.

    Among the lines that a callee says it is pressed; among what a callee heard it was played.
    """

    __slots__ = ()

    def __new__(cls, keys: str) -> Self:
        """Raises ValueError for anything but 0 to 9, *, # and A to D."""
        if not _KEYS.fullmatch(keys):
            raise ValueError("keys are 0 to 9, *, # and A to D")
        return super().__new__(cls, keys)


@dataclass(frozen=True, slots=True)
class Callee:
    """A person, or a machine, behind a number; also one who calls.

    Without `voice` they are text-fast: words travel as marker audio, exactly and in no time. With
    it they are audible: they speak, and understand what they are told to listen for; this needs
    the extra `local`. Either way they hear the keys that are played to them.

    Attributes:
        says: Lines, said one by one: the first after picking up, each next one when the agent has
            finished; after the last one they hang up. `Digits` are pressed. Or a function of all
            that was heard so far, which returns the next line or None to hang up; it runs on the
            network's thread. For voicemail the first line is the greeting.
        behave: "talks"; "busy"; "no_answer" rings on; "silent" answers, says nothing and never
            hangs up; "voicemail" greets, beeps and listens; "unreachable" cannot be rung.
        rings_sec: How long it rings before they answer, or before the line is found busy.
        pause_sec: How long the line must be quiet before they think the agent has finished.
        speaks_first: Whether they say their first line unasked, once the line is quiet.
        hangs_up_after_turns: They hang up once they have heard this many turns of the agent.
        hangs_up_after_sec: They hang up this long after answering, whatever goes on.
        interrupts_after_sec: Rude: when the agent has spoken this long they say their next line.
        answered_by: What machine detection finds; by default what fits `behave`.
        verdict_sec: How long after the answer machine detection takes to find it.
        listens_sec: How long a voicemail records before it hangs up.
        voice: A voice of espeak-ng, as in "en-us", "en+f3"; None for text-fast.
        speed_wpm: How fast they speak, in words a minute.
        pitch: How high they speak, 0 to 99.
        hears: Audible: every phrase that the agent may say, in any order, several at a time.
            They are heard as they are written here; one that breaks off, up to about that word.
            Without `hears` or `grammar` nothing is understood, but turns and keys are noticed.
        grammar: Audible: a JSGF grammar instead of phrases.
        noise_rms: Audible: how loud it is around them, in 16-bit samples: 40 is comfort noise,
            300 a busy room, 3000 as loud as a voice.
        noise: What is around them.
    """

    says: Sequence[str] | Reply = ()
    behave: Behaviour = "talks"
    rings_sec: float = 2.0
    pause_sec: float = 0.6
    speaks_first: bool = True
    hangs_up_after_turns: int | None = None
    hangs_up_after_sec: float | None = None
    interrupts_after_sec: float | None = None
    answered_by: str | None = None
    verdict_sec: float = 3.0
    listens_sec: float = 60.0
    voice: str | None = None
    speed_wpm: int = 160
    pitch: int = 50
    hears: Sequence[str] = ()
    grammar: str = ""
    noise_rms: float = 0.0
    noise: Background = "hiss"

    def __post_init__(self) -> None:
        if isinstance(self.says, str):
            raise TypeError("says is a list of lines, not one text")
        if isinstance(self.hears, str):
            raise TypeError("hears is a list of phrases, not one text")
        if self.voice is None and (self.hears or self.grammar or self.noise_rms):
            raise ValueError('hears, grammar and noise_rms need a voice, as in voice="en-us"')
        if self.hears and self.grammar:
            raise ValueError("a callee hears either phrases or a grammar")
        if self.noise_rms < 0:
            raise ValueError("noise_rms is not negative")
        self.phrasebook()

    @property
    def greeting(self) -> str:
        """What a voicemail says before its beep."""
        if not callable(self.says) and self.says:
            return self.says[0]
        return _VOICEMAIL_GREETING

    def phrasebook(self) -> Phrasebook | None:
        """What they can understand; None for nothing.

        Raises:
            ConfigError: It makes no sense.
        """
        if self.grammar:
            return Phrasebook.of_grammar(self.grammar)
        return Phrasebook.of_phrases(self.hears) if self.hears else None

    def verdict(self, mode: str, greeting_sec: float) -> tuple[str, float]:
        """What machine detection finds in `mode`, and how many seconds after the answer.

        A voicemail's greeting takes `greeting_sec`, its beep excluded.
        """
        if self.answered_by is not None:
            return self.answered_by, self.verdict_sec
        if self.behave == "voicemail":
            if mode != "DetectMessageEnd":
                return "machine_start", self.verdict_sec
            return "machine_end_beep", self.pause_sec + greeting_sec + BEEP_SEC
        return ("unknown" if self.behave == "silent" else "human"), self.verdict_sec
