"""Ears and a mouth of flesh and blood, nearly: speech that is synthesised and recognised.

Both work on a thread of the callee's own. Time is the count of frames: before a decision needs
words, time waits until they were understood, so that a call goes the same at any speed.
"""

from __future__ import annotations

import asyncio
import audioop
import logging
from collections import deque
from typing import TYPE_CHECKING, Any

from patter_core.audio import mulaw
from patter_core.audio.frames import FRAME_BYTES, FRAME_MS, SILENCE, SILENT_FRAME
from patter_core.simulator.background import Noise
from patter_core.simulator.callee import Digits
from patter_core.simulator.handset import Handset
from patter_core.simulator.keys import KeyDetector
from patter_core.simulator.text_fast import MarkerEars, MarkerMouth
from patter_core.speech import decoders, espeak
from patter_core.speech.endpointer import Endpointer
from patter_core.speech.espeak import Voice
from patter_core.speech.sphinx import Ended, Recogniser
from patter_core.workers import Workers

if TYPE_CHECKING:
    from concurrent.futures import Future

    from patter_core.simulator.callee import Callee
    from patter_core.simulator.phrasebook import Phrasebook
    from patter_core.speech.sphinx import SphinxEvent

_log = logging.getLogger(__name__)

_LOUD_RMS = 200
"""A frame this loud is the agent speaking: comfort noise is far below, speech far above."""
_QUIET_MS = 400
_AFTER_TURN = SILENT_FRAME * (2 * _QUIET_MS // FRAME_MS)
_BATCH_FRAMES = 5
_MOST_WAITING = 10
_STUCK_SEC = 10.0


def need_wheels(callee: Callee) -> None:
    """Find out now whether `callee` can be audible here.

    Raises:
        MissingExtra: The wheels of the extra `local` are not installed.
    """
    if callee.voice is not None:
        espeak.say("", Voice())
        if callee.phrasebook() is not None:
            decoders.pocketsphinx()


async def pick_up(callee: Callee) -> Handset:
    """The handset of `callee`; an audible one takes some 100 ms to warm up, on a thread.

    Raises:
        ConfigError: A word that they should hear is in no dictionary, or their voice is unknown.
        MissingExtra: The wheels of the extra `local` are not installed.
    """
    if callee.voice is None:
        return Handset(callee, MarkerEars(), MarkerMouth())
    workers = Workers("patter-callee")
    workers.start()
    opening = workers.post(_open, callee, callee.voice, workers)
    try:
        ears, mouth = await asyncio.wrap_future(opening)
    except BaseException:
        workers.post(_let_go, opening)  # After the opening, which cannot be stopped.
        workers.release()
        raise
    return Handset(callee, ears, mouth)


def _open(callee: Callee, name: str, workers: Workers) -> tuple[SpokenEars, SpokenMouth]:
    voice = Voice(name=name, speed_wpm=callee.speed_wpm, pitch=callee.pitch)
    lines = [] if callable(callee.says) else [*callee.says]
    if callee.behave == "voicemail":
        lines.append(callee.greeting)
    speech = {line: espeak.say(line, voice) for line in lines if not isinstance(line, Digits)}
    noise = Noise(callee.noise, callee.noise_rms) if callee.noise_rms else None
    return (
        SpokenEars(callee.phrasebook(), workers),
        SpokenMouth(voice, speech, noise, workers),
    )


def _let_go(opening: Future[tuple[SpokenEars, SpokenMouth]]) -> None:
    """Nobody waits any more for what was opened on this thread."""
    if not opening.cancelled() and opening.exception() is None:
        opening.result()[0].let_go()


class SpokenEars:
    """`Ears` that understand speech, and keys.

    The agent's turns are told by how loud it is, at once; words come from the recogniser.
    """

    def __init__(self, phrasebook: Phrasebook | None, workers: Workers) -> None:
        """Open ears on the calling thread, which is that of `workers`."""
        self.heard: list[str] = []
        self.keys = ""
        self._phrasebook = phrasebook
        self._workers = workers
        self._recogniser: Recogniser | None = None
        if phrasebook is not None:
            endpointer = Endpointer(quiet_ms=_QUIET_MS)
            self._recogniser = Recogniser(phrasebook.grammar, endpointer=endpointer)
        self._key_detector = KeyDetector()
        self._keys_told = 0
        self._batch = bytearray()
        self._work: deque[Future[list[SphinxEvent]]] = deque()
        self._turn_is_over = False
        self._closed = False

    @property
    def behind(self) -> Future[Any] | None:
        """See `Ears.behind`."""
        self._collect()
        if self._work and (self._turn_is_over or len(self._work) > _MOST_WAITING):
            return self._work[-1 if self._turn_is_over else 0]
        return None

    def hear(self, played: bytes) -> bool:
        """See `Ears.hear`."""
        frame, loud = played.ljust(FRAME_BYTES, SILENCE), False
        if played:
            samples = mulaw.decode(frame)
            loud = audioop.rms(samples, 2) >= _LOUD_RMS
            tone, key = self._key_detector.hear(samples)
            self.keys += key
            if tone:
                frame = SILENT_FRAME  # Or the recogniser would take it for one of its words.
        self._batch += frame
        if len(self._batch) >= _BATCH_FRAMES * FRAME_BYTES:
            self._pass_on()
        return loud

    def finish_turn(self) -> None:
        """See `Ears.finish_turn`."""
        self._batch += _AFTER_TURN  # What is not over by itself is over now.
        self._pass_on()
        self._turn_is_over = True

    def close(self) -> None:
        """See `Ears.close`. Waits some milliseconds, so that the call ends with all words."""
        if self._closed:
            return
        self._closed = True
        self.finish_turn()
        try:
            if self._work:
                self._work[-1].result(_STUCK_SEC)
            self._collect()
        except Exception:  # noqa: BLE001 - see below
            # The call is over: that its ears failed can change nothing any more.
            _log.exception("a callee's ears failed")
        self._workers.post(self.let_go)

    def let_go(self) -> None:
        """Give the recogniser back, on its own thread."""
        if self._recogniser is not None:
            self._recogniser.close()

    def _pass_on(self) -> None:
        if self._recogniser is not None:
            self._work.append(self._workers.post(self._recogniser.hear, bytes(self._batch)))
        self._batch.clear()

    def _collect(self) -> None:
        while self._work and self._work[0].done():
            for event in self._work.popleft().result():
                if isinstance(event, Ended) and self._phrasebook is not None:
                    self.heard += self._phrasebook.read(event.text)
        if self._turn_is_over and not self._work:
            self._turn_is_over = False
            if keys := self.keys[self._keys_told :]:
                self._keys_told = len(self.keys)
                self.heard.append(Digits(keys))


class SpokenMouth:
    """A `Mouth` that speaks aloud."""

    def __init__(
        self, voice: Voice, speech: dict[str, bytes], noise: Noise | None, workers: Workers
    ) -> None:
        """Know the `speech` of some lines beforehand."""
        self.lingers = True
        self._voice = voice
        self._speech = speech
        self._noise = noise
        self._workers = workers
        self._asked: tuple[str, Future[bytes]] | None = None

    @property
    def behind(self) -> Future[Any] | None:
        """See `Mouth.behind`."""
        return self._asked[1] if self._asked is not None else None

    def speech(self, line: str) -> bytes | None:
        """See `Mouth.speech`."""
        if self._asked is not None and self._asked[1].done():
            (asked, future), self._asked = self._asked, None
            self._speech[asked] = future.result()
        if line not in self._speech and self._asked is None:
            self._asked = line, self._workers.post(espeak.say, line, self._voice)
        return self._speech.get(line)

    def over_noise(self, frame: bytes) -> bytes:
        """See `Mouth.over_noise`."""
        return self._noise.over(frame) if self._noise is not None else frame

    def close(self) -> None:
        """See `Mouth.close`."""
        self._workers.release()
