"""Answered: the conversation of one call, and the audio that it is connected to."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from patter_core.audio.frames import BYTES_PER_MS
from patter_core.calls.cost import Cost
from patter_core.calls.metrics import CallMetrics
from patter_core.pipeline.session import (
    ClearAudio,
    ConversationOver,
    PlayAudio,
    PlayMark,
    TurnFinished,
    VoiceEvent,
    VoiceSession,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from patter_core.agent import Agent
    from patter_core.calls.transcript import Turn
    from patter_core.pipeline.plan import SessionPlan
    from patter_core.pipeline.resources import Resources
    from patter_core.switchboard.tape import Tape

_log = logging.getLogger(__name__)


class MediaLink(Protocol):
    """Our end of a call's audio. Nothing here waits."""

    def play(self, audio: bytes) -> None:
        """Send mu-law audio, to be played after what was sent before."""
        ...

    def mark(self, name: str) -> None:
        """Ask to be told when everything before this was played."""
        ...

    def clear(self) -> None:
        """Drop what was not played yet, what was not even sent first of all."""
        ...

    def close(self) -> None:
        """End the audio. Safe to repeat."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TalkAccount:
    """What there is to tell of a conversation.

    Attributes:
        turns: Who said what, in order.
        metrics: Its figures, as in the result.
        cost: What its providers cost; telephony is not among them.
    """

    turns: tuple[Turn, ...] = ()
    metrics: dict[str, Any] = field(default_factory=CallMetrics().to_dict)
    cost: Cost = field(default_factory=Cost)


class Conversation:
    """One call's conversation: opened before anybody is rung, begun when the audio is there."""

    def __init__(
        self,
        plan: SessionPlan,
        agent: Agent,
        *,
        on_turn: Callable[[Turn], None],
        on_over: Callable[[str], None],
        tape: Tape | None = None,
    ) -> None:
        """Store what is needed.

        Args:
            plan: What the conversation should be.
            agent: Who speaks.
            on_turn: Hears of each finished turn.
            on_over: Hears why the agent has nothing more to say.
            tape: Hears everything that is heard, if the call is recorded.
        """
        self._plan = plan
        self._agent = agent
        self._on_turn = on_turn
        self._on_over = on_over
        self._tape = tape
        self._link: asyncio.Future[MediaLink] = asyncio.get_running_loop().create_future()
        self._session: VoiceSession | None = None
        self._heard_bytes = 0
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the voice is ready; failed with the `ProviderError` that says why not."""

    async def hold(self, resources: Resources) -> None:
        """Open the voice, wait for the audio, converse until cancelled, close the voice.

        Raises:
            ProviderError: Speech or language failed for good once the call was answered.
        """
        try:
            async with self._agent.engine.open(self._plan, resources) as session:
                self._session = session
                if not self.opened.done():
                    self.opened.set_result(None)
                link = await self._link
                await session.run(lambda event: self._emit(link, event))
        except Exception as error:
            if self.opened.done():
                raise
            self.opened.set_exception(error)

    @property
    def link(self) -> MediaLink | None:
        """The audio that the conversation is connected to, if it is."""
        return self._link.result() if self._link.done() and not self._link.cancelled() else None

    @property
    def now_ms(self) -> int:
        """How long the conversation has lasted, by the callee's audio, as its turns are timed."""
        return self._heard_bytes // BYTES_PER_MS

    def begin(self, link: MediaLink) -> None:
        """Connect the audio; the first link is the only one."""
        if not self._link.done():
            self._link.set_result(link)

    def hear_audio(self, audio: bytes) -> None:
        """Take the callee's audio."""
        self._heard_bytes += len(audio)
        if self._tape is not None:
            self._tape.hear(audio)  # First: what the session says to it is played afterwards.
        if self._session is not None:
            self._session.hear_audio(audio)

    def hear_mark(self, name: str) -> None:
        """Take the news that a mark was reached."""
        if self._session is not None:
            self._session.hear_mark(name)

    def say(self, text: str) -> bool:
        """Have the agent say `text`; whether there is a conversation to say it in."""
        if self._session is None or self.link is None:
            return False
        self._session.say(text)
        return True

    def leave_message(self, text: str, reason: str) -> bool:
        """Say nothing but `text`, to a machine; whether there is a conversation to say it in."""
        if self._session is None or self.link is None:
            return False
        self._session.leave_message(text, reason)
        return True

    def finish(self, reason: str) -> None:
        """Say to its end what is being said; then `on_over` hears `reason`."""
        if self._session is not None:
            self._session.finish(reason)

    def send_digits(self, digits: str) -> None:
        """Press keys, after what is being said."""
        if self._session is not None:
            self._session.send_digits(digits)

    def account(self) -> TalkAccount:
        """What there is to tell of the conversation so far, the turn under way included."""
        if self._session is None:
            return TalkAccount()
        return TalkAccount(
            turns=self._session.transcript(),
            metrics=self._session.metrics(),
            cost=self._session.cost(),
        )

    def _emit(self, link: MediaLink, event: VoiceEvent) -> None:
        match event:
            case PlayAudio(audio=audio):
                link.play(audio)
                if self._tape is not None:
                    self._tape.play(audio)
            case PlayMark(name=name):
                link.mark(name)
            case ClearAudio():
                link.clear()
                if self._tape is not None:
                    self._tape.clear()
            case TurnFinished(turn=turn):
                self._on_turn(turn)
            case ConversationOver(reason=reason):
                self._on_over(reason)
