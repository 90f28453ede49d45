"""A callee's end of an answered call: their manners, whatever their ears and mouth are made of."""

from __future__ import annotations

import functools
import math
import struct
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

from patter_core.audio import mulaw
from patter_core.audio.frames import FRAME_MS, SAMPLE_RATE_HZ, SILENT_FRAME, whole_frames
from patter_core.simulator.callee import BEEP_SEC, Digits

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

    from patter_core.simulator.callee import Callee

_BEEP_HZ = 1_000
_KEY_FRAMES = 10
_LAST_FRAME = -1  # None ever has this number.


class Ears(Protocol):
    """What a callee hears with. What it reports depends on the audio alone."""

    heard: list[str]
    """What was understood, utterance by utterance; `Digits` where keys were played."""
    keys: str
    """All keys that were played."""

    @property
    def behind(self) -> Future[Any] | None:
        """What must be done before time goes on; None for nothing."""
        ...

    def hear(self, played: bytes) -> bool:
        """Take what is played for 20 ms, a frame, less, or nothing; whether it was a sound."""
        ...

    def finish_turn(self) -> None:
        """The agent's turn is over: what was not understood yet is wanted, soon."""
        ...

    def close(self) -> None:
        """The call is over: understand what is left, and let go. Safe to repeat."""
        ...


class Mouth(Protocol):
    """What a callee speaks with."""

    @property
    def behind(self) -> Future[Any] | None:
        """What must be done before time goes on; None for nothing."""
        ...

    @property
    def lingers(self) -> bool:
        """Whether they wait, after their last line, until the line is quiet."""
        ...

    def speech(self, line: str) -> bytes | None:
        """`line` as mu-law audio; None when it is not ready, and `behind` tells when it is."""
        ...

    def over_noise(self, frame: bytes) -> bytes:
        """A frame, silent or not, with what is around them."""
        ...

    def close(self) -> None:
        """The call is over: let go. Safe to repeat."""
        ...


class Handset:
    """A callee with a telephone at their ear: a machine that moves 20 ms with each `tick`.

    Attributes:
        heard: What they understood, utterance by utterance; `Digits` are keys that were played.
        said: Lines that were sent to their end, `Digits` that were pressed among them.
        pressed: Keys that they press now, for the carrier to take.
        hung_up: Whether they did.
    """

    def __init__(self, callee: Callee, ears: Ears, mouth: Mouth) -> None:
        """Pick up."""
        self.heard = ears.heard
        self.said: list[str] = []
        self.pressed = ""
        self.hung_up = False
        self._callee = callee
        self._ears = ears
        self._mouth = mouth
        self._lines: Iterator[str] | None = None if callable(callee.says) else iter(callee.says)
        self._frames_to_say: deque[bytes] = deque()
        self._keys_to_press: deque[tuple[int, str]] = deque()
        self._line = ""
        self._lines_begun = 0
        self._keys_heard = 0
        self._not_ready: tuple[str, bytes] | None = None
        self._frames = 0
        self._quiet_frames = 0
        self._agent_frames = 0
        self._interrupted = False
        self._turns = 0
        self._leaves_after_line = False
        self._leaves = False
        self._my_turn = callee.behave == "voicemail" or (
            callee.behave == "talks" and callee.speaks_first
        )
        self._pause_frames = max(1, round(callee.pause_sec * 1_000 / FRAME_MS))
        self._last_frame = _LAST_FRAME
        if callee.hangs_up_after_sec is not None:
            self._last_frame = max(1, round(callee.hangs_up_after_sec * 1_000 / FRAME_MS))
        self._in_noise = callee.noise_rms > 0

    @property
    def digits(self) -> str:
        """All keys that were played to them."""
        return self._ears.keys

    @property
    def thinking(self) -> Future[Any] | None:
        """What must be done before the next `tick`, so that time alone decides; None for nothing.

        It is done whatever came of it: what went wrong is raised by the next `tick`.
        """
        return self._ears.behind or self._mouth.behind

    def verdict(self, mode: str) -> tuple[str, float]:
        """See `Callee.verdict`."""
        greeting = ""
        if self._callee.behave == "voicemail":
            greeting = self._callee.greeting
        speech = self._mouth.speech(greeting) if greeting else None
        return self._callee.verdict(mode, len(speech or b"") / SAMPLE_RATE_HZ)

    def tick(self, played: bytes) -> bytes:
        """Hear `played` (a frame, or less) and give the frame to send meanwhile."""
        self._frames += 1
        self.pressed = ""
        if self._ears.hear(played):
            self._note_sound()
        elif not self._frames_to_say:
            self._quiet_frames += 1
            if self._quiet_frames == self._pause_frames:
                self._finish_turn()
        if self._frames == self._last_frame:
            self.hung_up = True
        if not self._frames_to_say and not self.hung_up and self._ears.behind is None:
            self._consider()
        if not self._frames_to_say:
            return SILENT_FRAME if not self._in_noise else self._mouth.over_noise(SILENT_FRAME)
        frame = self._frames_to_say.popleft()
        if self._keys_to_press and self._keys_to_press[0][0] <= self._frames:
            self.pressed = self._keys_to_press.popleft()[1]
        if not self._frames_to_say:
            self._finish_line()
        return frame if not self._in_noise else self._mouth.over_noise(frame)

    def put_down(self) -> None:
        """The call is over, whoever ended it: understand what is left. Safe to repeat."""
        self._ears.close()
        self._mouth.close()

    # --- listening ---------------------------------------------------------------------------

    def _note_sound(self) -> None:
        self._quiet_frames = 0
        self._agent_frames += 1
        if len(self._ears.keys) != self._keys_heard:
            # As with every menu, a key cuts short what is being said.
            self._keys_heard = len(self._ears.keys)
            self._frames_to_say.clear()
            self._keys_to_press.clear()

    def _finish_turn(self) -> None:
        """The line has been quiet for long enough: whatever the agent was saying is over."""
        self._ears.finish_turn()
        if self._agent_frames:
            self._agent_frames = 0
            self._interrupted = False
            self._turns += 1
            self._my_turn = self._callee.behave == "talks"

    # --- deciding ----------------------------------------------------------------------------

    def _consider(self) -> None:
        callee = self._callee
        if callee.behave == "voicemail":
            self._consider_as_voicemail()
        elif self._not_ready is not None:
            self._speak(*self._not_ready)
        elif self._quiet_frames < self._pause_frames:
            self._consider_interrupting()
        elif self._leaves or (
            callee.hangs_up_after_turns is not None and self._turns >= callee.hangs_up_after_turns
        ):
            self.hung_up = True
        elif callee.behave == "talks" and self._my_turn:
            self._speak_next()

    def _consider_as_voicemail(self) -> None:
        if self._my_turn and self._quiet_frames >= self._pause_frames:
            self._my_turn = False
            self._speak(self._callee.greeting, then=_beep())
        elif self._frames * FRAME_MS >= self._callee.listens_sec * 1_000:
            self.hung_up = True

    def _consider_interrupting(self) -> None:
        after_sec = self._callee.interrupts_after_sec
        if after_sec is None or self._interrupted or not self._agent_frames:
            return
        if self._agent_frames * FRAME_MS >= after_sec * 1_000:
            self._interrupted = True
            self._speak_next()

    # --- speaking ----------------------------------------------------------------------------

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
        self._lines_begun += 1
        if not callable(self._callee.says):
            self._leaves_after_line = self._lines_begun == len(self._callee.says)
        if isinstance(line, Digits):
            self._press(line)
        else:
            self._speak(line)

    def _speak(self, line: str, then: bytes = b"") -> None:
        speech = self._mouth.speech(line)
        self._not_ready = (line, then) if speech is None else None
        if speech is not None:
            self._line = line
            self._frames_to_say.extend(whole_frames(speech + then))

    def _press(self, keys: Digits) -> None:
        """Press one key after the other; the line is quiet meanwhile, as carriers keep it."""
        self._line = keys
        for position, key in enumerate(keys):
            self._keys_to_press.append((self._frames + _KEY_FRAMES * position, key))
        self._frames_to_say.extend([SILENT_FRAME] * (_KEY_FRAMES * len(keys)))

    def _finish_line(self) -> None:
        self.said.append(self._line)
        self._quiet_frames = 0
        if self._interrupted:
            # What was cut off asks for no answer: whoever interrupts waits to be answered.
            self._interrupted = False
            self._agent_frames = 0
        if self._leaves_after_line:
            self._leaves = self._mouth.lingers
            self.hung_up = not self._leaves


@functools.cache
def _beep() -> bytes:
    step = 2 * math.pi * _BEEP_HZ / SAMPLE_RATE_HZ
    length = round(BEEP_SEC * SAMPLE_RATE_HZ)
    samples = (round(8_000 * math.sin(step * sample)) for sample in range(length))
    return mulaw.encode(struct.pack(f"<{length}h", *samples))
