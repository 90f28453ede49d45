"""What the demo leaves behind: a recording and a picture of each call."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from patter import CallResult
from patter.cli.picture import draw_call

if TYPE_CHECKING:
    from collections.abc import Sequence

    from patter.cli.tool_times import ToolTimes

_FOLDER = "patter-demo"


def writable_folder() -> Path:
    """`patter-demo` where the demo was started, or a temporary folder where that cannot be."""
    folder = Path.cwd() / _FOLDER
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError:
        return Path(tempfile.mkdtemp(prefix=f"{_FOLDER}-"))
    if not os.access(folder, os.W_OK | os.X_OK):
        return Path(tempfile.mkdtemp(prefix=f"{_FOLDER}-"))
    return folder


def draw(
    envelopes: Sequence[dict[str, Any]], tools: ToolTimes, folder: Path, *, goal: str
) -> list[Path]:
    """Draw the calls that were answered; where the pictures are.

    Raises:
        OSError: One cannot be written.
    """
    paths: list[Path] = []
    for envelope in envelopes:
        if envelope["answered_at"] is not None:
            result = CallResult.from_dict(envelope)
            path = folder / f"{result.call_id}.png"
            draw_call(result, path, goal=goal, happenings=tools.of(result.call_id))
            paths.append(path)
    return paths


def recordings(envelopes: Sequence[dict[str, Any]]) -> list[Path]:
    """Where the recordings are."""
    return [Path(envelope["recording"]) for envelope in envelopes if envelope["recording"]]


def shown(path: Path) -> str:
    """`path` as somebody who stands where the demo was started would write it."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
