"""One call's conversation with OpenAI Realtime: keeps a connection to it, and watches over it."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from patter_core.errors import ProviderError
from patter_core.pipeline.realtime import wire
from patter_core.pipeline.realtime.failures import SessionExpired
from patter_core.pipeline.realtime.socket import NAME, RealtimeSocket, connected
from patter_core.pipeline.strangers import plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from patter_core.calls.cost import Cost, Usage
    from patter_core.calls.transcript import Turn
    from patter_core.pipeline.realtime.conversation import RealtimeConversation
    from patter_core.pipeline.realtime.meter import RealtimeMeter
    from patter_core.pipeline.realtime.socket import Connecting
    from patter_core.pipeline.resources import Resources
    from patter_core.pipeline.session import VoiceEvent

_log = logging.getLogger(__name__)

_LOST_AGAIN_MS = 20_000  # A connection that is lost again so soon is not made a third time.


class RealtimeSession:
    """One conversation: a `VoiceSession`. `OpenAIRealtime.open` makes it.

    Attributes:
        ready: Done when the service is there; failed with the `ProviderError` that says why not.
    """

    def __init__(
        self,
        conversation: RealtimeConversation,
        connecting: Connecting,
        resources: Resources,
        meter: RealtimeMeter,
        *,
        call_id: str,
        stall_sec: float,
    ) -> None:
        """Store what is needed; `carry` connects, `run` begins to talk."""
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._conversation = conversation
        self._connecting = connecting
        self._clock = resources.clock
        self._meter = meter
        self._call_id = call_id
        self._stall_sec = stall_sec
        self._now = asyncio.get_running_loop().time
        self._heard_from = 0.0
        self._expected = asyncio.Event()
        self._settled = asyncio.Event()
        self._failure: ProviderError | None = None
        self._failed = asyncio.Event()

    # --- the VoiceSession --------------------------------------------------------------------

    async def run(self, emit: Callable[[VoiceEvent], None]) -> None:
        """See `VoiceSession.run`."""
        try:
            async with asyncio.TaskGroup() as group:
                self._conversation.begin(group, emit)
                self._note()
                await self._failed.wait()
                if self._failure is not None:
                    raise self._failure
        except BaseExceptionGroup as errors:
            error = plain(errors)
            raise error from error.__cause__
        finally:
            # While the call is being ended, frames and marks still tell what was heard.
            self._conversation.end()

    def hear_audio(self, audio: bytes) -> None:
        """See `VoiceSession.hear_audio`."""
        self._conversation.hear_audio(audio)
        self._note()

    def hear_mark(self, name: str) -> None:
        """See `VoiceSession.hear_mark`."""
        self._conversation.hear_mark(name)

    def say(self, text: str) -> None:
        """See `VoiceSession.say`."""
        self._conversation.say(text)
        self._note()

    def finish(self, reason: str) -> None:
        """See `VoiceSession.finish`."""
        self._conversation.finish(reason)

    def leave_message(self, text: str, reason: str) -> None:
        """See `VoiceSession.leave_message`."""
        self._conversation.leave_message(text, reason)
        self._note()

    def send_digits(self, digits: str) -> None:
        """See `VoiceSession.send_digits`."""
        self._conversation.send_digits(digits)

    def transcript(self) -> tuple[Turn, ...]:
        """See `VoiceSession.transcript`."""
        return self._conversation.transcript()

    def metrics(self) -> dict[str, Any]:
        """See `VoiceSession.metrics`.

        Among them are `tokens`, and `hears_nothing`: the callee could be heard, and the service has
        noticed nothing; `advice` then says what to do about it.
        """
        underruns = self._conversation.speech.underruns
        return self._meter.metrics(turns=len(self.transcript()), underruns=underruns)

    def usage(self) -> Usage:
        """See `VoiceSession.usage`."""
        return self._meter.usage(self._conversation.speech.clock)

    def cost(self) -> Cost:
        """See `VoiceSession.cost`."""
        return self._meter.cost()

    # --- the connection ----------------------------------------------------------------------

    async def carry(self) -> None:
        """Keep a connection until cancelled. What ends it for good is raised by `run`."""
        speech = self._conversation.speech
        lost_ms: int | None = None
        try:
            while True:
                async with connected(
                    self._connecting, self._conversation.detection.wanted
                ) as socket:
                    await self._talk(socket)
                self._conversation.lost()
                self._note()
                if lost_ms is not None and speech.now_ms - lost_ms < _LOST_AGAIN_MS:
                    self._fail(ProviderError(NAME, "the connection broke again", retryable=True))
                    return
                lost_ms = speech.now_ms
                _log.warning("Call %s: the connection was lost; another is made", self._call_id)
                self._meter.reconnections += 1
        except ProviderError as error:
            self._fail(error)

    async def _talk(self, socket: RealtimeSocket) -> None:
        """Take and give until the connection is lost."""
        self._conversation.attach(socket.send)
        self._heard_from = self._now()
        self._note()
        if not self.ready.done():
            self.ready.set_result(None)
        try:
            async with asyncio.TaskGroup() as group:
                helpers = [
                    group.create_task(socket.write()),
                    group.create_task(self._watch(socket)),
                ]
                while (frame := await socket.frame()) is not None:
                    self._take(frame)
                for helper in helpers:
                    helper.cancel()
        except BaseExceptionGroup as errors:
            error = plain(errors)
            if not isinstance(error, SessionExpired):
                raise error from error.__cause__

    def _take(self, frame: str) -> None:
        self._heard_from = self._now()
        try:
            event = wire.read(frame)
        except wire.UnreadableEvent as error:
            # What mattered in it will be missed, and found out by its absence.
            self._meter.unreadable += 1
            _log.warning("Call %s: a frame could not be read (%s)", self._call_id, error)
            return
        if event is not None:
            self._conversation.take(event)
            self._note()

    def _fail(self, error: ProviderError) -> None:
        if not self.ready.done():
            self.ready.set_exception(error)
            return
        self._failure = error
        self._failed.set()

    # --- what is outstanding -----------------------------------------------------------------

    def _note(self) -> None:
        """See whether the service has to send something next."""
        expecting = self._conversation.responses.expecting
        if expecting is self._expected.is_set():
            return
        if expecting:
            self._heard_from = self._now()
            self._settled.clear()
            self._expected.set()
        else:
            self._expected.clear()
            self._settled.set()

    async def _watch(self, socket: RealtimeSocket) -> None:
        """Give up on a connection that does not answer, in the loop's own time.

        Between turns nothing is outstanding, and a simulated clock may run.
        """
        while True:
            await self._expected.wait()
            with self._clock.hold():
                while self._expected.is_set():
                    silent_until = self._heard_from + self._stall_sec
                    if self._now() >= silent_until:
                        _log.warning("Call %s: the service has fallen silent", self._call_id)
                        await socket.abandon()
                        return
                    try:
                        async with asyncio.timeout_at(silent_until):
                            await self._settled.wait()
                    except TimeoutError:
                        continue
