"""The driver of the simulated clock: how fast time goes, and what it waits for.

While media flows, time moves with its frames: each step sends 20 ms on every stream, waits until
the other side has taken them, and moves the clock by 20 ms. Without media, time jumps to the next
moment that somebody waits for, once everybody has been idle for a little while. While something
real is outstanding (a request, a disk write, a user's function) time keeps to real time, or it
would run past the answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from typing import TYPE_CHECKING, Protocol

from patter_core.audio.frames import FRAME_MS

if TYPE_CHECKING:
    from collections.abc import Generator

    from patter_core.clock import SimulatedClock

FRAME_SEC = FRAME_MS / 1_000
QUIET_SEC = 0.005
"""How long nothing may happen before time jumps."""
_UNSETTLED_SEC = 1.0
"""After so long without a quiet moment, time goes on at real time: a blocked loop stops nobody."""
_CATCH_UP_SEC = 0.05
_SHORT_POLL_SEC = 0.001
_LONG_POLL_SEC = 0.004
_SHORT_POLLS = 10
_LONGEST_REST_SEC = 0.02
_WATCH_SEC = 0.25
_DEAD_AIR_FRAMES = 10


class PacedStream(Protocol):
    """A media stream that time moves with."""

    @property
    def lagging(self) -> bool:
        """Whether the other side has stopped taking frames."""
        ...

    async def send_frame(self) -> None:
        """Play 20 ms, and send 20 ms at the latest with `ask`. Never waits for the other side."""
        ...

    @property
    def still(self) -> bool:
        """Whether nobody has made a sound on it for a while."""
        ...

    async def ask(self) -> None:
        """Send, and ask the other side whether it has taken it."""
        ...

    async def taken(self) -> None:
        """Wait for the answer to `ask`, or until the other side has been found lagging."""
        ...

    def watch(self, real_now: float) -> None:
        """Find out whether the other side lags; `real_now` is `time.monotonic()`."""
        ...


class Pace:
    """Moves `clock`, alone, from `run`."""

    def __init__(self, clock: SimulatedClock, speed: float | None = None) -> None:
        """Speed is a multiple of real time that is never exceeded; None knows no limit."""
        self._clock = clock
        self._speed = speed
        self._streams: list[PacedStream] = []
        self._outstanding = 0
        self._activity = 0
        self._halts = 0
        self._moving = asyncio.Event()
        self._moving.set()
        self._news = asyncio.Event()
        self._streaming = asyncio.Event()
        self._due = 0.0
        self._polls = 0
        self._rest_sec = _SHORT_POLL_SEC
        self._unsettled_since: float | None = None

    @contextlib.contextmanager
    def outstanding(self) -> Generator[None]:
        """Mark that the network itself does something real: it answers, asks, connects."""
        self._outstanding += 1
        self._stir()
        try:
            yield
        finally:
            self._outstanding -= 1
            self._stir()

    @contextlib.contextmanager
    def standing_still(self) -> Generator[None]:
        """Stop time: somebody of ours gets ready, and a run must not depend on how long it takes.

        Only for what takes fractions of a second: it stops the time of every call.
        """
        self._halts += 1
        self._moving.clear()
        try:
            yield
        finally:
            self._halts -= 1
            if not self._halts:
                self._moving.set()
            self._stir()

    @contextlib.contextmanager
    def streaming(self, stream: PacedStream) -> Generator[None]:
        """Move time with `stream`."""
        self._streams.append(stream)
        self._stir()
        self._streaming.set()
        try:
            yield
        finally:
            self._streams.remove(stream)
            self._stir()
            if not self._streams:
                self._streaming.clear()

    async def run(self) -> None:
        """Move the clock until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch())
            while True:
                if self._halts:
                    await self._moving.wait()
                    self._due = time.monotonic()
                elif self._streams:
                    await self._step()
                elif self._rate() is not None:
                    await self._creep()
                elif self._clock.next_timer() is None:
                    await self._rest()
                elif await self._settled() and not self._halts:
                    # Asked only now: who settled may have stopped to wait for what was next.
                    self._clock.advance(self._clock.next_timer() or 0.0)
                elif self._unsettled_for() > _UNSETTLED_SEC:
                    self._clock.advance(self._clock.now() + QUIET_SEC)

    def _rate(self) -> float | None:
        """How many simulated seconds a real one may bring; None for any number."""
        if self._speed is not None:
            # At a given speed time flows only while somebody waits for it, or nothing would rest.
            waiting = self._streams or self._held() or self._clock.next_timer() is not None
            return self._speed if waiting else None
        return 1.0 if self._held() else None

    def _held(self) -> bool:
        return (
            self._clock.holds > 0
            or self._outstanding > 0
            or any(stream.lagging for stream in self._streams)
        )

    # --- with media --------------------------------------------------------------------------

    async def _step(self) -> None:
        await self._wait_for_real_time()
        streams = tuple(self._streams)
        frames = self._frames_at_once(streams)
        while frames > 0:
            for stream in streams:
                await stream.send_frame()
            # Rounded, so that twenty milliseconds fifty times over are a second.
            after = round(self._clock.now() + FRAME_SEC, 6)
            wakes_somebody = (self._clock.next_timer() or math.inf) <= after
            frames = 0 if wakes_somebody or self._clock.holds else frames - 1
            if frames == 0:
                for stream in streams:
                    await stream.ask()
            self._clock.advance(after)
        for stream in streams:
            await stream.taken()
        self._unsettled_since = None
        self._rest_sec = _SHORT_POLL_SEC

    def _frames_at_once(self, streams: tuple[PacedStream, ...]) -> int:
        """One frame, but some more in dead air, which lasts until somebody's timer."""
        if self._rate() is None and all(stream.still for stream in streams):
            return _DEAD_AIR_FRAMES
        return 1

    async def _wait_for_real_time(self) -> None:
        rate = self._rate()
        while rate is not None:
            wait = self._due + FRAME_SEC / rate - time.monotonic()
            if wait <= 0:
                break
            await asyncio.sleep(wait if self._speed is not None else min(wait, self._poll_sec()))
            rate = self._rate()
        else:
            self._polls = 0
        # Missed real time is made up for only at a given speed, and then only a little of it.
        now = time.monotonic()
        if rate is not None and self._speed is not None:
            self._due = max(self._due + FRAME_SEC / rate, now - _CATCH_UP_SEC)
        else:
            self._due = now

    # --- without media -----------------------------------------------------------------------

    async def _creep(self) -> None:
        """Let a little real time pass, and as much simulated time as it allows."""
        rate = self._rate() or 1.0
        wait = self._poll_sec()
        if self._speed is not None and (moment := self._clock.next_timer()) is not None:
            # Straight to the next moment, when that is near.
            wait = min(max((moment - self._clock.now()) / rate, _SHORT_POLL_SEC), _LONG_POLL_SEC)
        before = time.monotonic()
        await asyncio.sleep(wait)
        self._due = time.monotonic()
        # A machine that stood still must not make the clock leap.
        passed = min(self._due - before, _CATCH_UP_SEC)
        after, moment = self._clock.now() + passed * rate, self._clock.next_timer()
        if self._halts:
            return
        # No moment is overshot, so that waits that follow one another add up.
        self._clock.advance(after if moment is None else min(after, moment))
        self._unsettled_since = None
        if not self._held():
            self._polls = 0

    async def _rest(self) -> None:
        """Nobody waits for anything: look again a little later, less often as time goes by."""
        activity = self._clock.activity
        self._news.clear()
        alarm = asyncio.get_running_loop().call_later(self._rest_sec, self._news.set)
        try:
            await self._news.wait()
        finally:
            alarm.cancel()
        stirred = activity != self._clock.activity
        self._rest_sec = _SHORT_POLL_SEC if stirred else min(self._rest_sec * 2, _LONGEST_REST_SEC)
        self._unsettled_since = None

    async def _settled(self) -> bool:
        """Whether nothing happened for a while, and every loop had time for us all the while."""
        activity = (self._clock.activity, self._activity)
        if self._unsettled_since is None:
            self._unsettled_since = time.monotonic()
        first = self._ask_loops()
        await asyncio.sleep(QUIET_SEC)
        # The second round finds a loop that was asked between two pieces of long work.
        second = first or self._ask_loops()
        if not first:
            await asyncio.sleep(_SHORT_POLL_SEC / 2)
        quiet = (
            not first
            and not second
            and activity == (self._clock.activity, self._activity)
            and not self._streams
            and (self._clock.holds == 0 and self._outstanding == 0)
        )
        if quiet:
            self._unsettled_since = None
        self._rest_sec = _SHORT_POLL_SEC
        return quiet

    def _ask_loops(self) -> set[asyncio.AbstractEventLoop]:
        """The loops that still owe an answer: the set shrinks as they give it."""
        owing = set(self._clock.loops())
        for loop in tuple(owing):
            try:
                loop.call_soon_threadsafe(owing.discard, loop)
            except RuntimeError:  # It was closed just now.
                owing.discard(loop)
        return owing

    def _unsettled_for(self) -> float:
        since = self._unsettled_since
        return 0.0 if since is None else time.monotonic() - since

    def _poll_sec(self) -> float:
        self._polls += 1
        return _SHORT_POLL_SEC if self._polls <= _SHORT_POLLS else _LONG_POLL_SEC

    def _stir(self) -> None:
        self._activity += 1
        self._news.set()

    async def _watch(self) -> None:
        """Look for streams whose other side has stopped reading. In real time, as they do."""
        while True:
            await self._streaming.wait()
            await asyncio.sleep(_WATCH_SEC)
            now = time.monotonic()
            for stream in tuple(self._streams):
                stream.watch(now)
