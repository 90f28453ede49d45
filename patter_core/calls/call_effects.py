"""What the machine of a call wants done. Whoever does it reports back with events."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto


class Timer(Enum):
    """What a call waits for, at most so long."""

    DEADLINE = auto()
    MEDIA_WAIT = auto()
    MEDIA_LOST = auto()


@dataclass(frozen=True, slots=True)
class WriteIntent:
    """Write the intent; nothing may stop it half way."""


@dataclass(frozen=True, slots=True)
class Dial:
    """Ask the carrier, once."""


@dataclass(frozen=True, slots=True)
class LookUp:
    """Look for the leg of an unclear dial."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartTimer:
    """Report `timer` when so many seconds have passed."""

    timer: Timer
    seconds: float


@dataclass(frozen=True, slots=True)
class AskAfterLeg:
    """Ask the carrier, once and not for long, whether the leg is over."""


@dataclass(frozen=True, slots=True)
class Converse:
    """Let the conversation begin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOver:
    """Ask the carrier to connect the callee to `target`, and report what came of it."""

    target: str


@dataclass(frozen=True, slots=True)
class End:
    """Hang up, close the voice, settle, and report `Settled`."""


Effect = WriteIntent | Dial | LookUp | StartTimer | AskAfterLeg | Converse | HandOver | End
