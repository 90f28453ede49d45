r"""Patter in the side-by-side bench: `Patter(...).serve(agent)` with providers that take no time.

    BENCH_PATTER_PY=.venv/bin/python BENCH_PATTER_ADAPTER=$PWD/benchmarks/srv_patter.py \
        $BENCH_HOME/floor/bin/python $BENCH_DIR/bench.py --targets patter,floor-aiohttp ...

Callers are let in as Twilio lets people in: by a signed voice webhook and a signed socket; the one
line that this prints when it listens says how. `bench_voice.py` starts it too.

What is not the default here: an interruption counts from its first sound on
(`interrupt_after_ms=0`), because the floor beside it does not wait either; and hang-ups are
answered by a REST server in this process.
"""

from __future__ import annotations

import argparse
import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aiohttp import web
from voice_parts import REPLY, SENTENCE_CHUNKS, MarkerDetector, ready

from patter import Patter, Twilio
from patter_core.audio import mulaw
from patter_core.pipeline.language_model import TextPiece
from patter_core.pipeline.speech_to_text import SpeechBegan, SpeechEnded
from patter_core.pipeline.turn_settings import TurnSettings
from patter_core.telephony.twilio.media import TwilioMediaWire

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping

    from patter_core.pipeline.speech_to_text import SpeechEvent
    from patter_core.telephony.carrier import MediaStarted

_ACCOUNT = "AC" + "b" * 32
_TOKEN = "bench-token"  # noqa: S105 - loopback only
_HOST = "bench.example.com"


class MarkerEars:
    """Open `Ears`."""

    def __init__(self, report: Callable[[SpeechEvent], None]) -> None:
        """Report the caller's marker, each time."""
        self._report = report
        self._detector = MarkerDetector()

    def feed(self, audio: bytes) -> None:
        """See `Ears.feed`."""
        heard = self._detector.feed(mulaw.decode(audio))
        if heard is not None:
            self._report(SpeechBegan() if heard == "began" else SpeechEnded(heard))


@dataclass(frozen=True)
class MarkerSTT:
    """A `SpeechToText`."""

    @asynccontextmanager
    async def listen(
        self, report: Callable[[SpeechEvent], None], _resources: object
    ) -> AsyncGenerator[MarkerEars]:
        """See `SpeechToText.listen`."""
        yield MarkerEars(report)


@dataclass(frozen=True)
class StubLLM:
    """A `LanguageModel` that always says the same."""

    async def reply(
        self, _messages: object, _resources: object, _tools: object = ()
    ) -> AsyncIterator[TextPiece]:
        """See `LanguageModel.reply`."""
        for piece in REPLY:
            yield TextPiece(piece)


@dataclass(frozen=True)
class ToneTTS:
    """A `TextToSpeech` that hums a second for each sentence."""

    async def speak(self, _text: str, _resources: object) -> AsyncIterator[bytes]:
        """See `TextToSpeech.speak`."""
        for chunk in SENTENCE_CHUNKS:
            yield chunk


class BenchWire(TwilioMediaWire):
    """The bench's callers each name an account of their own in the stream's start frame."""

    def _start(self, call: str, stream: str, start: Mapping[object, object]) -> MediaStarted | None:
        started = super()._start(call, stream, start)
        return None if started is None else replace(started, account=_ACCOUNT)


class BenchTwilio(Twilio):
    """The account whose calls the bench pretends to be."""

    def media_wire(self) -> BenchWire:
        """See `Carrier.media_wire`."""
        return BenchWire()


async def _call_resource(request: web.Request) -> web.Response:
    return web.json_response({"sid": request.match_info["call"], "status": "completed"})


@asynccontextmanager
async def carrier() -> AsyncGenerator[str]:
    """A REST API that agrees to every hang-up; its address."""
    app = web.Application()
    app.add_routes([web.post("/2010-04-01/Accounts/{account}/Calls/{call}.json", _call_resource)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def serve(port: int, *, greets: bool) -> None:
    """Answer on `port` until SIGTERM; with a greeting if it `greets`."""
    async with carrier() as api:
        phone = Patter(
            carrier=BenchTwilio(_ACCOUNT, _TOKEN, api_base_url=api),
            phone_number="+15550002222",
            webhook_url=_HOST,
            ledger=":memory:",
            max_concurrent_calls=500,
            host="127.0.0.1",
            port=port,
        )
        agent = phone.agent(
            system_prompt="You are a receptionist.",
            first_message="Hello, this is the clinic." if greets else "",
            stt=MarkerSTT(),
            llm=StubLLM(),
            tts=ToneTTS(),
            turns=TurnSettings(interrupt_after_ms=0),
        )
        serving = asyncio.create_task(phone.serve(agent, handle_signals=True))
        await phone.opened()
        ready(
            "/twilio/media",
            voice_path="/twilio/voice",
            public_url=f"https://{_HOST}",
            auth_token=_TOKEN,
            account_sid=_ACCOUNT,
        )
        await serving


def main() -> None:
    """Parse what the bench passes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--loop", choices=["asyncio", "uvloop"], default="asyncio")
    parser.add_argument("--greets", action="store_true")
    arguments = parser.parse_args()
    if arguments.loop == "uvloop":
        import uvloop

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    asyncio.run(serve(arguments.port, greets=arguments.greets))


if __name__ == "__main__":
    main()
