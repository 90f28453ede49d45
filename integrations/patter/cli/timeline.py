"""What happened when in one call: as its recording has it, or as its transcript lets one guess."""

from __future__ import annotations

import audioop
from dataclasses import dataclass
from typing import TYPE_CHECKING

from patter_core.audio import wav

if TYPE_CHECKING:
    from collections.abc import Sequence

    from patter_core.calls.result import CallResult
    from patter_core.calls.transcript import Turn

SLICE_MS = 20
"""How long a slice is of which the loudness is known."""

_LETTERS_PER_SEC = 15.0  # How long a turn took when nobody recorded it.
_LOUD = 600  # A 16-bit sample this high is somebody speaking.
_NOTICED_SEC = 0.4  # How much later than the first sound ears may notice that somebody speaks.


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """Something that happened besides talk: a tool that was used, say.

    Attributes:
        at_ms: When it began, in milliseconds since the answer.
        text: A few words.
        took_ms: How long it took; None for a moment.
    """

    at_ms: float
    text: str
    took_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Spoken:
    """A turn, and from when to when it was heard, in seconds since the answer."""

    turn: Turn
    began: float
    ended: float


class Timeline:
    """One call in time.

    Attributes:
        result: What became of it.
        happenings: What happened besides talk.
        loudness: How loud both sides were, the other side first; nothing when nobody recorded it.
        spoken: Who spoke when.
        seconds: How long it was, from the answer on.
    """

    def __init__(self, result: CallResult, happenings: Sequence[Happening]) -> None:
        """Look at `result`, its recording, and what else happened."""
        self.result = result
        self.happenings = [
            *happenings,
            *(
                Happening(at_ms=turn.started_ms, text=turn.text)
                for turn in result.transcript
                if turn.role == "system"
            ),
        ]
        self.loudness = _loudness(result.recording)
        self.spoken = _spoken(result, self.loudness)
        ends = [spoken.ended for spoken in self.spoken]
        heard_sec = len(self.loudness[0]) * SLICE_MS / 1_000
        self.seconds = max(result.duration_seconds, heard_sec, *ends, 1.0)


def _loudness(recording: str | None) -> tuple[list[int], list[int]]:
    """How loud both sides were, slice by slice; nothing when that is not known."""
    if recording is None:
        return [], []
    try:
        heard = wav.read(recording)
    except (OSError, ValueError):
        return [], []
    size = 2 * heard.rate_hz * SLICE_MS // 1_000
    levels = [
        [audioop.max(channel[at : at + size], 2) for at in range(0, len(channel), size)]
        for channel in heard.channels
    ]
    return levels[0], levels[-1]


def _spoken(result: CallResult, loudness: tuple[list[int], list[int]]) -> list[Spoken]:
    """Who spoke from when to when: as it was recorded, or as long as the words take."""
    turns = [turn for turn in result.transcript if turn.role != "system"]
    spoken: list[Spoken] = []
    for index, turn in enumerate(turns):
        began = turn.started_ms / 1_000
        own = (other for other in turns[index + 1 :] if other.role == turn.role)
        limit = next((other.started_ms / 1_000 for other in own), float("inf"))
        levels = loudness[1 if turn.role == "agent" else 0]
        first = max(0, int((began - _NOTICED_SEC) * 1_000 / SLICE_MS))
        last = min((limit - _NOTICED_SEC) * 1_000 / SLICE_MS, len(levels))
        loud = [at for at in range(first, int(last)) if levels[at] > _LOUD]
        if loud:
            began = loud[0] * SLICE_MS / 1_000
            ended = (loud[-1] + 1) * SLICE_MS / 1_000
        else:
            ended = began + max(0.3, len(turn.text) / _LETTERS_PER_SEC)
            following = turns[index + 1].started_ms / 1_000 if index + 1 < len(turns) else limit
            ended = min(ended, max(following, began + 0.3), max(result.duration_seconds, began))
        spoken.append(Spoken(turn, began, ended))
    return spoken
