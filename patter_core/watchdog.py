"""Watches the engine's loop from a thread of its own, and says where it hangs when it does.

While the loop stands still nothing on it can say so: no deadline runs out, no audio flows.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from patter_core.home_loop import HomeLoop

_log = logging.getLogger(__name__)

_AGAIN_EVERY_SEC = 30.0
_MOST_FRAMES = 40


class Watchdog:
    """Asks the loop every `every_sec` whether it still runs.

    An answer that is `stall_sec` late is logged with the stack of the engine's thread, and again
    every half minute until it comes. It costs one wake-up of two threads per question.
    """

    def __init__(self, home: HomeLoop, *, stall_sec: float, every_sec: float = 1.0) -> None:
        """Store whom to watch."""
        self._home = home
        self._stall_sec = stall_sec
        self._every_sec = every_sec
        self._over = threading.Event()
        self._answered = threading.Event()

    def start(self) -> None:
        """Begin to watch, on a daemon thread."""
        threading.Thread(target=self._watch, name="patter-watchdog", daemon=True).start()

    def stop(self) -> None:
        """Watch no more. Safe to repeat; does not wait."""
        self._over.set()
        self._answered.set()

    def _watch(self) -> None:
        while not self._over.wait(self._every_sec):
            asked_at = time.monotonic()
            self._answered.clear()
            if not self._home.post(self._answered.set):
                return
            patience = self._stall_sec
            while not self._answered.wait(patience):
                self._report(time.monotonic() - asked_at)
                patience = _AGAIN_EVERY_SEC
            if patience != self._stall_sec and not self._over.is_set():
                stalled_sec = time.monotonic() - asked_at
                _log.warning("The engine's loop runs again after %.1f s", stalled_sec)

    def _report(self, stalled_sec: float) -> None:
        # The file, line and name of each frame, never its source: that may hold somebody's words.
        frames = sys._current_frames()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        frame = frames.get(self._home.thread_id)
        stack: Sequence[traceback.FrameSummary] = (
            traceback.extract_stack(frame, limit=_MOST_FRAMES) if frame is not None else []
        )
        where = "\n".join(f"  {each.filename}:{each.lineno} in {each.name}" for each in stack)
        _log.error("The engine's loop has stood still for %.1f s:\n%s", stalled_sec, where)
