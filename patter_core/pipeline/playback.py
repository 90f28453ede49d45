"""What was sent to the callee, what was heard of it, and when to send more.

No I/O and no waiting: audio and news go in, wishes for the line come out. Time is the callee's own
audio: while 20 ms of it arrive, 20 ms of ours are played. Marks correct that reckoning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from patter_core.audio.frames import BYTES_PER_MS, FRAME_BYTES, SILENCE
from patter_core.pipeline.heard_words import Pace, Piece
from patter_core.pipeline.marks import Marks
from patter_core.pipeline.session import PlayAudio, PlayMark
from patter_core.pipeline.spoken_text import joined

if TYPE_CHECKING:
    from collections.abc import Sequence

    from patter_core.pipeline.heard_words import Heard

Wish = PlayAudio | PlayMark
"""What playback asks of the line."""

_NOTHING: tuple[Wish, ...] = ()


class Playback:
    """One call's speech on its way to the callee, turn by turn.

    For each turn: `begin_piece`, `feed` and `end_piece` for every piece, then `end_turn`. It is
    over when `finished`; `next_turn`, or `cut`, makes room for another.

    Attributes:
        clock: Bytes heard from the callee so far.
        underruns: How often the callee had to wait in the middle of a turn.
        held: Send nothing for now; `let_go` sends what came meanwhile.
    """

    def __init__(
        self,
        *,
        lead_ms: int = 160,
        mark_every_ms: int = 400,
        mark_grace_ms: int = 1_000,
        prefetch_ms: int = 2_000,
    ) -> None:
        """Begin with a silent line.

        Args:
            lead_ms: How much may be sent ahead of what has been played.
            mark_every_ms: How far apart marks are within a piece.
            mark_grace_ms: How long after it was due a mark counts as lost.
            prefetch_ms: How much audio may always wait here, whatever number of pieces it is.
        """
        self.underruns = 0
        self._lead = max(lead_ms * BYTES_PER_MS, FRAME_BYTES)
        self._mark_every = max(mark_every_ms * BYTES_PER_MS // FRAME_BYTES, 1) * FRAME_BYTES
        self._prefetch = prefetch_ms * BYTES_PER_MS

        self.clock = 0
        self.held = False
        self._sent = 0
        self._played_out = 0  # The clock when everything sent will have been played.
        self._waiting = bytearray()
        self._marks = Marks(grace=mark_grace_ms * BYTES_PER_MS)
        self._last_marked = 0

        self._pace = Pace()
        self._pieces: list[Piece] = []
        self._sending = 0  # The piece that the next byte belongs to.
        self._runs: list[tuple[int, int]] = []  # (position, clock) where unbroken audio began.
        self._all_said = False

    @property
    def now_ms(self) -> int:
        """Milliseconds of the callee's audio so far: the conversation's clock."""
        return self.clock // BYTES_PER_MS

    @property
    def started_ms(self) -> int | None:
        """When the turn's first sound was played; None before that."""
        return self._runs[0][1] // BYTES_PER_MS if self._runs else None

    @property
    def hungry(self) -> bool:
        """Whether the next piece should be voiced now: at most one waits behind what plays."""
        return len(self._pieces) - self._sending <= 1 or len(self._waiting) < self._prefetch

    @property
    def finished(self) -> bool:
        """Whether the turn is over: everything was given, sent and heard."""
        return self._all_said and not self._waiting and not self._marks

    @property
    def all_heard(self) -> bool:
        """Whether the turn was heard to its end, as far as the clock tells: marks may be late."""
        return self._all_said and not self._waiting and self._heard_position() >= self._sent

    def begin_piece(self, text: str) -> None:
        """Expect the audio of `text` next."""
        self._pieces.append(Piece(text, self._sent + len(self._waiting)))

    def feed(self, audio: bytes) -> Sequence[Wish]:
        """Take audio of the piece that began last: mu-law of any length."""
        self._pieces[-1].audio += len(audio)
        self._waiting += audio
        return self._send()

    def end_piece(self) -> Sequence[Wish]:
        """The piece that began last has all its audio; the last frame is filled up."""
        piece = self._pieces[-1]
        self._waiting += SILENCE * (-len(self._waiting) % FRAME_BYTES)
        piece.end = self._sent + len(self._waiting)
        self._pace.learn(piece)
        wishes = self._send()
        if piece.audio and piece.end == self._sent != self._last_marked:
            wishes = [*wishes, self._mark()]
        return wishes

    def end_turn(self) -> None:
        """Nothing more is to be said in this turn."""
        self._all_said = True

    def hear(self, audio_bytes: int) -> Sequence[Wish]:
        """The clock moves on: so many bytes of the callee's audio arrived."""
        self.clock += audio_bytes
        wishes = self._send() if self._waiting else _NOTHING
        if self._marks:
            self._marks.give_up(self.clock)
        return wishes

    def reached(self, mark: str) -> None:
        """Everything before `mark` was played. One that is unknown, or came before, is ignored."""
        self._marks.came_back(mark, self.clock)

    def heard(self) -> tuple[Heard, ...]:
        """What has been heard of each piece of this turn so far."""
        position = self._heard_position()
        return tuple(self._pace.heard_of(piece, position) for piece in self._pieces)

    def heard_text(self) -> str:
        """The words of this turn that have been heard so far."""
        return joined(piece.heard for piece in self.heard() if piece.heard)

    def cut(self) -> tuple[Heard, ...]:
        """Drop what was not played, and say what was heard. The line has to be cleared as well."""
        heard = self.heard()
        self._waiting.clear()
        self._marks.forget()
        self._played_out = self.clock
        self.next_turn()
        return heard

    def let_go(self) -> Sequence[Wish]:
        """Send what was held back."""
        self.held = False
        return self._send()

    def drop_unsent(self) -> None:
        """Send nothing more. What was sent goes on being played, and being heard."""
        if self._waiting:
            self._waiting.clear()
            self._all_said = False  # Nor will it ever be.

    def next_turn(self) -> None:
        """Make room for another turn."""
        self._last_marked = self._sent
        self._marks.next_turn(self._sent)
        self._pieces.clear()
        self._runs.clear()
        self._sending = 0
        self._all_said = self.held = False

    def _send(self) -> Sequence[Wish]:
        """Whole frames, as many as may be ahead; marks where they belong."""
        if self.held:
            return _NOTHING
        wishes: list[Wish] = []
        while True:
            self._skip_sent_pieces()
            next_mark = self._next_mark()
            room = self._lead - max(0, self._played_out - self.clock)
            size = min(room, len(self._waiting), next_mark - self._sent)
            size -= size % FRAME_BYTES
            if size <= 0:
                return wishes
            self._keep_time()
            wishes.append(PlayAudio(bytes(self._waiting[:size])))
            del self._waiting[:size]
            self._sent += size
            self._played_out += size
            if self._sent == next_mark:
                wishes.append(self._mark())

    def _keep_time(self) -> None:
        """Note where unbroken audio begins, and whether that is a gap within a turn."""
        if not self._runs or self._played_out < self.clock:
            self.underruns += bool(self._runs)
            self._played_out = max(self._played_out, self.clock)
            self._runs.append((self._sent, self._played_out))

    def _next_mark(self) -> int:
        position = self._last_marked + self._mark_every
        if self._sending < len(self._pieces):
            end = self._pieces[self._sending].end
            if end is not None and end < position:
                return end
        return position

    def _skip_sent_pieces(self) -> None:
        while self._sending < len(self._pieces):
            end = self._pieces[self._sending].end
            if end is None or end > self._sent:
                return
            self._sending += 1

    def _mark(self) -> PlayMark:
        self._last_marked = self._sent
        return PlayMark(self._marks.send(self._sent, self._played_out))

    def _heard_position(self) -> int:
        """Where in the audio the callee is: by the clock, within what the marks allow."""
        clock = self.clock - self._marks.lag
        position, limit = 0, self._sent
        for start, began in reversed(self._runs):
            if began <= clock:
                position = min(start + clock - began, limit)
                break
            limit = start
        marked = self._marks.limit
        if marked is not None:
            position = min(position, marked)
        return max(position, self._marks.reached)
