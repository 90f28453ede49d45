"""Plays a sound file aloud, with whatever player this machine has."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_PLAYERS = (("paplay",), ("aplay", "-q"), ("afplay",))
_LONGEST_SEC = 600.0


def play(path: Path) -> str | None:
    """Play the file to its end.

    Returns:
        None when it was played; else a sentence that says why not.
    """
    found = [command for command in _PLAYERS if shutil.which(command[0])]
    for command in found:
        try:
            played = subprocess.run(  # noqa: S603 - one of three commands, and a file of ours
                [*command, str(path)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=_LONGEST_SEC,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        if played.returncode == 0:
            return None
    if not found:
        names = ", ".join(command[0] for command in _PLAYERS)
        return f"nothing here plays sound (looked for {names})"
    return f"{' and '.join(command[0] for command in found)} found no sound device"
