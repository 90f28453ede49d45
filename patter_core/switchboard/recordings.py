"""Where a phone keeps its recordings, and who writes them."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from patter_core.switchboard.tape import Tape
from patter_core.workers import Workers

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

_HEADER_BYTES = 44


class Recordings:
    """One folder, and one thread that writes into it, for all calls of one open phone."""

    def __init__(self, folder: Path | None, *, behind_sec: float) -> None:
        """Store what is needed; nothing is touched before something is recorded.

        Args:
            folder: Where the files go; None for a temporary folder, made with the first of them.
            behind_sec: How much audio of one call may wait for the disk.
        """
        self._folder = folder
        self._behind_sec = behind_sec
        self._workers = Workers("patter-recorder")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Every call has waited for its own file, within bounds: a stuck disk holds up nobody here.
        self._workers.release()

    def begin(self, call_id: str) -> Tape:
        """A blank tape for one call."""
        self._workers.start()

        def choose_path() -> Path:
            return self._made_folder() / _file_name(call_id)

        return Tape(call_id, choose_path, self._workers, behind_sec=self._behind_sec)

    async def left_by(self, call_id: str) -> str | None:
        """The recording of a call whose process died, if it got that far."""
        if self._folder is None:
            return None
        self._workers.start()
        path = self._folder / _file_name(call_id)
        return str(path) if await self._workers.run(_has_audio, path) else None

    def _made_folder(self) -> Path:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="patter-recordings-"))
        return self._folder


def _has_audio(path: Path) -> bool:
    try:
        return path.stat().st_size > _HEADER_BYTES
    except OSError:
        return False


def _file_name(call_id: str) -> str:
    return f"{call_id}.wav"
