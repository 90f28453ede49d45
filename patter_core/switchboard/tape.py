"""What is heard on one line, on its way to a sound file: the caller left, the agent right."""

from __future__ import annotations

import logging
import os
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING

from patter_core.audio.frames import SAMPLE_RATE_HZ, SILENCE
from patter_core.audio.wav import StereoWriter

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from pathlib import Path

    from patter_core.workers import Workers

_log = logging.getLogger(__name__)

_BATCH_MS = 500
_BATCH_BYTES = SAMPLE_RATE_HZ * _BATCH_MS // 1_000
_ON_DISK_BYTES = SAMPLE_RATE_HZ + _BATCH_BYTES  # By then the writer has written once.
_OWNER_ONLY = 0o600


class Tape:
    """One call's recording. Used on the engine's loop; the disk is only touched by `workers`.

    It does as the line does: what the agent sends waits its turn, plays while the callee's audio
    comes in, and what is cleared before it was played was never heard. So the file has both sides
    as they were, on the clock of the callee's audio. A disk that fails, or falls too far behind,
    ends the recording and nothing else; what is in the file by then can be played.
    """

    def __init__(
        self, call_id: str, choose_path: Callable[[], Path], workers: Workers, *, behind_sec: float
    ) -> None:
        """Store what is needed; the first audio makes the file.

        Args:
            call_id: Patter's id for the call, for logs.
            choose_path: Says where the file goes, on the worker's thread. It must not be there
                yet; its folder is made when missing.
            workers: One thread, which may serve many tapes.
            behind_sec: How much audio may wait for the disk.
        """
        self._call_id = call_id
        self._workers = workers
        self._most_waiting = max(1, int(behind_sec * SAMPLE_RATE_HZ / _BATCH_BYTES))
        self._reel = _Reel(choose_path)
        self._to_play = bytearray()
        self._caller = bytearray()
        self._agent = bytearray()
        self._writing: list[Future[None]] = []
        self._over = False

    def play(self, audio: bytes) -> None:
        """The agent sends mu-law audio, to be played after what was sent before."""
        if not self._over:
            self._to_play += audio

    def clear(self) -> None:
        """What has not been played yet never will be."""
        self._to_play.clear()

    def hear(self, audio: bytes) -> None:
        """The callee's next mu-law audio; as much of the agent's was played meanwhile."""
        if self._over:
            return
        self._caller += audio
        self._agent += self._to_play[: len(audio)].ljust(len(audio), SILENCE)
        del self._to_play[: len(audio)]
        if len(self._caller) >= _BATCH_BYTES:
            self._pass_on()

    @property
    def path(self) -> str | None:
        """Where the recording is; None as long as there is nothing on the disk."""
        return str(self._reel.path) if self._reel.path is not None else None

    async def finish(self) -> None:
        """Write the rest and close the file. Safe to repeat."""
        self._pass_on()
        self._over = True
        await self._workers.run(self._reel.close)
        self._look_back()

    def _pass_on(self) -> None:
        self._look_back()
        if self._over or not self._caller:
            return
        if len(self._writing) >= self._most_waiting:
            _log.error("Call %s: the disk is too slow, so its recording ends", self._call_id)
            self._over = True
            return
        caller, agent = bytes(self._caller), bytes(self._agent)
        self._caller.clear()
        self._agent.clear()
        self._writing.append(self._workers.post(self._reel.write, caller, agent))

    def _look_back(self) -> None:
        """See what became of what was passed on."""
        while self._writing and self._writing[0].done():
            error = self._writing.pop(0).exception()
            if error is not None:
                _log.error("Call %s: its recording ends", self._call_id, exc_info=error)
                self._over = True
                self._writing.clear()  # The others found nothing to write to.


class _Reel:
    """The file, as the worker's thread sees it.

    Attributes:
        path: Where it is; None until something that can be played is in it.
    """

    def __init__(self, choose_path: Callable[[], Path]) -> None:
        self.path: Path | None = None
        self._choose_path = choose_path
        self._chosen: Path | None = None
        self._writer: StereoWriter | None = None
        self._position = 0
        self._failed = False

    def write(self, caller: bytes, agent: bytes) -> None:
        """Add audio of both sides, equally long.

        Raises:
            OSError: The disk fails.
        """
        if self._failed:
            return  # A gap would put everything after it in the wrong place.
        try:
            writer = self._writer or self._open()
            writer.left(caller, self._position)
            writer.right(agent, self._position)
        except BaseException:
            self._failed = True
            raise
        self._position += len(caller)
        if self._position >= _ON_DISK_BYTES:
            self.path = self._chosen

    def close(self) -> None:
        """Close the file with all that could be written; one that can't be played is removed.

        Raises:
            OSError: The disk fails, as it has not before.
        """
        writer, self._writer = self._writer, None
        try:
            if writer is not None:
                with suppress(OSError) if self._failed else nullcontext():
                    writer.__exit__(None, None, None)
                    self.path = self._chosen
        finally:
            if self.path is None and self._chosen is not None:
                self._chosen.unlink(missing_ok=True)

    def _open(self) -> StereoWriter:
        path = self._choose_path()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # What people say is for the owner's eyes, as the ledger is.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _OWNER_ONLY))
        self._chosen = path
        self._writer = StereoWriter(path, settle_ms=_BATCH_MS).__enter__()
        return self._writer
