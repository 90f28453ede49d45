"""The least that a Python server must do for the same calls: one aiohttp socket, and no engine.

It reads each frame, tells loud from silent, answers the marker with two seconds of audio in frames
of 20 ms, and clears the line at the first loud frame over them.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
from contextlib import suppress

from aiohttp import WSMsgType, web
from voice_parts import FRAME_BYTES, FRAME_SEC, SENTENCE, SILENT_FRAMES, ready

_SPEECH = SENTENCE * 2
_PAYLOADS = [
    base64.b64encode(_SPEECH[at : at + FRAME_BYTES]).decode()
    for at in range(0, len(_SPEECH), FRAME_BYTES)
]
_QUIET = {0xFF, 0x7F}
_LEAST_FRAMES = 10


class Call:
    """One call."""

    def __init__(self, socket: web.WebSocketResponse, *, greets: bool) -> None:
        """Answer on `socket`; at once when it `greets`."""
        self._socket = socket
        self._greets = greets
        self._stream = ""
        self._loud = 0
        self._silent = 0
        self._reply: asyncio.Task[None] | None = None

    async def hear(self, text: str) -> None:
        """Take one frame."""
        message = json.loads(text)
        match message["event"]:
            case "media":
                await self._hear_audio(base64.b64decode(message["media"]["payload"]))
            case "start":
                self._stream = message["streamSid"]
                if self._greets:
                    self._reply = asyncio.create_task(self._speak())
            case _:
                pass

    async def _hear_audio(self, audio: bytes) -> None:
        if audio[5] in _QUIET and audio[85] in _QUIET:
            self._silent += bool(self._loud)
            if self._silent == SILENT_FRAMES:
                if self._loud >= _LEAST_FRAMES:
                    self._reply = asyncio.create_task(self._speak())
                self._loud = self._silent = 0
            return
        self._silent = 0
        self._loud += 1
        if self._loud == 1 and self._reply is not None and not self._reply.done():
            self._reply.cancel()
            await self._socket.send_str(f'{{"event":"clear","streamSid":"{self._stream}"}}')

    async def _speak(self) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        with suppress(ConnectionError):
            for number, payload in enumerate(_PAYLOADS, 1):
                await self._socket.send_str(
                    f'{{"event":"media","streamSid":"{self._stream}",'
                    f'"media":{{"payload":"{payload}"}}}}'
                )
                await asyncio.sleep(max(0.0, began + number * FRAME_SEC - loop.time()))

    def end(self) -> None:
        """It is over."""
        if self._reply is not None:
            self._reply.cancel()


async def serve(port: int, *, greets: bool) -> None:
    """Answer on `port` until this process is ended."""

    async def answer(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        call = Call(socket, greets=greets)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await call.hear(message.data)
        call.end()
        return socket

    app = web.Application()
    app.add_routes([web.get("/media", answer)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    ready("/media")
    await asyncio.Event().wait()


def main() -> None:
    """Parse what the benchmark passes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--greets", action="store_true")
    arguments = parser.parse_args()
    with suppress(KeyboardInterrupt):
        asyncio.run(serve(arguments.port, greets=arguments.greets))


if __name__ == "__main__":
    main()
