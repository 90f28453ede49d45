"""A carrier in the test's own process, by bytes: plays what is emitted, frame for frame."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque

import aiohttp

from patter_core.audio.frames import FRAME_BYTES, SILENT_FRAME
from patter_core.clock import SystemClock
from patter_core.pipeline.plan import SessionPlan
from patter_core.pipeline.resources import Resources
from patter_core.pipeline.session import ClearAudio, PlayAudio, PlayMark, TurnFinished
from patter_core.pipeline.turn_settings import TurnSettings
from patter_core.speech import markers


class InProcessLine:
    """Feeds 20 ms frames to a session, plays one frame for each, returns marks when reached."""

    def __init__(self, session, *, returns_marks=True):
        self.session = session
        self.returns_marks = returns_marks
        self.events = []
        self.turns = []
        self.played = []
        self._queue = deque()
        self._speech = deque()

    def emit(self, event):
        self.events.append(event)
        match event:
            case PlayAudio(audio=audio):
                assert audio
                assert len(audio) % FRAME_BYTES == 0
                self._queue += [
                    audio[at : at + FRAME_BYTES] for at in range(0, len(audio), FRAME_BYTES)
                ]
            case PlayMark(name=name):
                self._queue.append(name)
                self._return_marks()
            case ClearAudio():
                self._queue.clear()
            case TurnFinished(turn=turn):
                self.turns.append(turn)

    @property
    def buffered_frames(self):
        return sum(isinstance(item, bytes) for item in self._queue)

    @property
    def silent(self):
        return not self._queue

    def speak(self, text):
        audio = markers.encode(text)
        self._speech += [audio[at : at + FRAME_BYTES] for at in range(0, len(audio), FRAME_BYTES)]

    def frame(self):
        """20 ms pass."""
        self.session.hear_audio(self._speech.popleft() if self._speech else SILENT_FRAME)
        if self._queue:
            self.played.append(self._queue.popleft())
        self._return_marks()

    async def frames(self, count):
        for _ in range(count):
            await settle()
            self.frame()
        await settle()

    async def until(self, condition, *, frames=5_000):
        for _ in range(frames):
            await settle()
            if condition():
                return
            self.frame()
        raise AssertionError("it never came about")

    async def until_turns(self, count):
        await self.until(lambda: len(self.turns) >= count)

    def heard(self):
        """Every word that was played, as the callee's ears decode it, the last one perhaps cut."""
        detector = markers.MarkerDetector()
        events = detector.feed(b"".join(self.played))
        texts = [event.text for event in events if isinstance(event, markers.Ended)]
        return " ".join([*texts, detector.pending or ""]).split()

    def _return_marks(self):
        while self._queue and isinstance(self._queue[0], str):
            name = self._queue.popleft()
            if self.returns_marks:
                self.session.hear_mark(name)


async def settle():
    """Let every task that can go on do so."""
    for _ in range(12):
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def resources(clock=None):
    async with aiohttp.ClientSession() as http:
        lent = Resources(http=http, clock=clock or SystemClock())
        try:
            yield lent
        finally:
            await lent.aclose()


@contextlib.asynccontextmanager
async def conversation(
    engine, *, instructions="", greeting="", tools=None, turns=None, clock=None, **line_options
):
    """A conversation that runs; leaving cancels it. What `run` raised is raised on leaving."""
    plan = SessionPlan(
        call_id="call",
        instructions=instructions,
        greeting=greeting,
        turns=turns or TurnSettings(),
        tools=tools,
    )
    async with resources(clock) as lent, engine.open(plan, lent) as session:
        line = InProcessLine(session, **line_options)
        running = asyncio.create_task(session.run(line.emit))
        line.running = running
        try:
            await settle()
            yield line
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running
