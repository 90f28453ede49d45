"""Who is rung: what they say, and how they behave on the telephone."""

from __future__ import annotations

import functools
import math
import struct
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from patter_core.audio import mulaw
from patter_core.audio.frames import (
    FRAME_BYTES,
    FRAME_MS,
    SAMPLE_RATE_HZ,
    SILENCE,
    SILENT_FRAME,
    whole_frames,
)
from patter_core.speech.markers import Began, Ended, MarkerDetector, encode

if TYPE_CHECKING:
    from collections.abc import Iterator

Behaviour = Literal["talks", "busy", "no_answer", "silent", "voicemail", "unreachable"]
Reply = Callable[[list[str]], str | None]

_VOICEMAIL_GREETING = "You have reached my voicemail. Please leave a message after the tone."
_BEEP_HZ = 1_000
_BEEP_SEC = 0.4


@dataclass(frozen=True, slots=True)
class Callee:
    """A person, or a machine, behind a number.

    Attributes:
        says: Lines, said one by one: the first after picking up, each next one when the agent has
            finished; after the last one they hang up. Or a function of all that was heard so far,
            which returns the next line or None to hang up; it runs on the network's thread. For
            voicemail the first line is the greeting.
        behave: "talks"; "busy"; "no_answer" rings on; "silent" answers, says nothing and never
            hangs up; "voicemail" greets, beeps and listens; "unreachable" cannot be rung.
        rings_sec: How long it rings before they answer, or before the line is found busy.
        pause_sec: How long the line must be quiet before they think the agent has finished.
        hangs_up_after_turns: They hang up once they have heard this many turns of the agent.
        hangs_up_after_sec: They hang up this long after answering, whatever goes on.
        interrupts_after_sec: Rude: when the agent has spoken this long they say their next line.
        answered_by: What machine detection finds; by default what fits `behave`.
        verdict_sec: How long after the answer machine detection takes to find it.
        listens_sec: How long a voicemail records before it hangs up.
    """

    says: Sequence[str] | Reply = ()
    behave: Behaviour = "talks"
    rings_sec: float = 2.0
    pause_sec: float = 0.6
    hangs_up_after_turns: int | None = None
    hangs_up_after_sec: float | None = None
    interrupts_after_sec: float | None = None
    answered_by: str | None = None
    verdict_sec: float = 3.0
    listens_sec: float = 60.0

    def __post_init__(self) -> None:
        if isinstance(self.says, str):
            raise TypeError("says is a list of lines, not one text")

    @property
    def greeting(self) -> str:
        """What a voicemail says before its beep."""
        if not callable(self.says) and self.says:
            return self.says[0]
        return _VOICEMAIL_GREETING

    def verdict(self, mode: str) -> tuple[str, float]:
        """What machine detection finds in `mode`, and how many seconds after the answer."""
        if self.answered_by is not None:
            return self.answered_by, self.verdict_sec
        if self.behave == "voicemail":
            if mode != "DetectMessageEnd":
                return "machine_start", self.verdict_sec
            greeting_sec = len(encode(self.greeting)) / SAMPLE_RATE_HZ
            return "machine_end_beep", self.pause_sec + greeting_sec + _BEEP_SEC
        return ("unknown" if self.behave == "silent" else "human"), self.verdict_sec


class Handset:
    """A callee's end of an answered call, a pure machine that moves 20 ms with each `tick`."""

    def __init__(self, callee: Callee) -> None:
        """Pick up."""
        self.heard: list[str] = []
        self.said: list[str] = []
        self.hung_up = False
        self._callee = callee
        self._lines: Iterator[str] | None = None if callable(callee.says) else iter(callee.says)
        self._ear = MarkerDetector()
        self._mouth: deque[bytes] = deque()
        self._line = ""
        self._frames = 0
        self._quiet_frames = 0
        self._agent_frames = 0
        self._interrupted = False
        self._turns = 0
        self._leaves_after_line = False
        self._my_turn = callee.behave in ("talks", "voicemail")
        self._pause_frames = max(1, round(callee.pause_sec * 1_000 / FRAME_MS))

    def tick(self, played: bytes) -> bytes:
        """Hear `played` (a frame, or less) and give the frame to send meanwhile."""
        self._frames += 1
        if played and played.strip(SILENCE):
            self._hear(played)
        elif not self._mouth:
            self._quiet_frames += 1
            if self._quiet_frames == self._pause_frames:
                self._finish_turn()
        if not self._mouth and not self.hung_up:
            self._consider()
        if not self._mouth:
            return SILENT_FRAME
        frame = self._mouth.popleft()
        if not self._mouth:
            self._finish_line()
        return frame

    def _hear(self, played: bytes) -> None:
        self._quiet_frames = 0
        self._agent_frames += 1
        pending = self._ear.pending
        for event in self._ear.feed(played.ljust(FRAME_BYTES, SILENCE)):
            match event:
                case Began():
                    # What was cut off is what a person would have heard of it.
                    if pending:
                        self.heard.append(pending)
                case Ended(text):
                    self.heard.append(text)

    def _finish_turn(self) -> None:
        """The line has been quiet for long enough: whatever the agent was saying is over."""
        if pending := self._ear.pending:
            self.heard.append(pending)
        self._ear = MarkerDetector()
        if self._agent_frames:
            self._agent_frames = 0
            self._interrupted = False
            self._turns += 1
            self._my_turn = self._callee.behave == "talks"

    def _consider(self) -> None:
        callee = self._callee
        if self._past(callee.hangs_up_after_sec):
            self.hung_up = True
        elif callee.behave == "voicemail":
            self._consider_as_voicemail()
        elif self._quiet_frames < self._pause_frames:
            self._consider_interrupting()
        elif callee.hangs_up_after_turns is not None and self._turns >= callee.hangs_up_after_turns:
            self.hung_up = True
        elif callee.behave == "talks" and self._my_turn:
            self._speak_next()

    def _consider_as_voicemail(self) -> None:
        if self._my_turn and self._quiet_frames >= self._pause_frames:
            self._my_turn = False
            self._speak(self._callee.greeting, then=_beep())
        elif self._past(self._callee.listens_sec):
            self.hung_up = True

    def _consider_interrupting(self) -> None:
        after_sec = self._callee.interrupts_after_sec
        if after_sec is None or self._interrupted or not self._agent_frames:
            return
        if self._agent_frames * FRAME_MS >= after_sec * 1_000:
            self._interrupted = True
            self._speak_next()

    def _past(self, seconds: float | None) -> bool:
        return seconds is not None and self._frames * FRAME_MS >= seconds * 1_000

    def _speak_next(self) -> None:
        self._my_turn = False
        if self._lines is not None:
            line = next(self._lines, None)
        elif callable(self._callee.says):
            line = self._callee.says(list(self.heard))
        else:
            line = None
        if line is None:
            self.hung_up = True
            return
        self._speak(line)
        if not callable(self._callee.says):
            said = len(self.said) + 1
            self._leaves_after_line = said == len(self._callee.says)

    def _speak(self, line: str, then: bytes = b"") -> None:
        self._line = line
        self._mouth.extend(whole_frames(encode(line) + then))

    def _finish_line(self) -> None:
        self.said.append(self._line)
        self._quiet_frames = 0
        if self._interrupted:
            # What was cut off asks for no answer: whoever interrupts waits to be answered.
            self._interrupted = False
            self._agent_frames = 0
        if self._leaves_after_line:
            self.hung_up = True


@functools.cache
def _beep() -> bytes:
    step = 2 * math.pi * _BEEP_HZ / SAMPLE_RATE_HZ
    length = round(_BEEP_SEC * SAMPLE_RATE_HZ)
    samples = (round(8_000 * math.sin(step * sample)) for sample in range(length))
    return mulaw.encode(struct.pack(f"<{length}h", *samples))
