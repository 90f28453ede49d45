"""A picture of one call: who spoke when, what was said, how long replies took, how it ended.

It is written like a score: rows of some seconds each, the other side's voice above, the agent's
below. It shows what a result says; with the result's recording also how it sounded.
"""

from __future__ import annotations

from itertools import pairwise
from math import ceil
from typing import TYPE_CHECKING, Any

from patter.cli.sheet import (
    LANE,
    LEFT,
    LINE,
    MARGIN,
    RIGHT,
    STRIP,
    WIDTH,
    WORD_LINES,
    WORDS,
    Sheet,
    agent_lane,
    other_lane,
    row_at,
    strip,
)
from patter.cli.timeline import SLICE_MS, Timeline
from patter.extras import needs_extra

with needs_extra("demo", "PIL"):
    from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from patter.cli.timeline import Happening, Spoken
    from patter_core.calls.result import CallResult

_PAPER, _INK, _PALE, _GRID = "#ffffff", "#1c2430", "#76808f", "#e4e8ee"
_OTHER, _OTHER_TINT = "#b3690f", "#fbf0dd"
_AGENT, _AGENT_TINT = "#0f6fa8", "#e1f0f9"
_TOOL, _END = "#6b3fa0", "#c02b37"


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
    timeline = Timeline(result, happenings)
    _Picture(timeline, goal).draw().save(path, "PNG", optimize=True)


class _Picture:
    """One drawing, from top to bottom."""

    def __init__(self, timeline: Timeline, goal: str) -> None:
        self._result = timeline.result
        self._goal = goal
        self._timeline = timeline
        self._sheet = Sheet(timeline.seconds)
        self._image = Image.new("RGB", self._sheet.size, _PAPER)
        self._pen = ImageDraw.Draw(self._image)
        self._large, self._plain = _font(34), _font(20)
        self._words, self._small = _font(18), _font(15)

    def draw(self) -> Image.Image:
        """Draw everything."""
        self._draw_head()
        for row in range(self._sheet.rows):
            self._draw_lanes(row)
            self._draw_sound(row)
        for spoken in self._timeline.spoken:
            self._draw_words(spoken)
        self._draw_replies()
        for happening in self._timeline.happenings:
            self._draw_happening(happening)
        self._draw_end()
        legend = _WITH_SOUND if self._timeline.loudness[0] else _WITHOUT_SOUND
        self._text(MARGIN, self._image.height - 38, legend, self._small, _PALE)
        return self._image

    # --- parts -------------------------------------------------------------------------------

    def _draw_head(self) -> None:
        result = self._result
        ways = "from" if result.direction == "inbound" else "to"
        title = f"A call {ways} {result.to or 'nobody'}: {result.status}"
        self._text(MARGIN, 24, title, self._large, _END if result.is_error else _INK)
        facts = [f"talked {result.duration_seconds:.1f} s", f"${result.cost_usd:.4f}"]
        if result.answered_by is not None:
            facts.append(f"answered by {_article(result.answered_by)}")
        median, worst = (result.metrics.get(f"p{p}_latency_ms") for p in (50, 95))
        if median is not None and worst is not None:
            facts.append(f"replies: median {median:.0f} ms, 95 % within {worst:.0f} ms")
        if result.error is not None:
            facts.append(result.error)
        self._text(
            MARGIN, 70, self._cut("   \u00b7   ".join(facts), self._plain), self._plain, _PALE
        )
        if self._goal:
            goal = self._cut(f"Goal: {self._goal}", self._plain)
            self._text(MARGIN, 98, goal, self._plain, _INK)

    def _draw_lanes(self, row: int) -> None:
        top = self._sheet.top(row)
        other = "Caller" if self._result.direction == "inbound" else "Callee"
        for name, y, colour in (
            (other, other_lane(top), _OTHER),
            ("Agent", agent_lane(top), _AGENT),
        ):
            self._text(MARGIN, y + LANE // 2 - 12, name, self._plain, colour)
            middle = y + LANE // 2
            self._pen.line((LEFT, middle, self._sheet.row_end(row), middle), fill=_GRID, width=2)
        lanes_end = agent_lane(top) + LANE
        step = next(step for step in (1, 2, 5, 10, 30, 60, 300) if step * 15 >= self._sheet.row_sec)
        second = ceil(row * self._sheet.row_sec / step) * step
        while second <= min((row + 1) * self._sheet.row_sec, self._timeline.seconds):
            x = self._sheet.x(second, row)
            self._pen.line((x, other_lane(top), x, lanes_end), fill=_GRID)
            if x < RIGHT - step / 2:  # The next row begins with it.
                time = f"{second // 60}:{second % 60:02}"
                self._text(x, lanes_end + WORDS, time, self._small, _PALE)
            second += step

    def _draw_sound(self, row: int) -> None:
        top, begin, end = (
            self._sheet.top(row),
            row * self._sheet.row_sec,
            (row + 1) * self._sheet.row_sec,
        )
        for spoken in self._timeline.spoken:
            if spoken.ended <= begin or spoken.began >= end:
                continue
            y, tint, colour = self._lane(spoken, top)
            box = (self._sheet.x(spoken.began, row), y, self._sheet.x(spoken.ended, row), y + LANE)
            fill = tint if self._timeline.loudness[0] else colour
            self._pen.rounded_rectangle(box, radius=8, fill=fill)
        for lane, colour, levels in (
            (other_lane(top), _OTHER, self._timeline.loudness[0]),
            (agent_lane(top), _AGENT, self._timeline.loudness[1]),
        ):
            middle = lane + LANE // 2
            first = int(begin * 1_000 / SLICE_MS)
            last = int(end * 1_000 / SLICE_MS)
            for index, level in enumerate(levels[first:last], first):
                half = level / 32_768 * (LANE / 2)
                if half >= 1:
                    x = self._sheet.x(index * SLICE_MS / 1_000, row)
                    bar = (x, middle - half, x + 1, middle + half)
                    self._pen.rectangle(bar, fill=colour)

    def _draw_words(self, spoken: Spoken) -> None:
        x, top = self._sheet.place(spoken.began)
        following = [
            self._sheet.place(other.began)[0]
            for other in self._timeline.spoken
            if other.turn.role == spoken.turn.role
            and other.began > spoken.began
            and self._sheet.place(other.began)[1] == top
        ]
        room = min([*following, float(RIGHT)]) - x - 16
        words = spoken.turn.text + (" \u2013 cut off" if spoken.turn.cut else "")
        lines = self._wrapped(words, max(room, 60))
        is_agent = spoken.turn.role == "agent"
        y = agent_lane(top) + LANE + 6
        if not is_agent:
            y = other_lane(top) - 8 - LINE * len(lines)
        for line in lines:
            self._text(x, y, line, self._words, _AGENT if is_agent else _OTHER)
            y += LINE
        if spoken.turn.cut:
            end, end_top = self._sheet.place(spoken.ended)
            lane = self._lane(spoken, end_top)[0]
            self._pen.line((end, lane, end, lane + LANE), fill=_END, width=4)

    def _draw_replies(self) -> None:
        """The silence before each reply, as it was heard: a transcript alone does not tell."""
        turns = self._timeline.spoken if self._timeline.loudness[0] else []
        for before, after in pairwise(turns):
            if before.turn.role == after.turn.role or after.began < before.ended:
                continue
            x, top = self._sheet.place(before.ended)
            until, until_top = self._sheet.place(after.began)
            if until_top != top:
                until = RIGHT
            y = strip(top) + STRIP // 2
            self._pen.line((x, y, until, y), fill=_PALE, width=2)
            for end in (x, until):
                self._pen.line((end, y - 5, end, y + 5), fill=_PALE, width=2)
            waited = f"{after.began - before.ended:.1f} s"
            width = self._pen.textlength(waited, self._small)
            self._text(min(until + 6, WIDTH - width - 4), y - 9, waited, self._small, _PALE)

    def _draw_happening(self, happening: Happening) -> None:
        x, top = self._sheet.place(happening.at_ms / 1_000)
        y = strip(top)
        end = x + 3
        text = happening.text
        if happening.took_ms is not None:
            end = max(
                end, self._sheet.x((happening.at_ms + happening.took_ms) / 1_000, row_at(top))
            )
            text += f" ({happening.took_ms:.0f} ms)"
        self._pen.rectangle((x, y + 2, end, y + STRIP - 2), fill=_TOOL)
        self._text(end + 6, y + 7, self._cut(text, self._small, RIGHT - end), self._small, _TOOL)

    def _draw_end(self) -> None:
        x, top = self._sheet.place(self._timeline.seconds)
        if self._result.answered_at is None and not self._timeline.spoken:
            return
        above, below = other_lane(top) - 4, agent_lane(top) + LANE + 4
        self._pen.line((x, above, x, below), fill=_END, width=3)
        who = self._result.ended_by
        text = f"ended by the {who}" if who is not None else self._result.status
        width = self._pen.textlength(text, self._small)
        x = x + 8 if x + 8 + width < RIGHT else x - 8 - width
        self._text(x, strip(top) + 7, text, self._small, _END)

    # --- small things ------------------------------------------------------------------------

    def _lane(self, spoken: Spoken, top: int) -> tuple[int, str, str]:
        if spoken.turn.role == "agent":
            return agent_lane(top), _AGENT_TINT, _AGENT
        return other_lane(top), _OTHER_TINT, _OTHER

    def _text(self, x: float, y: float, text: str, font: Any, colour: str) -> None:  # noqa: ANN401
        self._pen.text((x, y), text, font=font, fill=colour)

    def _wrapped(self, text: str, room: float) -> list[str]:
        """`text` in at most so many lines, the last one shortened."""
        lines: list[str] = []
        words = text.split()
        while words and len(lines) < WORD_LINES:
            line = words.pop(0)
            while words and self._pen.textlength(f"{line} {words[0]}", self._words) <= room:
                line = f"{line} {words.pop(0)}"
            lines.append(line)
        if words:
            lines[-1] = self._cut(f"{lines[-1]} {' '.join(words)}", self._words, room)
        return [self._cut(line, self._words, room) for line in lines]

    def _cut(self, text: str, font: Any, room: float = RIGHT - MARGIN) -> str:  # noqa: ANN401
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
