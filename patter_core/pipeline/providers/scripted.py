"""Ears, a model and a voice that need no service: exact text on marker audio, in no time at all.

For tests, demos and callers' own checks. The other side has to speak marker audio too, as the
simulated callees do.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from patter_core.errors import ConfigError
from patter_core.pipeline.language_model import Message, TextPiece, ToolAsked
from patter_core.pipeline.speech_to_text import SpeechBegan, SpeechEnded
from patter_core.pipeline.tool_use import ToolRequest
from patter_core.speech import markers

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

    from patter_core.pipeline.language_model import ReplyEvent
    from patter_core.pipeline.resources import Resources
    from patter_core.pipeline.speech_to_text import SpeechEvent
    from patter_core.pipeline.tool_use import ToolFace


@dataclass(frozen=True, slots=True)
class ScriptedSTT:
    """Ears that understand marker audio and nothing else: a `SpeechToText`."""

    @asynccontextmanager
    async def listen(
        self,
        report: Callable[[SpeechEvent], None],
        resources: Resources,  # noqa: ARG002 - the Protocol's
    ) -> AsyncGenerator[_MarkerEars]:
        """See `SpeechToText.listen`."""
        yield _MarkerEars(report)


class _MarkerEars:
    """Open `Ears`."""

    def __init__(self, report: Callable[[SpeechEvent], None]) -> None:
        self._report = report
        self._detector = markers.MarkerDetector()

    def feed(self, audio: bytes) -> None:
        """See `Ears.feed`."""
        for event in self._detector.feed(audio):
            match event:
                case markers.Began():
                    self._report(SpeechBegan())
                case markers.Ended(text=text):
                    self._report(SpeechEnded(text))


@dataclass(frozen=True, slots=True)
class ScriptedTTS:
    """A voice that speaks marker audio: a `TextToSpeech`."""

    async def speak(
        self,
        text: str,
        resources: Resources,  # noqa: ARG002 - the Protocol's
    ) -> AsyncIterator[bytes]:
        """See `TextToSpeech.speak`."""
        yield markers.encode(text)


def _no_arguments() -> dict[str, Any]:
    return {}


@dataclass(frozen=True, slots=True)
class ScriptedToolCall:
    """A tool that a scripted reply asks for.

    Attributes:
        arguments: What with; a text goes to the tool as it is, whether it is JSON or not.
    """

    name: str
    arguments: Mapping[str, Any] | str = field(default_factory=_no_arguments, hash=False)


ScriptedReply = str | ScriptedToolCall | Sequence[str | ScriptedToolCall]
"""What a scripted model answers: words, a tool, or some of both, words first."""


@dataclass(frozen=True, slots=True)
class ScriptedLLM:
    """A model that says what it was told to: a `LanguageModel`.

    Attributes:
        replies: What to answer first, second, and so on; after the last there is nothing more to
            say. What is answered is each message of the callee, and what the tools of one reply
            answered, together. Or a function of the messages so far. Calls share this value: which
            reply is next shows in the messages. What tools answered counts with the callee's next
            message when that came before anything of the reply was heard.
    """

    replies: Sequence[ScriptedReply] | Callable[[Sequence[Message]], ScriptedReply]

    def __post_init__(self) -> None:
        """A script that cannot be followed is an error now.

        Raises:
            ConfigError: `replies` is one text instead of several.
        """
        if isinstance(self.replies, str):
            raise ConfigError("ScriptedLLM: replies are a list of texts, not one text")
        if not callable(self.replies):
            object.__setattr__(self, "replies", tuple(self.replies))

    async def reply(
        self,
        messages: Sequence[Message],
        resources: Resources,  # noqa: ARG002 - the Protocol's
        tools: tuple[ToolFace, ...] = (),  # noqa: ARG002 - the script knows what it asks for
    ) -> AsyncIterator[ReplyEvent]:
        """See `LanguageModel.reply`."""
        position = _position(messages)
        if callable(self.replies):
            reply = self.replies(messages)
        else:
            reply = self.replies[position - 1] if 0 < position <= len(self.replies) else ""
        parts = [reply] if isinstance(reply, str | ScriptedToolCall) else reply
        for number, part in enumerate(parts, 1):
            if isinstance(part, ScriptedToolCall):
                arguments = part.arguments
                if isinstance(arguments, Mapping):
                    arguments = json.dumps(dict(arguments))
                call_id = f"scripted-{len(messages)}-{number}"
                yield ToolAsked(
                    ToolRequest(function_call_id=call_id, name=part.name, arguments=arguments)
                )
            elif part:
                yield TextPiece(part)


def _position(messages: Sequence[Message]) -> int:
    """Which reply this is: how often the callee's side, or a round of tools, spoke last."""
    followers = [*(message.role for message in messages[1:]), ""]
    return sum(
        message.role == "user" or (message.role == "tool" and after not in ("tool", "user"))
        for message, after in zip(messages, followers, strict=False)
    )
