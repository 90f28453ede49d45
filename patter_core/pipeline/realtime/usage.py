"""What a Realtime conversation took: tokens, seconds and milliseconds, and what they cost."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from patter_core.pipeline.realtime.events import ResponseUsage, TranscriptionUsage

_MILLION = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RealtimePrices:
    """US dollars for a million tokens, and for a minute of transcription billed by time.

    The defaults were written down from memory in November 2026, for `gpt-realtime` with
    `gpt-4o-mini-transcribe` (and `whisper-1` by the minute): they are no quotation. Where cost
    matters, and for other models, take the figures from OpenAI's own list of prices, and pass them:
    `OpenAIRealtime(prices=RealtimePrices(audio_in=..., audio_out=..., ...))`.
    """

    text_in: float = 4.0
    text_cached: float = 0.4
    text_out: float = 16.0
    audio_in: float = 32.0
    audio_cached: float = 0.4
    audio_out: float = 64.0
    transcription_text_in: float = 1.25
    transcription_audio_in: float = 3.0
    transcription_out: float = 5.0
    transcription_minute: float = 0.006


@dataclass(slots=True)
class Tally:
    """Everything that one conversation used so far; plain sums."""

    responses: int = 0
    text_in: int = 0
    audio_in: int = 0
    text_cached: int = 0
    audio_cached: int = 0
    text_out: int = 0
    audio_out: int = 0
    transcription_text_in: int = 0
    transcription_audio_in: int = 0
    transcription_out: int = 0
    transcription_sec: float = 0.0

    def add_response(self, usage: ResponseUsage) -> None:
        """Count one response."""
        self.responses += 1
        self.text_in += usage.input_text_tokens
        self.audio_in += usage.input_audio_tokens
        self.text_cached += usage.cached_text_tokens
        self.audio_cached += usage.cached_audio_tokens
        self.text_out += usage.output_text_tokens
        self.audio_out += usage.output_audio_tokens

    def add_transcription(self, usage: TranscriptionUsage) -> None:
        """Count one utterance that was understood."""
        self.transcription_text_in += usage.input_text_tokens
        self.transcription_audio_in += usage.input_audio_tokens
        self.transcription_out += usage.output_tokens
        self.transcription_sec += usage.seconds

    def to_dict(self) -> dict[str, Any]:
        """The sums as JSON has them."""
        return asdict(self)

    def model_usd(self, prices: RealtimePrices) -> float:
        """What the model's listening, thinking and speaking cost."""
        dollars = (
            max(0, self.text_in - self.text_cached) * prices.text_in
            + self.text_cached * prices.text_cached
            + max(0, self.audio_in - self.audio_cached) * prices.audio_in
            + self.audio_cached * prices.audio_cached
            + self.text_out * prices.text_out
            + self.audio_out * prices.audio_out
        )
        return dollars / _MILLION

    def transcription_usd(self, prices: RealtimePrices) -> float:
        """What writing down the callee's words cost."""
        dollars = (
            self.transcription_text_in * prices.transcription_text_in
            + self.transcription_audio_in * prices.transcription_audio_in
            + self.transcription_out * prices.transcription_out
        )
        return dollars / _MILLION + self.transcription_sec / 60 * prices.transcription_minute
