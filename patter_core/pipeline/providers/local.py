"""Ears and a voice that run on this machine, without a service and without a download.

The ears understand the phrases or the grammar that they are given, and nothing else; the voice is
robotic. Both come with the extra `local`.
"""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from patter_core.clock import SimulatedClock
from patter_core.errors import ConfigError, ProviderError
from patter_core.pipeline.phrases import words_of
from patter_core.pipeline.speech_to_text import SpeechBegan, SpeechEnded
from patter_core.speech import espeak, sphinx
from patter_core.speech.endpointer import Endpointer
from patter_core.speech.espeak import TelephoneLine, Voice
from patter_core.speech.grammar import Grammar, of_jsgf, of_phrases
from patter_core.speech.sphinx import Recogniser
from patter_core.workers import Workers

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
    from concurrent.futures import Future

    from patter_core.pipeline.resources import Resources
    from patter_core.pipeline.speech_to_text import SpeechEvent

_STUCK_SEC = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSTT:
    """Ears bound to what they are told to expect: a `SpeechToText`, for US English.

    Whatever else is said, they take for something that they expect, or for nothing.

    Attributes:
        phrases: Whole utterances. Case and punctuation do not matter to the ears; what they
            understand is reported as it is written here.
        grammar: Or a JSGF grammar, as in `public <answer> = (yes | no) [thank you];`.
        quiet_ms: How much silence ends an utterance.
    """

    phrases: Sequence[str] = ()
    grammar: str = ""
    quiet_ms: int = 500

    def __post_init__(self) -> None:
        """A grammar that cannot be used is an error now, as far as that shows without a dictionary.

        Raises:
            ConfigError: Neither phrases nor a grammar, or both, or one that makes no sense.
        """
        if not isinstance(self.phrases, str):
            object.__setattr__(self, "phrases", tuple(self.phrases))
        if bool(self.phrases) == bool(self.grammar):
            raise ConfigError("LocalSTT listens either for phrases=[...] or for grammar='...'")
        if not 100 <= self.quiet_ms <= 1_200:
            raise ConfigError(f"LocalSTT: quiet_ms is 100 to 1200, not {self.quiet_ms}")
        self._grammar()

    @asynccontextmanager
    async def listen(
        self, report: Callable[[SpeechEvent], None], resources: Resources
    ) -> AsyncGenerator[_LocalEars]:
        """See `SpeechToText.listen`. `feed` raises the error of ears that failed."""
        workers = Workers("patter-ears")
        workers.start()
        try:
            with resources.clock.hold():
                recogniser = await workers.run(self._recogniser)
            # Simulated time moves with the frames, and must not go on before one was understood.
            in_step = isinstance(resources.clock, SimulatedClock)
            told = self._told(report)
            ears = _LocalEars(recogniser, workers, told, in_step=in_step)
            try:
                yield ears
            finally:
                ears.close()
        finally:
            workers.release()

    def _told(self, report: Callable[[SpeechEvent], None]) -> Callable[[sphinx.SphinxEvent], None]:
        """What tells `report` what the recogniser understood."""
        written = {words_of(phrase): phrase for phrase in self.phrases}

        def tell(event: sphinx.SphinxEvent) -> None:
            match event:
                case sphinx.Began():
                    report(SpeechBegan())
                case sphinx.Ended(text=text):
                    said = written.get(words_of(text), text)
                    report(SpeechEnded(said, quiet_ms=self.quiet_ms))
                case _:
                    assert_never(event)

        return tell

    def _grammar(self) -> Grammar:
        return of_phrases(self.phrases) if self.phrases else of_jsgf(self.grammar)

    def _recogniser(self) -> Recogniser:
        try:
            return Recogniser(self._grammar(), endpointer=Endpointer(quiet_ms=self.quiet_ms))
        except ConfigError as error:
            raise ProviderError("LocalSTT", str(error)) from error


class _LocalEars:
    """Open `Ears`: a recogniser on a thread of its own.

    In real time an utterance is reported as soon as it is understood. In step, `feed` returns when
    the audio has been understood (a fraction of a millisecond for a frame) and everything in it is
    reported, so that what happens at which frame depends on the audio alone.
    """

    def __init__(
        self,
        recogniser: Recogniser,
        workers: Workers,
        report: Callable[[sphinx.SphinxEvent], None],
        *,
        in_step: bool,
    ) -> None:
        self._recogniser = recogniser
        self._workers = workers
        self._report = report
        self._in_step = in_step
        self._loop = asyncio.get_running_loop()
        self._failure: ProviderError | None = None
        self._closed = False

    def feed(self, audio: bytes) -> None:
        """See `Ears.feed`. Nothing once closed: nobody is left there to understand it.

        Raises:
            ProviderError: The ears failed, now or earlier.
        """
        if self._closed:
            return
        if self._failure is not None:
            raise self._failure
        heard = self._workers.post(self._recogniser.hear, audio)
        if not self._in_step:
            heard.add_done_callback(self._heard_on_thread)
            return
        try:
            self._tell(heard.result(_STUCK_SEC))
        except Exception as error:
            self._failure = _failed(error)
            raise self._failure from error

    def close(self) -> None:
        """Hear and report no more."""
        self._closed = True
        self._workers.post(self._recogniser.close)

    def _heard_on_thread(self, heard: Future[list[sphinx.SphinxEvent]]) -> None:
        # A loop that was closed has nobody left to tell.
        with contextlib.suppress(RuntimeError):
            if (error := heard.exception()) is not None:
                self._loop.call_soon_threadsafe(self._fail, error)
            elif events := heard.result():
                self._loop.call_soon_threadsafe(self._tell, events)

    def _fail(self, error: BaseException) -> None:
        self._failure = _failed(error)
        self._failure.__cause__ = error

    def _tell(self, events: list[sphinx.SphinxEvent]) -> None:
        for event in events:
            if self._closed:
                return
            self._report(event)


def _failed(error: BaseException) -> ProviderError:
    return ProviderError("LocalSTT", f"the recogniser failed ({type(error).__name__})")


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalTTS:
    """A robotic voice: a `TextToSpeech`.

    Attributes:
        voice: A voice of espeak-ng, with a variant if wanted: "en-us", "en" (British), "en-us+f3".
        speed_wpm: Words a minute, 80 to 450.
        pitch: 0 to 99; 50 is the voice's own.
    """

    voice: str = "en-us"
    speed_wpm: int = 160
    pitch: int = 50

    def __post_init__(self) -> None:
        """Settings out of range are an error now.

        Raises:
            ConfigError: They are.
        """
        self._voice()

    async def speak(self, text: str, resources: Resources) -> AsyncIterator[bytes]:
        """See `TextToSpeech.speak`."""
        if isinstance(resources.clock, SimulatedClock):
            # Simulated time must not go on meanwhile: on a busy machine a thread that is kept
            # waiting would leave a gap in the middle of a word.
            yield self._said(text)
            return
        loop = asyncio.get_running_loop()
        pieces: asyncio.Queue[bytes | None] = asyncio.Queue()
        line = TelephoneLine()

        def pass_on(piece: bytes | None) -> None:
            with contextlib.suppress(RuntimeError):  # The loop was closed: nobody listens.
                loop.call_soon_threadsafe(pieces.put_nowait, piece)

        # Both run on the engine's thread, the second after the last samples.
        utterance = espeak.begin(text, self._voice(), lambda samples: pass_on(line.feed(samples)))
        utterance.done.add_done_callback(lambda _done: pass_on(None))
        try:
            while True:
                piece = await pieces.get()
                if piece is None:
                    break
                if piece:
                    yield piece
            try:
                utterance.done.result()
            except ConfigError as error:
                raise ProviderError("LocalTTS", str(error)) from error
            if rest := line.flush():
                yield rest
        finally:
            utterance.cancel()

    def _said(self, text: str) -> bytes:
        """All of `text`; takes some milliseconds."""
        try:
            return espeak.say(text, self._voice())
        except ConfigError as error:
            raise ProviderError("LocalTTS", str(error)) from error

    def _voice(self) -> Voice:
        return Voice(name=self.voice, speed_wpm=self.speed_wpm, pitch=self.pitch)
