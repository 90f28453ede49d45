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
    """Somebody wants the agent to say these words next.

    Attributes:
        owner: The tool that they are the progress of: they yield to the callee's words, and are
            withdrawn, unless they can be heard already, by its `SayingWithdrawn`. None for words
            that are said in any case.
    """

    text: str
    owner: object = None


@dataclass(frozen=True, slots=True)
class SayingWithdrawn:
    """What `owner` wanted said comes too late."""

    owner: object


@dataclass(frozen=True, slots=True)
class DigitsAsked:
    """Somebody wants keys pressed next."""

    digits: str


@dataclass(frozen=True, slots=True)
class FinishAsked:
    """Somebody wants the conversation to be over, once what is being said was said."""

    reason: str


@dataclass(frozen=True, slots=True)
class MessageAsked:
    """A machine listens: say these words to it, at once and to their end; then it is over."""

    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class ToolsAsked:
    """A reply asked for tools, all of which run now. Comes before its turn ended."""


@dataclass(frozen=True, slots=True)
class ToolsAnswered:
    """All tools that one reply asked for have answered."""


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
    | SayingWithdrawn
    | DigitsAsked
    | FinishAsked
    | MessageAsked
    | ToolsAsked
    | ToolsAnswered
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
    """Take a turn with an answer to what the callee said, all of it together.

    Attributes:
        texts: What they said; nothing if it is only to what tools answered.
        tools: Whether the model may ask for tools.
        thought: What `ThinkAhead` began is this answer.
    """

    texts: tuple[str, ...]
    tools: bool = True
    thought: bool = False


@dataclass(frozen=True, slots=True)
class ThinkAhead:
    """Ask the model already for the answer to what tools answered; its turn comes later.

    Attributes:
        tools: Whether the model may ask for more tools.
    """

    tools: bool = True


@dataclass(frozen=True, slots=True)
class ForgetThought:
    """Drop what `ThinkAhead` began."""


@dataclass(frozen=True, slots=True)
class Press:
    """Take a turn with the tones of these keys."""

    digits: str


@dataclass(frozen=True, slots=True)
class GoOn:
    """Take a turn with what was left of the one that was cut off: nobody meant to interrupt."""


@dataclass(frozen=True, slots=True)
class Finish:
    """The conversation is over, for this reason."""

    reason: str


TurnCommand = (
    CutOff
    | TakeBack
    | HoldBack
    | LetGo
    | Record
    | Speak
    | Press
    | Reply
    | ThinkAhead
    | ForgetThought
    | GoOn
    | Finish
)
"""What turn taking wants done."""
