"""Ears that understand a grammar and nothing else: pocketsphinx on telephone audio.

Speech that is not in the grammar is forced into it, or comes out as nothing. What the recogniser
needs to understand a telephone at all is in `decoders.py`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from patter_core.audio import mulaw
from patter_core.audio.frames import FRAME_BYTES, FRAME_MS, SAMPLE_RATE_HZ
from patter_core.audio.resample import Resampler
from patter_core.speech import decoders
from patter_core.speech.decoders import MODEL_RATE_HZ, with_noise
from patter_core.speech.endpointer import Endpointer
from patter_core.speech.voice_activity import VoiceActivity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from patter_core.speech.decoders import Decoder
    from patter_core.speech.grammar import Grammar

_DECODER_FRAME_MS = 10
_LOOK_BACK_FRAMES = 16  # An utterance begins before it is told from a click.


@dataclass(frozen=True, slots=True)
class Began:
    """Somebody began to speak. Times are milliseconds of audio since the first frame."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class Word:
    """One word and when it was said, in milliseconds of audio since the first frame."""

    text: str
    began_ms: int
    ended_ms: int


@dataclass(frozen=True, slots=True)
class Ended:
    """An utterance is over.

    Attributes:
        text: What it was, in lower case without punctuation; "" when nothing was understood.
        words: When each of its words was said.
        at_ms: When it was found to be over, in milliseconds of audio since the first frame.
    """

    text: str
    words: tuple[Word, ...]
    at_ms: int


SphinxEvent = Began | Ended


class Recogniser:
    """Ears for one stream of mu-law at 8 kHz. Use it from one thread at a time, and close it.

    What it reports depends on the audio alone, not on how fast or in what pieces it came.
    """

    def __init__(self, grammar: Grammar, *, endpointer: Endpointer | None = None) -> None:
        """Open ears. Takes some 100 ms, less where others were closed before.

        Raises:
            MissingExtra: The wheels of the extra `local` are not installed.
            ConfigError: A word of the grammar is not in the dictionary, or it cannot be read.
        """
        self._endpointer = endpointer or Endpointer()
        self._upsampler = Resampler(SAMPLE_RATE_HZ, MODEL_RATE_HZ)
        self._activity = VoiceActivity()
        self._rest = b""
        self._frames = 0
        self._look_back: deque[bytes] = deque(maxlen=_LOOK_BACK_FRAMES)
        self._utterance_ms = 0
        self._decoder: Decoder | None = decoders.borrow(grammar)

    def hear(self, audio: bytes) -> list[SphinxEvent]:
        """What `audio`, of any length, adds to what was heard. Nothing once closed."""
        events: list[SphinxEvent] = []
        if self._decoder is None:
            return events
        audio = self._rest + audio
        whole = len(audio) // FRAME_BYTES * FRAME_BYTES
        self._rest = audio[whole:]
        for start in range(0, whole, FRAME_BYTES):
            self._hear_frame(self._decoder, audio[start : start + FRAME_BYTES], events)
        return events

    def close(self) -> None:
        """Let go of the decoder. What was being said is lost. Safe to repeat."""
        decoder, self._decoder = self._decoder, None
        if decoder is not None:
            if self._endpointer.speaking:
                decoder.end_utt()
            decoders.give_back(decoder)

    def _hear_frame(self, decoder: Decoder, frame: bytes, events: list[SphinxEvent]) -> None:
        samples = mulaw.decode(frame)
        noisy = with_noise(self._upsampler.feed(samples), self._frames, MODEL_RATE_HZ)
        self._frames += 1
        now_ms = self._frames * FRAME_MS
        changed = self._endpointer.hear(speech=self._activity.is_speech(samples))
        if changed and self._endpointer.speaking:
            events.append(Began(now_ms))
            self._utterance_ms = now_ms - FRAME_MS * (len(self._look_back) + 1)
            decoder.start_utt()
            for earlier in self._look_back:
                decoder.process_raw(earlier)
        if changed or self._endpointer.speaking:
            decoder.process_raw(noisy)
        if changed and not self._endpointer.speaking:
            decoder.end_utt()
            words = tuple(self._words(decoder))
            events.append(Ended(" ".join(word.text for word in words), words, now_ms))
        self._look_back.append(noisy)

    def _words(self, decoder: Decoder) -> Iterator[Word]:
        if decoder.hyp() is None:
            return
        for segment in decoder.seg():
            if segment.word.startswith(("<", "[", "+", "(")):  # Silence, noises, empty steps.
                continue
            yield Word(
                segment.word.partition("(")[0],  # "the(2)" is the second way to say "the".
                self._utterance_ms + segment.start_frame * _DECODER_FRAME_MS,
                self._utterance_ms + (segment.end_frame + 1) * _DECODER_FRAME_MS,
            )
