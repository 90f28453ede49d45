"""Measures one conversation: how quickly it answers, and what it uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from patter_core.audio.frames import SAMPLE_RATE_HZ
from patter_core.calls.cost import Cost, Prices, Usage
from patter_core.calls.metrics import CallMetrics, ReplyTimes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from patter_core.pipeline.language_model import Message, TokensUsed

_LETTERS_PER_TOKEN = 4  # Of English; for replies whose count never came.
_FREE = Prices()


class Meter:
    """One conversation's figures.

    What takes the callee's time, such as the pause after which an utterance counts as finished, is
    taken from the conversation's clock; what takes ours, from `stopwatch`.
    """

    def __init__(self, stopwatch: Callable[[], float]) -> None:
        """Begin at nothing; `stopwatch` tells real seconds, monotonic."""
        self.stopwatch = stopwatch
        self.replies: list[ReplyTimes] = []
        self.interruptions = 0
        self._paused_ms: int | None = None
        self._spoke_until_ms = 0
        self._stt_ms: float | None = None
        self._tts_characters = 0
        self._input_tokens = self._output_tokens = self._cached_tokens = 0
        self._estimated = False

    def speech_paused(self, now_ms: int) -> None:
        """The callee stopped speaking, for now."""
        self._paused_ms = now_ms

    def speech_began(self) -> None:
        """The callee speaks, or goes on."""
        self._paused_ms = None

    def words_came(self, now_ms: int, quiet_ms: int = 0) -> None:
        """The words of what the callee said are there, who has been quiet for `quiet_ms`."""
        paused_ms, self._paused_ms = self._paused_ms, None
        if paused_ms is None and quiet_ms:
            paused_ms = max(0, now_ms - quiet_ms)
        self._stt_ms = None if paused_ms is None else float(now_ms - paused_ms)
        self._spoke_until_ms = now_ms if paused_ms is None else paused_ms

    def reply_asked(self, now_ms: int) -> ReplyWatch:
        """The agent is to answer what the callee said last."""
        return ReplyWatch(self, self._spoke_until_ms, now_ms, self._stt_ms)

    def voice_asked(self, text: str) -> None:
        """The voice is asked to speak `text`."""
        self._tts_characters += len(text)

    def model_answered(
        self, messages: Sequence[Message], written: int, used: TokensUsed | None
    ) -> None:
        """A request to the model is over; without the provider's count it is estimated."""
        if used is not None:
            self._input_tokens += used.input_tokens
            self._output_tokens += used.output_tokens
            self._cached_tokens += used.cached_tokens
            return
        self._estimated = True
        read = sum(
            len(message.text) + sum(len(asked.arguments) for asked in message.requests)
            for message in messages
        )
        self._input_tokens += -(-read // _LETTERS_PER_TOKEN)
        self._output_tokens += -(-written // _LETTERS_PER_TOKEN)

    def metrics(self, *, turns: int, underruns: int) -> CallMetrics:
        """The figures so far."""
        return CallMetrics(
            replies=tuple(self.replies),
            turns=turns,
            interruptions=self.interruptions,
            underruns=underruns,
        )

    def usage(self, audio_bytes: int) -> Usage:
        """What was used so far, with so much audio heard."""
        return Usage(
            stt_sec=round(audio_bytes / SAMPLE_RATE_HZ, 3),
            tts_characters=self._tts_characters,
            input_tokens=self._input_tokens,
            cached_tokens=self._cached_tokens,
            output_tokens=self._output_tokens,
            estimated=self._estimated,
        )


class ReplyWatch:
    """Times one reply, from the end of the callee's speech to its first sound."""

    def __init__(
        self, meter: Meter, spoke_until_ms: int, asked_ms: int, stt_ms: float | None
    ) -> None:
        """Start: the model is being asked now."""
        self._meter = meter
        self._spoke_until_ms = spoke_until_ms
        self._waited_ms = asked_ms - spoke_until_ms
        self._stt_ms = stt_ms
        self._asked = meter.stopwatch()
        self._voice_asked: float | None = None
        self._first_token_ms: float | None = None
        self._first_byte_ms: float | None = None

    def token(self) -> None:
        """The model wrote something; the first time counts."""
        if self._first_token_ms is None:
            self._first_token_ms = self._since(self._asked)

    def voice_asked(self) -> None:
        """The voice was asked to speak; the first time counts."""
        if self._voice_asked is None:
            self._voice_asked = self._meter.stopwatch()

    def byte(self) -> None:
        """The voice gave a sound; the first time counts."""
        if self._first_byte_ms is None and self._voice_asked is not None:
            self._first_byte_ms = self._since(self._voice_asked)

    def first_sound_sent(self) -> None:
        """The reply can be heard: it is among the conversation's figures from now on."""
        self._meter.replies.append(
            ReplyTimes(
                asked_ms=self._spoke_until_ms,
                latency_ms=self._waited_ms + self._since(self._asked),
                stt_ms=self._stt_ms,
                llm_first_token_ms=self._first_token_ms,
                tts_first_byte_ms=self._first_byte_ms,
            )
        )

    def _since(self, then: float) -> float:
        return (self._meter.stopwatch() - then) * 1_000


def cost_of(usage: Usage, *, stt: object, llm: object, tts: object) -> Cost:
    """What `usage` costs by the `prices` of these providers; one that has none is free."""
    return usage.cost(stt=_prices(stt), llm=_prices(llm), tts=_prices(tts))


def _prices(provider: object) -> Prices:
    prices = getattr(provider, "prices", None)
    return prices if isinstance(prices, Prices) else _FREE
