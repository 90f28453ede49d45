"""Measures one Realtime conversation: how quickly it answers, what it uses, whether it hears."""

from __future__ import annotations

import audioop
import logging
from typing import TYPE_CHECKING, Any

from patter_core.audio import mulaw
from patter_core.audio.frames import BYTES_PER_MS
from patter_core.calls.cost import Cost, Usage
from patter_core.calls.metrics import CallMetrics, ReplyTimes
from patter_core.pipeline.realtime.usage import RealtimePrices, Tally

if TYPE_CHECKING:
    from collections.abc import Callable

    from patter_core.pipeline.realtime.events import ResponseUsage, TranscriptionUsage

_log = logging.getLogger(__name__)

_AUDIBLE_RMS = 500  # Of 32,768: a quiet voice on the phone, and louder than its noise.
_DEAF_AFTER_MS = 4_000
_DEAF = (
    "the callee can be heard, but the service hears nothing; if that happens often, use "
    'OpenAIRealtime(audio="pcm")'
)


class RealtimeMeter:
    """One conversation's figures.

    Attributes:
        interruptions: How often the callee cut the agent off.
        reconnections: How often the connection was lost and made again.
        unreadable: How many frames of the service could not be read.
    """

    def __init__(
        self, *, call_id: str, prices: RealtimePrices, stopwatch: Callable[[], float]
    ) -> None:
        """Begin at nothing; `stopwatch` tells real seconds, monotonic."""
        self.interruptions = 0
        self.reconnections = 0
        self.unreadable = 0
        self._call_id = call_id
        self._prices = prices
        self._stopwatch = stopwatch
        self._tally = Tally()
        self._replies: list[ReplyTimes] = []
        self._stopped: tuple[int, float] | None = None
        self._listens = True  # For sounds that the service should have noticed.
        self._audible = 0
        self._hears_nothing = False
        self._rate_limit_left = 1.0

    # --- hearing -----------------------------------------------------------------------------

    def hear(self, audio: bytes) -> None:
        """The callee's audio went to the service."""
        if not self._listens:
            return
        if audioop.rms(mulaw.decode(audio), 2) < _AUDIBLE_RMS:
            return
        self._audible += len(audio)
        if self._audible >= _DEAF_AFTER_MS * BYTES_PER_MS:
            self._listens, self._hears_nothing = False, True
            _log.warning("Call %s: %s", self._call_id, _DEAF)

    def speech_began(self) -> None:
        """The service heard the callee."""
        self._listens = self._hears_nothing = False
        self._stopped = None

    def speech_stopped(self, now_ms: int) -> None:
        """The callee finished."""
        self._stopped = (now_ms, self._stopwatch())

    def transcribed(self, usage: TranscriptionUsage) -> None:
        """What they said is known."""
        self._tally.add_transcription(usage)

    # --- answering ---------------------------------------------------------------------------

    def sound_sent(self) -> None:
        """The first sound of something that the agent says was sent."""
        if self._stopped is None:
            return
        asked_ms, stopped = self._stopped
        self._stopped = None
        latency_ms = (self._stopwatch() - stopped) * 1_000
        self._replies.append(ReplyTimes(asked_ms=asked_ms, latency_ms=latency_ms))

    def response(self, usage: ResponseUsage) -> None:
        """A response is over."""
        self._tally.add_response(usage)

    def rate_limit(self, remaining: float) -> None:
        """So much is left of what the account may ask for, as a share."""
        self._rate_limit_left = min(self._rate_limit_left, remaining)

    # --- the figures -------------------------------------------------------------------------

    def metrics(self, *, turns: int, underruns: int) -> dict[str, Any]:
        """The figures so far, JSON-safe: those of every conversation, and those of this kind."""
        figures = CallMetrics(
            replies=tuple(self._replies),
            turns=turns,
            interruptions=self.interruptions,
            underruns=underruns,
        )
        return {
            **figures.to_dict(),
            "hears_nothing": self._hears_nothing,
            "advice": _DEAF if self._hears_nothing else None,
            "reconnections": self.reconnections,
            "rate_limit_left": round(self._rate_limit_left, 4),
            "tokens": self._tally.to_dict(),
        }

    def usage(self, audio_bytes: int) -> Usage:
        """What was used so far, with so much audio heard."""
        tally = self._tally
        return Usage(
            stt_sec=round(audio_bytes / (BYTES_PER_MS * 1_000), 3),
            input_tokens=tally.text_in + tally.audio_in,
            cached_tokens=tally.text_cached + tally.audio_cached,
            output_tokens=tally.text_out + tally.audio_out,
        )

    def cost(self) -> Cost:
        """What that costs: the model, which also speaks, and the transcription."""
        return Cost(
            stt=round(self._tally.transcription_usd(self._prices), 6),
            llm=round(self._tally.model_usd(self._prices), 6),
        )
