r"""Patter in the side-by-side bench: `Patter(...).serve(agent)` with providers that take no time.

    BENCH_PATTER_PY=.venv/bin/python BENCH_PATTER_ADAPTER=$PWD/benchmarks/srv_patter.py \
        $BENCH_HOME/floor/bin/python $BENCH_DIR/bench.py --targets patter,floor-aiohttp ...

The bench starts this file and tells by `BENCH_DIR` where its `stubs` are. Its callers are let in as
Twilio lets people in: by a signed voice webhook and a signed socket. What is not the default here:
an interruption counts from its first sound on (`interrupt_after_ms=0`), because the floor beside it
does not wait either; and hang-ups are answered by a REST server in this process.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import warnings
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from aiohttp import web

from patter import Patter, Twilio
from patter_core.audio import mulaw
from patter_core.pipeline.language_model import TextPiece
from patter_core.pipeline.speech_to_text import SpeechBegan, SpeechEnded
from patter_core.pipeline.turn_settings import TurnSettings
from patter_core.telephony.twilio.media import TwilioMediaWire

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

    from patter_core.pipeline.speech_to_text import SpeechEvent

warnings.simplefilter("ignore", DeprecationWarning)  # The bench's stubs import audioop.
sys.path.insert(0, os.environ["BENCH_DIR"])
import stubs  # noqa: E402

_ACCOUNT = "AC" + "b" * 32
_TOKEN = "bench-token"  # noqa: S105 - loopback only
_HOST = "bench.example.com"


class MarkerEars:
    """Open `Ears`: the bench's own detector."""

    def __init__(self, report: Callable[[SpeechEvent], None]) -> None:
        """Report the caller's marker, each time."""
        self._report = report
        self._detector = stubs.MarkerDetector(8_000)

    def feed(self, audio: bytes) -> None:
        """See `Ears.feed`."""
        event = self._detector.feed(mulaw.decode(audio))
        if event == "start":
            self._report(SpeechBegan())
        elif event == "final":
            self._report(SpeechEnded(self._detector.text()))


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

    async def reply(self, _messages: object, _resources: object) -> AsyncIterator[TextPiece]:
        """See `LanguageModel.reply`."""
        for chunk in stubs.REPLY_CHUNKS:
            yield TextPiece(chunk)


_SPEECH = tuple(mulaw.encode(chunk) for chunk in stubs.tts_chunks(8_000))


@dataclass(frozen=True)
class ToneTTS:
    """A `TextToSpeech` that hums a second for each sentence."""

    async def speak(self, _text: str, _resources: object) -> AsyncIterator[bytes]:
        """See `TextToSpeech.speak`."""
        for chunk in _SPEECH:
            yield chunk


class BenchWire(TwilioMediaWire):
    """The bench's callers each name an account of their own in the stream's start frame."""

    def _start(self, *start: Any) -> Any:  # noqa: ANN401 - as its parent has it
        started = super()._start(*start)
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


async def serve(port: int) -> None:
    """Answer on `port` until SIGTERM."""
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
            stt=MarkerSTT(),
            llm=StubLLM(),
            tts=ToneTTS(),
            turns=TurnSettings(interrupt_after_ms=0),
        )
        serving = asyncio.create_task(phone.serve(agent, handle_signals=True))
        await phone.opened()
        stubs.ready(
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
    arguments = parser.parse_args()
    if arguments.loop == "uvloop":
        import uvloop

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    asyncio.run(serve(arguments.port))


if __name__ == "__main__":
    main()
