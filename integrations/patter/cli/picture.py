"""A picture of one call: who spoke when, what was said, how long replies took, how it ended.

It is written like a score: rows of some seconds each, the other side's voice above, the agent's
below. It shows what a result says; with the result's recording also how it sounded.
"""

from __future__ import annotations

import audioop
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from typing import TYPE_CHECKING, Any

from patter.extras import needs_extra
from patter_core.audio import wav

with needs_extra("demo", "PIL"):
    from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from patter_core.calls.result import CallResult
    from patter_core.calls.transcript import Turn

_WIDTH, _MARGIN, _LABEL = 1_600, 40, 96
_LEFT, _RIGHT = _MARGIN + _LABEL, _WIDTH - _MARGIN
_ROW_SEC = 20.0
_MOST_ROWS = 30
_LANE, _STRIP, _LINE, _WORD_LINES = 56, 34, 22, 3
_WORDS = _LINE * _WORD_LINES + 6
_ROW = 2 * _WORDS + 2 * _LANE + _STRIP + 44
_HEAD, _FOOT = 148, 56

_PAPER, _INK, _PALE, _GRID = "#ffffff", "#1c2430", "#76808f", "#e4e8ee"
_OTHER, _OTHER_TINT = "#b3690f", "#fbf0dd"
_AGENT, _AGENT_TINT = "#0f6fa8", "#e1f0f9"
_TOOL, _END = "#6b3fa0", "#c02b37"

_LETTERS_PER_SEC = 15.0  # How long a turn took when nobody recorded it.
_LOUD = 600  # A 16-bit sample this high is somebody speaking.
_SLICE_MS = 20
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
class _Spoken:
    turn: Turn
    began: float
    ended: float


def draw_call(
    result: CallResult, path: Path | str, *, goal: str = "", happenings: Sequence[Happening] = ()
) -> None:
    """Draw `result` into a PNG file at `path`.

    Args:
        result: What became of the call. Its recording is shown where it can be read.
        path: The file; one that is there is overwritten.
        goal: What the call was to achieve.
        happenings: What else happened.

    Raises:
        OSError: The file cannot be written.
    """
    _Picture(result, goal, happenings).draw().save(path, "PNG", optimize=True)


class _Picture:
    """One drawing, from top to bottom."""

    def __init__(self, result: CallResult, goal: str, happenings: Sequence[Happening]) -> None:
        self._result = result
        self._goal = goal
        self._happenings = [
            *happenings,
            *(
                Happening(at_ms=turn.started_ms, text=turn.text)
                for turn in result.transcript
                if turn.role == "system"
            ),
        ]
        self._loudness = _loudness(result.recording)
        self._spoken = _spoken(result, self._loudness)
        ends = [spoken.ended for spoken in self._spoken]
        heard_sec = len(self._loudness[0]) * _SLICE_MS / 1_000
        self._seconds = max(result.duration_seconds, heard_sec, *ends, 1.0)
        self._row_sec = max(_ROW_SEC, self._seconds / _MOST_ROWS)
        self._rows = max(1, ceil(self._seconds / self._row_sec))
        self._image = Image.new("RGB", (_WIDTH, _HEAD + self._rows * _ROW + _FOOT), _PAPER)
        self._pen = ImageDraw.Draw(self._image)
        self._large, self._plain = _font(34), _font(20)
        self._words, self._small = _font(18), _font(15)

    def draw(self) -> Image.Image:
        """Draw everything."""
        self._draw_head()
        for row in range(self._rows):
            self._draw_lanes(row)
            self._draw_sound(row)
        for spoken in self._spoken:
            self._draw_words(spoken)
        self._draw_replies()
        for happening in self._happenings:
            self._draw_happening(happening)
        self._draw_end()
        legend = _WITH_SOUND if self._loudness[0] else _WITHOUT_SOUND
        self._text(_MARGIN, self._image.height - 38, legend, self._small, _PALE)
        return self._image

    # --- where things are --------------------------------------------------------------------

    def _place(self, seconds: float) -> tuple[float, int]:
        """Where a moment is: its x, and the top of its row."""
        row = min(int(seconds / self._row_sec), self._rows - 1)
        return self._x(seconds, row), self._top(row)

    def _x(self, seconds: float, row: int) -> float:
        share = (seconds - row * self._row_sec) / self._row_sec
        return _LEFT + min(max(share, 0.0), 1.0) * (_RIGHT - _LEFT)

    @staticmethod
    def _top(row: int) -> int:
        return _HEAD + row * _ROW

    # --- parts -------------------------------------------------------------------------------

    def _draw_head(self) -> None:
        result = self._result
        ways = "from" if result.direction == "inbound" else "to"
        title = f"A call {ways} {result.to or 'nobody'}: {result.status}"
        self._text(_MARGIN, 24, title, self._large, _END if result.is_error else _INK)
        facts = [f"talked {result.duration_seconds:.1f} s", f"${result.cost_usd:.4f}"]
        if result.answered_by is not None:
            facts.append(f"answered by {_article(result.answered_by)}")
        median, worst = (result.metrics.get(f"p{p}_latency_ms") for p in (50, 95))
        if median is not None and worst is not None:
            facts.append(f"replies: median {median:.0f} ms, 95 % within {worst:.0f} ms")
        if result.error is not None:
            facts.append(result.error)
        self._text(
            _MARGIN, 70, self._cut("   \u00b7   ".join(facts), self._plain), self._plain, _PALE
        )
        if self._goal:
            goal = self._cut(f"Goal: {self._goal}", self._plain)
            self._text(_MARGIN, 98, goal, self._plain, _INK)

    def _draw_lanes(self, row: int) -> None:
        top = self._top(row)
        other = "Caller" if self._result.direction == "inbound" else "Callee"
        for name, y, colour in (
            (other, self._other_lane(top), _OTHER),
            ("Agent", self._agent_lane(top), _AGENT),
        ):
            self._text(_MARGIN, y + _LANE // 2 - 12, name, self._plain, colour)
            middle = y + _LANE // 2
            self._pen.line((_LEFT, middle, self._row_end(row), middle), fill=_GRID, width=2)
        lanes_end = self._agent_lane(top) + _LANE
        step = next(step for step in (1, 2, 5, 10, 30, 60, 300) if step * 15 >= self._row_sec)
        second = ceil(row * self._row_sec / step) * step
        while second <= min((row + 1) * self._row_sec, self._seconds):
            x = self._x(second, row)
            self._pen.line((x, self._other_lane(top), x, lanes_end), fill=_GRID)
            if x < _RIGHT - step / 2:  # The next row begins with it.
                time = f"{second // 60}:{second % 60:02}"
                self._text(x, lanes_end + _WORDS, time, self._small, _PALE)
            second += step

    def _draw_sound(self, row: int) -> None:
        top, begin, end = self._top(row), row * self._row_sec, (row + 1) * self._row_sec
        for spoken in self._spoken:
            if spoken.ended <= begin or spoken.began >= end:
                continue
            y, tint, colour = self._lane(spoken, top)
            box = (self._x(spoken.began, row), y, self._x(spoken.ended, row), y + _LANE)
            fill = tint if self._loudness[0] else colour
            self._pen.rounded_rectangle(box, radius=8, fill=fill)
        for lane, colour, levels in (
            (self._other_lane(top), _OTHER, self._loudness[0]),
            (self._agent_lane(top), _AGENT, self._loudness[1]),
        ):
            middle = lane + _LANE // 2
            first = int(begin * 1_000 / _SLICE_MS)
            last = int(end * 1_000 / _SLICE_MS)
            for index, level in enumerate(levels[first:last], first):
                half = level / 32_768 * (_LANE / 2)
                if half >= 1:
                    x = self._x(index * _SLICE_MS / 1_000, row)
                    bar = (x, middle - half, x + 1, middle + half)
                    self._pen.rectangle(bar, fill=colour)

    def _draw_words(self, spoken: _Spoken) -> None:
        x, top = self._place(spoken.began)
        following = [
            self._place(other.began)[0]
            for other in self._spoken
            if other.turn.role == spoken.turn.role
            and other.began > spoken.began
            and self._place(other.began)[1] == top
        ]
        room = min([*following, float(_RIGHT)]) - x - 16
        words = spoken.turn.text + (" \u2013 cut off" if spoken.turn.cut else "")
        lines = self._wrapped(words, max(room, 60))
        is_agent = spoken.turn.role == "agent"
        y = self._agent_lane(top) + _LANE + 6
        if not is_agent:
            y = self._other_lane(top) - 8 - _LINE * len(lines)
        for line in lines:
            self._text(x, y, line, self._words, _AGENT if is_agent else _OTHER)
            y += _LINE
        if spoken.turn.cut:
            end, end_top = self._place(spoken.ended)
            lane = self._lane(spoken, end_top)[0]
            self._pen.line((end, lane, end, lane + _LANE), fill=_END, width=4)

    def _draw_replies(self) -> None:
        """The silence before each reply, as it was heard: a transcript alone does not tell."""
        turns = self._spoken if self._loudness[0] else []
        for before, after in pairwise(turns):
            if before.turn.role == after.turn.role or after.began < before.ended:
                continue
            x, top = self._place(before.ended)
            until, until_top = self._place(after.began)
            if until_top != top:
                until = _RIGHT
            y = self._strip(top) + _STRIP // 2
            self._pen.line((x, y, until, y), fill=_PALE, width=2)
            for end in (x, until):
                self._pen.line((end, y - 5, end, y + 5), fill=_PALE, width=2)
            waited = f"{after.began - before.ended:.1f} s"
            width = self._pen.textlength(waited, self._small)
            self._text(min(until + 6, _WIDTH - width - 4), y - 9, waited, self._small, _PALE)

    def _draw_happening(self, happening: Happening) -> None:
        x, top = self._place(happening.at_ms / 1_000)
        y = self._strip(top)
        end = x + 3
        text = happening.text
        if happening.took_ms is not None:
            end = max(end, self._x((happening.at_ms + happening.took_ms) / 1_000, self._row(top)))
            text += f" ({happening.took_ms:.0f} ms)"
        self._pen.rectangle((x, y + 2, end, y + _STRIP - 2), fill=_TOOL)
        self._text(end + 6, y + 7, self._cut(text, self._small, _RIGHT - end), self._small, _TOOL)

    def _draw_end(self) -> None:
        x, top = self._place(self._seconds)
        if self._result.answered_at is None and not self._spoken:
            return
        above, below = self._other_lane(top) - 4, self._agent_lane(top) + _LANE + 4
        self._pen.line((x, above, x, below), fill=_END, width=3)
        who = self._result.ended_by
        text = f"ended by the {who}" if who is not None else self._result.status
        width = self._pen.textlength(text, self._small)
        x = x + 8 if x + 8 + width < _RIGHT else x - 8 - width
        self._text(x, self._strip(top) + 7, text, self._small, _END)

    # --- small things ------------------------------------------------------------------------

    @staticmethod
    def _other_lane(top: int) -> int:
        return top + _WORDS

    @staticmethod
    def _strip(top: int) -> int:
        return top + _WORDS + _LANE

    @staticmethod
    def _agent_lane(top: int) -> int:
        return top + _WORDS + _LANE + _STRIP

    @staticmethod
    def _row(top: int) -> int:
        return (top - _HEAD) // _ROW

    def _lane(self, spoken: _Spoken, top: int) -> tuple[int, str, str]:
        if spoken.turn.role == "agent":
            return self._agent_lane(top), _AGENT_TINT, _AGENT
        return self._other_lane(top), _OTHER_TINT, _OTHER

    def _row_end(self, row: int) -> float:
        return self._x(min(self._seconds, (row + 1) * self._row_sec), row)

    def _text(self, x: float, y: float, text: str, font: Any, colour: str) -> None:  # noqa: ANN401
        self._pen.text((x, y), text, font=font, fill=colour)

    def _wrapped(self, text: str, room: float) -> list[str]:
        """`text` in at most so many lines, the last one shortened."""
        lines: list[str] = []
        words = text.split()
        while words and len(lines) < _WORD_LINES:
            line = words.pop(0)
            while words and self._pen.textlength(f"{line} {words[0]}", self._words) <= room:
                line = f"{line} {words.pop(0)}"
            lines.append(line)
        if words:
            lines[-1] = self._cut(f"{lines[-1]} {' '.join(words)}", self._words, room)
        return [self._cut(line, self._words, room) for line in lines]

    def _cut(self, text: str, font: Any, room: float = _RIGHT - _MARGIN) -> str:  # noqa: ANN401
        """As much of `text` as there is room for."""
        text = text[:500]
        if self._pen.textlength(text, font) <= room:
            return text
        while text and self._pen.textlength(f"{text}\u2026", font) > room:
            text = text[:-1]
        return f"{text.rstrip()}\u2026"


_WITH_SOUND = (
    "Time runs from the answer; the voices are those of the recording. Between them: how long it "
    "was quiet. Replies: from the end of speech, as the ears tell it, to the first sound sent."
)
_WITHOUT_SOUND = (
    "Time runs from the answer. The call was not recorded: how long a turn took is estimated."
)


def _font(size: int) -> Any:  # noqa: ANN401 - one of two classes, by what Pillow was built with
    return ImageFont.load_default(size)


def _article(kind: str) -> str:
    return {"human": "a person", "machine": "a machine", "fax": "a fax"}.get(kind, "somebody")


def _loudness(recording: str | None) -> tuple[list[int], list[int]]:
    """How loud both sides were, slice by slice; nothing when that is not known."""
    if recording is None:
        return [], []
    try:
        heard = wav.read(recording)
    except (OSError, ValueError):
        return [], []
    size = 2 * heard.rate_hz * _SLICE_MS // 1_000
    levels = [
        [audioop.max(channel[at : at + size], 2) for at in range(0, len(channel), size)]
        for channel in heard.channels
    ]
    return levels[0], levels[-1]


def _spoken(result: CallResult, loudness: tuple[list[int], list[int]]) -> list[_Spoken]:
    """Who spoke from when to when: as it was recorded, or as long as the words take."""
    turns = [turn for turn in result.transcript if turn.role != "system"]
    spoken: list[_Spoken] = []
    for index, turn in enumerate(turns):
        began = turn.started_ms / 1_000
        own = (other for other in turns[index + 1 :] if other.role == turn.role)
        limit = next((other.started_ms / 1_000 for other in own), float("inf"))
        levels = loudness[1 if turn.role == "agent" else 0]
        first = max(0, int((began - _NOTICED_SEC) * 1_000 / _SLICE_MS))
        last = min((limit - _NOTICED_SEC) * 1_000 / _SLICE_MS, len(levels))
        loud = [at for at in range(first, int(last)) if levels[at] > _LOUD]
        if loud:
            began = loud[0] * _SLICE_MS / 1_000
            ended = (loud[-1] + 1) * _SLICE_MS / 1_000
        else:
            ended = began + max(0.3, len(turn.text) / _LETTERS_PER_SEC)
            following = turns[index + 1].started_ms / 1_000 if index + 1 < len(turns) else limit
            ended = min(ended, max(following, began + 0.3), max(result.duration_seconds, began))
        spoken.append(_Spoken(turn, began, ended))
    return spoken
