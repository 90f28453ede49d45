"""The one face that every voice engine shows, whatever speaks and listens behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from patter_core.calls.cost import Cost, Usage
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


@dataclass(frozen=True, slots=True)
class ConversationOver:
    """The agent has nothing more to say: the call should end. Comes once, after the last turn.

    Attributes:
        reason: Why, in a sentence of ours.
    """

    reason: str


VoiceEvent = PlayAudio | PlayMark | ClearAudio | TurnFinished | ConversationOver
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

    def finish(self, reason: str) -> None:
        """Say to its end what is being said, and nothing after it: then `ConversationOver`.

        A reply that is being thought of belongs to what is being said; without one it is over at
        once. Words of the callee meanwhile interrupt as ever, and are not answered.
        """
        ...

    def leave_message(self, text: str, reason: str) -> None:
        """Stop whatever is being said, say `text` to a machine that records it: then it is over.

        Nothing that is heard meanwhile interrupts, or is answered.
        """
        ...

    def send_digits(self, digits: str) -> None:
        """Press keys, as tones in the audio, after what is being said: see `audio.dtmf.tones`."""
        ...

    def transcript(self) -> tuple[Turn, ...]:
        """Every turn so far, the one under way included, the agent's as far as it was heard."""
        ...

    def metrics(self) -> dict[str, Any]:
        """Figures of the conversation so far, JSON-safe: see `CallMetrics.to_dict`."""
        ...

    def usage(self) -> Usage:
        """What the providers were asked for so far."""
        ...

    def cost(self) -> Cost:
        """What that costs by the providers' prices, telephony left at 0."""
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
