"""The voice engine that is one socket to OpenAI Realtime: it hears, thinks and speaks."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from patter_core.config import setting
from patter_core.errors import ConfigError, ProviderError
from patter_core.pipeline.realtime.audio import encoding
from patter_core.pipeline.realtime.usage import RealtimePrices
from patter_core.pipeline.strangers import plain

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from patter_core.pipeline.plan import SessionPlan
    from patter_core.pipeline.realtime.audio import AudioName, Encoding
    from patter_core.pipeline.realtime.session import RealtimeSession
    from patter_core.pipeline.realtime.socket import Connecting
    from patter_core.pipeline.realtime.written import WrittenRealtime
    from patter_core.pipeline.resources import Resources
    from patter_core.pipeline.tool_use import ToolFace

_BASE_URL = "https://api.openai.com/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerVad:
    """Turns noticed by loudness.

    Attributes:
        threshold: How loud speech must be, 0 to 1.
        prefix_padding_ms: How much audio before it counts as part of it.
        silence_duration_ms: How long a pause ends a turn.
        interrupts: Whether the service stops by itself when the callee speaks; else we stop it.
    """

    threshold: float = 0.5
    prefix_padding_ms: int = 300
    silence_duration_ms: int = 500
    interrupts: bool = True

    def settings(self) -> dict[str, Any]:
        """As the session has them."""
        return {
            "type": "server_vad",
            "threshold": self.threshold,
            "prefix_padding_ms": self.prefix_padding_ms,
            "silence_duration_ms": self.silence_duration_ms,
            "create_response": True,
            "interrupt_response": self.interrupts,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SemanticVad:
    """Turns noticed by what is said.

    Attributes:
        eagerness: How soon a turn counts as finished.
        interrupts: Whether the service stops by itself when the callee speaks; else we stop it.
    """

    eagerness: Literal["low", "medium", "high", "auto"] = "auto"
    interrupts: bool = True

    def settings(self) -> dict[str, Any]:
        """As the session has them."""
        return {
            "type": "semantic_vad",
            "eagerness": self.eagerness,
            "create_response": True,
            "interrupt_response": self.interrupts,
        }


@dataclass(frozen=True, slots=True)
class OpenAIRealtime:
    """OpenAI Realtime: a `VoiceEngine`.

    Of a plan's `TurnSettings` it heeds the greeting's, the silence's and the tools'; when someone
    has finished, and what interrupts, is the service's to notice, as `turn_detection` says.

    Attributes:
        model: The model's name.
        voice: The voice's name.
        api_key: The key; "" takes the environment's OPENAI_API_KEY.
        base_url: Another server that speaks the same protocol, as in "http://127.0.0.1:8080/v1".
        turn_detection: How turns are noticed.
        transcription_model: What writes down the callee's words; None leaves them out of the
            transcript.
        language: The callee's language, as in "en", for transcription; "" for any.
        noise_reduction: For a phone at the ear, or one on the table; None for none.
        audio: "pcmu" is the telephone's own encoding, untouched. "pcm" is resampled to 24 kHz,
            for a service that does not hear the other: needs numpy (extra `local`).
        speed: How fast it speaks, 0.25 to 1.5.
        max_output_tokens: The longest response; None for no bound.
        prices: What it costs.
        open_sec: How long the connection may take.
        stall_sec: How long the service may be silent when it has to answer.
    """

    model: str = "gpt-realtime"
    voice: str = "marin"
    _: KW_ONLY
    api_key: str = field(default="", repr=False)
    base_url: str | None = None
    turn_detection: ServerVad | SemanticVad = ServerVad()
    transcription_model: str | None = "gpt-4o-mini-transcribe"
    language: str = ""
    noise_reduction: Literal["near_field", "far_field"] | None = "near_field"
    audio: AudioName = "pcmu"
    speed: float = 1.0
    max_output_tokens: int | None = None
    prices: RealtimePrices = field(default_factory=RealtimePrices)
    open_sec: float = 8.0
    stall_sec: float = 10.0

    def check(self) -> None:
        """See that it can be used, as far as that shows without the network.

        Raises:
            ConfigError: What is missing or wrong.
        """
        self._key()
        for name in ("model", "voice"):
            if not getattr(self, name):
                raise ConfigError(f"OpenAIRealtime: {name} is empty")
        if self.base_url is not None and not self.base_url.startswith(
            ("http://", "https://", "ws://", "wss://")
        ):
            raise ConfigError("OpenAIRealtime: base_url must begin with http:// or https://")
        if not isinstance(self.turn_detection, ServerVad | SemanticVad):
            raise ConfigError("OpenAIRealtime: turn_detection is a ServerVad or a SemanticVad")
        if self.audio not in ("pcmu", "pcm"):
            raise ConfigError('OpenAIRealtime: audio is "pcmu" or "pcm"')
        if not 0.25 <= self.speed <= 1.5:
            raise ConfigError("OpenAIRealtime: speed is from 0.25 to 1.5")
        encoding(self.audio)

    @asynccontextmanager
    async def open(
        self, plan: SessionPlan, resources: Resources
    ) -> AsyncGenerator[RealtimeSession]:
        """See `VoiceEngine.open`."""
        # They bring the HTTP client; this value must stay as cheap as the front door that has it.
        from patter_core.pipeline.realtime.conversation import RealtimeConversation
        from patter_core.pipeline.realtime.meter import RealtimeMeter
        from patter_core.pipeline.realtime.session import RealtimeSession
        from patter_core.pipeline.realtime.socket import NAME

        try:
            audio = encoding(self.audio)
        except ConfigError as error:
            raise ProviderError(NAME, str(error)) from error
        meter = RealtimeMeter(call_id=plan.call_id, prices=self.prices, stopwatch=time.perf_counter)
        session = RealtimeSession(
            RealtimeConversation(
                plan,
                audio,
                self.turn_detection.settings(),
                meter,
                transcribed=self.transcription_model is not None,
            ),
            self._connecting(plan, resources, {**self._spoken(audio), **self._shared(plan)}),
            resources,
            meter,
            call_id=plan.call_id,
            stall_sec=self.stall_sec,
        )
        try:
            async with asyncio.TaskGroup() as group:
                carrying = group.create_task(session.carry())
                try:
                    await session.ready
                    yield session
                finally:
                    carrying.cancel()
        except BaseExceptionGroup as errors:
            # Whoever uses the session gets back what they raised in it, as it was.
            reason = errors.exceptions[0] if len(errors.exceptions) == 1 else plain(errors)
            raise reason from reason.__cause__

    @asynccontextmanager
    async def open_written(
        self, plan: SessionPlan, resources: Resources
    ) -> AsyncGenerator[WrittenRealtime]:
        """See `WritingEngine.open_written`."""
        from patter_core.pipeline.realtime.written import written

        written_only: dict[str, Any] = {"output_modalities": ["text"], "audio": {"input": {}}}
        connecting = self._connecting(plan, resources, {**written_only, **self._shared(plan)})
        async with written(connecting, plan.greeting, stall_sec=self.stall_sec) as conversation:
            yield conversation

    def _connecting(
        self, plan: SessionPlan, resources: Resources, session: dict[str, Any]
    ) -> Connecting:
        from patter_core.pipeline.realtime.socket import NAME, Connecting

        try:
            key = self._key()
        except ConfigError as error:
            raise ProviderError(NAME, str(error)) from error
        base = (self.base_url or _BASE_URL).rstrip("/")
        return Connecting(
            url=f"{base}/realtime?model={quote(self.model, safe='')}",
            key=key,
            session=session,
            open_sec=self.open_sec,
            call_id=plan.call_id,
            resources=resources,
        )

    def _spoken(self, audio: Encoding) -> dict[str, Any]:
        """What only a session with audio is told."""
        heard: dict[str, Any] = {"format": dict(audio.format)}
        if self.noise_reduction is not None:
            heard["noise_reduction"] = {"type": self.noise_reduction}
        if self.transcription_model is not None:
            heard["transcription"] = {"model": self.transcription_model}
            if self.language:
                heard["transcription"]["language"] = self.language
        spoken = {"format": dict(audio.format), "voice": self.voice, "speed": self.speed}
        return {"output_modalities": ["audio"], "audio": {"input": heard, "output": spoken}}

    def _shared(self, plan: SessionPlan) -> dict[str, Any]:
        """What every session is told."""
        session: dict[str, Any] = {
            "instructions": plan.instructions,
            "max_output_tokens": self.max_output_tokens or "inf",
        }
        faces = plan.tools.faces if plan.tools is not None else ()
        if faces:
            session["tools"] = [_tool(face) for face in faces]
            session["tool_choice"] = "auto"
        return session

    def _key(self) -> str:
        if key := self.api_key or setting("OPENAI_API_KEY"):
            return key
        raise ConfigError(
            "OpenAIRealtime: no key. Set the environment variable OPENAI_API_KEY, or pass api_key= "
            "(any text for a server of your own that asks for none)"
        )


def _tool(face: ToolFace) -> dict[str, Any]:
    """A tool as the session has it. `strict` is no documented key: it is withdrawn if refused."""
    tool: dict[str, Any] = {
        "type": "function",
        "name": face.name,
        "description": face.description,
        "parameters": face.parameters,
    }
    return {**tool, "strict": True} if face.strict else tool
