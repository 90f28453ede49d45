"""What turn taking is told, and what it wants done."""

from __future__ import annotations

from dataclasses import dataclass

from patter_core.pipeline.speech_to_text import SpeechBegan, SpeechEnded, SpeechPaused

# --- what happens ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Started:
    """The callee can hear us."""


@dataclass(frozen=True, slots=True)
class SayAsked:
    """Somebody wants the agent to say these words next."""

    text: str


@dataclass(frozen=True, slots=True)
class AgentBegan:
    """The first sound of the agent's turn was sent."""


@dataclass(frozen=True, slots=True)
class AgentEnded:
    """The agent's turn was heard to its end, or came to nothing."""


@dataclass(frozen=True, slots=True)
class TimePassed:
    """It is later; to be told when `TurnTaking.due_ms` is reached."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """The agent takes no further turn."""


TurnEvent = (
    Started
    | SpeechBegan
    | SpeechPaused
    | SpeechEnded
    | SayAsked
    | AgentBegan
    | AgentEnded
    | TimePassed
    | Stopped
)
"""What turn taking is told."""


# --- what is to be done ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CutOff:
    """Clear the line at once, and drop the agent's turn, which could be heard already."""


@dataclass(frozen=True, slots=True)
class TakeBack:
    """Drop the agent's turn, of which nothing was sent."""


@dataclass(frozen=True, slots=True)
class HoldBack:
    """Go on preparing the agent's turn, but send nothing of it."""


@dataclass(frozen=True, slots=True)
class LetGo:
    """Send what was held back."""


@dataclass(frozen=True, slots=True)
class Record:
    """The callee said this."""

    text: str
    began_ms: int


@dataclass(frozen=True, slots=True)
class Speak:
    """Take a turn with these words."""

    text: str


@dataclass(frozen=True, slots=True)
class Reply:
    """Take a turn with an answer to what the callee said, all of it together."""

    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GoOn:
    """Take a turn with what was left of the one that was cut off: nobody meant to interrupt."""


@dataclass(frozen=True, slots=True)
class Finish:
    """The conversation is over, for this reason."""

    reason: str


TurnCommand = CutOff | TakeBack | HoldBack | LetGo | Record | Speak | Reply | GoOn | Finish
"""What turn taking wants done."""
