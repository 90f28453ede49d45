"""A Realtime conversation in the test's own process, against the scripted service, by bytes."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from dataclasses import dataclass, field

import pytest
from openai.types.realtime import RealtimeClientEventParam
from pydantic import TypeAdapter

from patter_core.audio.frames import SILENT_FRAME
from patter_core.calls.redaction import Redaction
from patter_core.errors import ProviderError
from patter_core.pipeline.plan import SessionPlan
from patter_core.pipeline.realtime.engine import OpenAIRealtime
from patter_core.pipeline.tool_use import ToolFace
from patter_core.pipeline.turn_settings import TurnSettings
from tests.pipeline.in_process_line import InProcessLine, resources, settle


@functools.cache
def client_events():
    return TypeAdapter(RealtimeClientEventParam)


def check_client_events(events):
    """Every event is one of the official eleven, with no key too many."""
    for event in events:
        if event["type"] == "session.update" and "tools" in event["session"]:
            tools = [
                {key: tool[key] for key in tool if key != "strict"}
                for tool in event["session"]["tools"]
            ]
            event = {**event, "session": {**event["session"], "tools": tools}}
        client_events().validate_python(event, extra="forbid")


def engine(server, **options):
    return OpenAIRealtime(**{"base_url": server.base_url, "api_key": "sk-test", **options})


@dataclass
class Tools:
    """A call's tools: functions of the arguments' text and `say`."""

    functions: dict
    strict: bool = False
    asked: list = field(default_factory=list)
    cancelled: list = field(default_factory=list)

    @property
    def faces(self):
        schema = {"type": "object", "properties": {}, "additionalProperties": False}
        return tuple(
            ToolFace(name=name, description=f"Does {name}", parameters=schema, strict=self.strict)
            for name in self.functions
        )

    async def run(self, request, say):
        self.asked.append(request)
        try:
            answer = self.functions[request.name](request.arguments, say)
            return await answer if asyncio.iscoroutine(answer) else answer
        except asyncio.CancelledError:
            self.cancelled.append(request.name)
            raise


class Line(InProcessLine):
    """Goes no faster than the service hears and answers."""

    def __init__(self, session, server):
        super().__init__(session)
        self._server = server
        self.heard_by_us = []
        self._seen = 0
        self._appended = 0
        self._sent = 0

    def frame(self):
        self.heard_by_us.append(self._speech[0] if self._speech else SILENT_FRAME)
        super().frame()
        self._sent += 1

    async def step(self):
        self.frame()
        await self.calm()

    async def calm(self):
        """Wait until the service has heard everything, and has said all that it says to it."""
        async with asyncio.timeout(30):
            while True:
                sent = len(self._server.sent)
                await self._let_it_work()
                events = self._server.received
                fresh = events[self._seen :]
                self._seen = len(events)
                self._appended += sum(e["type"] == "input_audio_buffer.append" for e in fresh)
                if not fresh and len(self._server.sent) == sent and self._heard_all:
                    await settle()
                    return

    async def _let_it_work(self):
        """Some turns of the service's own loop, however long they take on a busy machine."""
        loop, turned = asyncio.get_running_loop(), asyncio.Event()
        for _ in range(8):
            turned.clear()
            self._server._loop.call_soon(lambda: loop.call_soon_threadsafe(turned.set))
            # One that was closed gives no answer.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.1):
                    await turned.wait()

    def forget_what_was_sent(self):
        """Some of it went down with a connection."""
        self._sent = self._appended

    @property
    def _heard_all(self):
        return self._appended >= self._sent or self._server.live == 0

    async def frames(self, count):
        for _ in range(count):
            await self.step()

    async def until(self, condition, *, frames=3_000):
        await self.calm()
        for _ in range(frames):
            if condition():
                return
            await self.step()
        raise AssertionError("it never came about")

    async def says(self, text):
        """The callee says it, to its end."""
        self.speak(text)
        await self.until(lambda: not self._speech)

    async def until_quiet(self):
        """The agent says everything that it has to."""
        quiet = 0
        for _ in range(3_000):
            await self.step()
            quiet = quiet + 1 if self.silent else 0
            if quiet > 10:
                return
        raise AssertionError("the agent never stopped")

    @property
    def said(self):
        return [(turn.role, turn.text) for turn in self.session.transcript()]


@contextlib.asynccontextmanager
async def conversation(
    server, *, greeting="", instructions="Be kind.", tools=None, turns=None, secrets=(), **options
):
    plan = SessionPlan(
        call_id="call",
        instructions=instructions,
        greeting=greeting,
        tools=tools,
        turns=turns or TurnSettings(silence_prompt_sec=0),
        redaction=Redaction(tuple(secrets)),
    )
    async with resources() as lent, engine(server, **options).open(plan, lent) as session:
        line = Line(session, server)
        line.running = asyncio.create_task(session.run(line.emit))
        try:
            await settle()
            yield line
        finally:
            line.running.cancel()
            with contextlib.suppress(asyncio.CancelledError, ProviderError):
                await line.running


async def came(condition, seconds=30.0):
    """Wait for something that another thread brings about."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - the other thread has no event of our loop
            await asyncio.sleep(0.002)


async def ends_with(line, error, words):
    """Whoever goes on frame by frame sees the conversation end with this error."""
    await line.until(lambda: line.running.done())
    with pytest.raises(error, match=words):
        await line.running


def kinds(events):
    """Types of events, without the audio's."""
    return [e["type"] for e in events if e["type"] != "input_audio_buffer.append"]


def of_type(events, kind):
    return [event for event in events if event["type"] == kind]


def asks(server):
    return of_type(server.received, "response.create")
