"""What a conversation asks of ears."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from patter_core.pipeline.resources import Resources


@dataclass(frozen=True, slots=True)
class SpeechBegan:
    """Somebody began to speak."""


@dataclass(frozen=True, slots=True)
class SpeechPaused:
    """Somebody stopped speaking; a `SpeechEnded` with the words follows, unless they go on.

    Ears that know it sooner than the words report it: it stops an interruption that was none, and
    tells how long the words took. Whoever goes on has a `SpeechBegan` again.
    """


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """Somebody finished an utterance.

    Attributes:
        text: What was said, "" when it was no speech.
        quiet_ms: How long they had been quiet by then, told by ears that report no `SpeechPaused`.
    """

    text: str
    quiet_ms: int = 0


SpeechEvent = SpeechBegan | SpeechPaused | SpeechEnded
"""What ears report."""


class Ears(Protocol):
    """Open ears of one call. `feed` never waits."""

    def feed(self, audio: bytes) -> None:
        """Hear mu-law 8 kHz audio, as it came from the line."""
        ...


class SpeechToText(Protocol):
    """Ears of some vendor: a frozen value whose constructor touches no network."""

    def listen(
        self, report: Callable[[SpeechEvent], None], resources: Resources
    ) -> AbstractAsyncContextManager[Ears]:
        """Open ears for one call, which call `report` on the engine's loop, in order.

        Raises:
            ProviderError: They cannot be opened, or later: they failed for good. The latter is
                raised into the block that the context is open around.
        """
        ...
