"""What speaks, listens or thinks for the agent."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import Any

from benchmarks.fault_bench import Fault, Tally, one_call, trial
from patter_core.errors import ProviderError
from patter_core.pipeline.language_model import TextPiece
from patter_core.pipeline.realtime.engine import OpenAIRealtime
from patter_core.simulator import ScriptedRealtimeServer
from patter_core.speech import markers
from tests.calls.kit import scripted


class Broken:
    """Ears, a model or a voice that fail in one way once they are used."""

    def __init__(self, how: str) -> None:
        self.how = how

    async def fail(self) -> None:
        match self.how:
            case "401":
                raise ProviderError("scripted", "its key was refused (401)")
            case "drop":
                raise ProviderError("scripted", "the connection was lost", retryable=True)
            case "error":
                raise RuntimeError("a mistake in a provider")
            case _:
                await asyncio.Event().wait()


class BrokenModel(Broken):
    async def reply(self, messages: Any, resources: Any) -> Any:
        if self.how == "drop":
            yield TextPiece("For how ")
        await self.fail()
        yield TextPiece("never")


class BrokenVoice(Broken):
    async def speak(self, text: str, resources: Any) -> Any:
        if self.how == "drop":
            yield markers.encode(text)[:4_000]
        await self.fail()
        yield b""


class BrokenEars(Broken):
    @asynccontextmanager
    async def listen(self, report: Any, resources: Any) -> Any:
        if self.how == "401":
            await self.fail()
        how = self.how

        class Open:
            def feed(self, audio: bytes) -> None:
                if how == "drop":
                    raise ProviderError("scripted", "the connection was lost", retryable=True)
                if how == "error":
                    raise RuntimeError("a mistake in a provider")

        yield Open()


def providers() -> list[Fault]:
    """What speaks, listens or thinks fails during the call."""
    faults = []
    for part, broken in (("stt", BrokenEars), ("llm", BrokenModel), ("tts", BrokenVoice)):
        for how in ("401", "drop", "stall", "error"):

            def agent(part: str = part, broken: Any = broken, how: str = how) -> dict[str, Any]:
                return scripted(**{part: broken(how)})

            expected = ("failed", "timeout", "completed")
            faults.append(
                Fault(
                    f"{part}: {how}",
                    "by the provider",
                    one_call(
                        lambda n: None, *expected, agent=agent, arguments={"max_duration_sec": 30}
                    ),
                    2,
                    quick=how == "drop",
                )
            )
    for kind, at in (
        ("disconnect", "response.output_audio.delta"),
        ("stall", "response.output_audio.delta"),
        ("garbage", "response.output_audio.delta"),
        ("error", "response.created"),
        ("disconnect", 1),
        ("expire", "response.done"),
    ):
        faults.append(
            Fault(
                f"realtime: {kind} at {at}",
                "by the service",
                lambda kind=kind, at=at: realtime_call(kind, at),
                2,
            )
        )
    faults.append(Fault("realtime: 401", "at the handshake", lambda: realtime_call("401", 0), 2))
    return faults


async def realtime_call(
    kind: Any, at: Any, *, script: Any = ("One.", "Two."), tools: Any = ()
) -> Tally:
    options = {"refuses": 401} if kind == "401" else {}
    async with ScriptedRealtimeServer(list(script), **options) as server:
        if kind and kind != "401":
            server.spoil(kind, at, times=None)
        voice = OpenAIRealtime(base_url=server.base_url, api_key="sk-test")
        async with trial(agent={"engine": voice, "tools": list(tools)}) as made:
            await made.call("failed", "timeout", "completed", max_duration_sec=40)
    return made.tally
