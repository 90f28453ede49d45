"""The one face that every voice engine shows, whatever speaks and listens behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from patter_core.calls.transcript import Turn
    from patter_core.pipeline.plan import SessionPlan
    from patter_core.pipeline.resources import Resources


@dataclass(frozen=True, slots=True)
class PlayAudio:
    """Play this to the callee, after what was sent before: mu-law 8 kHz, of any length."""

    audio: bytes


@dataclass(frozen=True, slots=True)
class PlayMark:
    """Say when everything sent so far has been played, by this name."""

    name: str


@dataclass(frozen=True, slots=True)
class ClearAudio:
    """Drop at once what has not been played yet."""


@dataclass(frozen=True, slots=True)
class TurnFinished:
    """One side finished a turn, or was cut: what was heard of it."""

    turn: Turn


VoiceEvent = PlayAudio | PlayMark | ClearAudio | TurnFinished
"""What a conversation asks of the line, or tells the call."""


class VoiceSession(Protocol):
    """One conversation. Used on the engine's loop only; the `hear_` methods never wait."""

    async def run(self, emit: Callable[[VoiceEvent], None]) -> None:
        """Converse from the answer on, until cancelled.

        Every wish goes to `emit`, at once and in order; it never waits.

        Raises:
            ProviderError: Speech or language failed for good.
        """
        ...

    def hear_audio(self, audio: bytes) -> None:
        """Take the callee's audio, mu-law 8 kHz. It is also the conversation's clock."""
        ...

    def hear_mark(self, name: str) -> None:
        """Take the news that a mark was reached."""
        ...

    def say(self, text: str) -> None:
        """Have the agent say `text` next, in these words."""
        ...

    def transcript(self) -> tuple[Turn, ...]:
        """Every turn so far, the one under way included, the agent's as far as it was heard."""
        ...


class VoiceEngine(Protocol):
    """What speaks and listens: a frozen value, made at module level, shared by calls."""

    def open(
        self, plan: SessionPlan, resources: Resources
    ) -> AbstractAsyncContextManager[VoiceSession]:
        """Prepare one conversation before anybody is rung; leaving the context closes it all.

        Raises:
            ProviderError: It cannot be had; nobody needs to be rung for that.
        """
        ...
