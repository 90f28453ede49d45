"""How many of the words in a piece of speech were heard, told from how much audio was played."""

from __future__ import annotations

from dataclasses import dataclass

from patter_core.pipeline.spoken_text import whole_words

_BYTES_PER_LETTER = 530.0  # Fifteen letters a second, until this call's own voice tells better.


@dataclass(frozen=True, slots=True)
class Heard:
    """How much of one piece of speech was heard.

    Attributes:
        text: What was meant to be said.
        heard: The words of it that were heard.
    """

    text: str
    heard: str


@dataclass(slots=True)
class Piece:
    """One piece of speech. Positions count the bytes of the whole call.

    Attributes:
        text: What is said in it.
        start: Where its audio begins.
        audio: Bytes of speech so far, without what fills up the last frame.
        end: Where it ends, once the voice has given all of it.
    """

    text: str
    start: int
    audio: int = 0
    end: int | None = None


class Pace:
    """How fast this call's voice speaks."""

    def __init__(self) -> None:
        """Take it for a usual one."""
        self._bytes_per_letter = _BYTES_PER_LETTER

    def learn(self, piece: Piece) -> None:
        """Learn from a piece that has all its audio."""
        if piece.audio and piece.text:
            self._bytes_per_letter = piece.audio / len(piece.text.encode())

    def heard_of(self, piece: Piece, position: int) -> Heard:
        """What was heard of `piece` by the time when everything before `position` was played."""
        return Heard(piece.text, self._words_of(piece, min(position - piece.start, piece.audio)))

    def _words_of(self, piece: Piece, played: int) -> str:
        if played <= 0:
            return ""
        if piece.end is not None and played == piece.audio:
            return piece.text
        letters = len(piece.text.encode())
        total = float(piece.audio)
        if piece.end is None:  # More of it is to come: the voice's pace tells how much.
            total = max(total, letters * self._bytes_per_letter)
        return whole_words(piece.text, letters * played / total)
