"""The voice engine made of three providers: ears, a language model and a voice."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from patter_core.pipeline.cascade_session import CascadeSession
from patter_core.pipeline.strangers import opened, prepared
from patter_core.pipeline.written_cascade import WrittenCascade

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from patter_core.pipeline.language_model import LanguageModel
    from patter_core.pipeline.plan import SessionPlan
    from patter_core.pipeline.resources import Resources
    from patter_core.pipeline.speech_to_text import SpeechToText
    from patter_core.pipeline.text_to_speech import TextToSpeech


@dataclass(frozen=True, slots=True, kw_only=True)
class Cascade:
    """Ears, then a model, then a voice: a `VoiceEngine`.

    Attributes:
        model_sec: How long each piece of the model's reply may take to come.
        voice_sec: How long each piece of the voice's audio may take to come.
        stopwatch: Real seconds, monotonic: what the metrics are measured with.
    """

    stt: SpeechToText
    llm: LanguageModel
    tts: TextToSpeech
    model_sec: float = 20.0
    voice_sec: float = 10.0
    stopwatch: Callable[[], float] = field(default=time.perf_counter, repr=False)

    @asynccontextmanager
    async def open(self, plan: SessionPlan, resources: Resources) -> AsyncGenerator[CascadeSession]:
        """See `VoiceEngine.open`."""
        for provider in (self.llm, self.tts):
            await prepared(provider, resources)
        session = CascadeSession(plan, resources, self)
        ears = self.stt.listen(session.hear_speech, resources)
        async with opened(self.stt, ears) as open_ears:
            session.listen_with(open_ears.feed)
            yield session

    @asynccontextmanager
    async def open_written(
        self, plan: SessionPlan, resources: Resources
    ) -> AsyncGenerator[WrittenCascade]:
        """See `WritingEngine.open_written`."""
        await prepared(self.llm, resources)
        yield WrittenCascade(self.llm, plan, resources, model_sec=self.model_sec)
