"""What a call used and what that cost, in US dollars, by who is paid."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """US dollars, by who is paid.

    Attributes:
        provisional: The carrier has not yet priced the call; `telephony` is an estimate.
    """

    stt: float = 0.0
    tts: float = 0.0
    llm: float = 0.0
    telephony: float = 0.0
    provisional: bool = False

    @property
    def total(self) -> float:
        """The sum, to a hundredth of a cent."""
        return round(self.stt + self.tts + self.llm + self.telephony, 6)

    def to_dict(self) -> dict[str, Any]:
        """The cost as JSON has it."""
        return {
            "stt": self.stt,
            "tts": self.tts,
            "llm": self.llm,
            "telephony": self.telephony,
            "provisional": self.provisional,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """A provider's price table: US dollars for what it counts. What is not named is free.

    Attributes:
        usd_per_million_input_tokens: What a model reads, unless it was read before.
        usd_per_million_cached_tokens: What it had read before; None: the same as any input.
        usd_per_million_output_tokens: What it writes.
        usd_per_stt_minute: What ears listen to.
        usd_per_million_tts_characters: What a voice is asked to speak.
    """

    usd_per_million_input_tokens: float = 0.0
    usd_per_million_cached_tokens: float | None = None
    usd_per_million_output_tokens: float = 0.0
    usd_per_stt_minute: float = 0.0
    usd_per_million_tts_characters: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a conversation asked of its providers.

    Attributes:
        stt_sec: Seconds of audio that the ears heard.
        tts_characters: Characters that the voice was asked to speak.
        input_tokens: Tokens that the model read, cached ones included.
        cached_tokens: Those of them that it had read before.
        output_tokens: Tokens that it wrote.
        estimated: Some tokens were estimated, because a reply was cancelled before its count came.
    """

    stt_sec: float = 0.0
    tts_characters: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    estimated: bool = False

    def cost(self, *, stt: Prices, llm: Prices, tts: Prices) -> Cost:
        """What this costs by each provider's prices, without telephony."""
        cached_price = llm.usd_per_million_cached_tokens
        if cached_price is None:
            cached_price = llm.usd_per_million_input_tokens
        fresh = max(0, self.input_tokens - self.cached_tokens)
        tokens = (
            fresh * llm.usd_per_million_input_tokens
            + self.cached_tokens * cached_price
            + self.output_tokens * llm.usd_per_million_output_tokens
        )
        characters = self.tts_characters * tts.usd_per_million_tts_characters
        return Cost(
            stt=round(self.stt_sec / 60 * stt.usd_per_stt_minute, 6),
            llm=round(tokens / 1_000_000, 6),
            tts=round(characters / 1_000_000, 6),
        )


def minutes_usd(usd_per_minute: float, seconds: float) -> float:
    """What carriers charge for so many seconds of a call: every minute that has begun."""
    return round(ceil(max(seconds, 1.0) / 60) * usd_per_minute, 6)
