"""Speakable pieces out of a model's tokens.

Where a piece ends depends on the text alone, never on how it arrives: whatever needs the text that
follows (is it `3.14`, is it `Dr. Smith`?) waits for it. That is one character after a full stop,
one more word after an abbreviation that may end a sentence, and all of a link once it has begun.
"""

# ruff: noqa: RUF001 - the marks of many scripts are meant as they stand here.

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from patter_core.pipeline.spoken_text import EMOJI_CHARACTERS, LINK, LINK_BEGUN, spoken

_LONGEST = 400  # Letters after which a piece ends at the next blank, whatever it says.

_WIDE_STOPS = "。！？｡"  # Scripts that put no blank after them.
_WIDE_PAUSES = "，；：、"
_STOP = rf"[.!?…{_WIDE_STOPS}।॥؟۔]"
_STOPS = re.compile(
    rf"(?P<stops>{_STOP}+)"
    rf"(?P<closers>(?:[\"'”’»」』）〉》)\]}}*_`~]|[{EMOJI_CHARACTERS}]\u200d?)*)"
)
_MAY_END = rf"(?P<stop>{_STOP})|(?P<link>\[)|[,;:،؛—–{_WIDE_PAUSES}-]"
_CANDIDATE = re.compile(rf"{_MAY_END}|(?P<blank>\n)")
_CANDIDATE_LATE = re.compile(rf"{_MAY_END}|(?P<blank>\s)")
_WORD = re.compile(r"\S+")
_OPENERS = "\"'“‘«([{*_`¿¡-—–#"
_QUOTES = "\"'”’»)]}"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NEVER_LAST = _words(
    "dr mr mrs ms mx prof mt gen sen rep gov capt lt sgt col maj rev hon messrs mme mlle sra dra "
    "hr fr e.g i.e vs cf viz approx ca fig z.b u.a d.h bzw ggf evtl inkl al"
)
_BEFORE_NUMBERS = _words("no nos nr nº pp p vol art sec ch ext tel para num")
_BEFORE_CAPITALS_IF_LAST = _words("a.m p.m am pm etc")
_BEFORE_NAMES = _words(
    "St Ave Blvd Rd Inc Ltd Co Corp Jr Sr Bros Dept Univ Jan Feb Mar Apr Jun Jul Aug Sep Sept Oct "
    "Nov Dec Mon Tue Tues Wed Thu Thur Thurs Fri Sat Sun inc ltd co corp"
)
_INITIALS = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]|[A-Z]")
_LIST_NUMBER = re.compile(r"[\W_]*(?:\d{1,3}|[^\W\d_])")
_STARTERS = _words(  # They show by themselves that a sentence begins.
    "i i'm i'll i'd i've we we're we'll you you're he she it it's they the this that these those "
    "there there's a an and but so or if when what where who why how which would could can will do "
    "does did is are was have has should may let let's please my your our his her their in at on "
    "for from to as with after before no not yes ok okay well now then thanks thank sorry"
)


@dataclass(frozen=True, slots=True)
class _GoOn:
    """No piece ends here; look again from `at`."""

    at: int


@dataclass(frozen=True, slots=True)
class _End:
    """A piece ends before `at`."""

    at: int


_WAIT = None  # It cannot be told yet.
_Verdict = _GoOn | _End | None


class SentenceSplitter:
    """Takes text as it comes, gives pieces worth speaking on their own.

    A piece is a sentence, a line of a list, or a part of a long sentence that ends in a comma,
    semicolon, colon or dash: such a part is enough once it is long, and the first piece of a reply
    need not be very long, so that speech begins early. Pieces come without Markdown and emoji, with
    single blanks; what has neither letter nor digit is left out.
    """

    def __init__(self, *, first_piece_chars: int = 48, later_piece_chars: int = 180) -> None:
        """Begin a reply; the lengths are those from which a part of a sentence will do."""
        self._enough = first_piece_chars
        self._later_piece_chars = later_piece_chars
        self._text = ""
        self._looked = 0  # Before this, `_text` has no end of a piece.
        self._line_start = True

    def feed(self, text: str) -> list[str]:
        """The pieces that `text` completes."""
        self._text += text
        return self._pieces(final=False)

    def flush(self) -> list[str]:
        """The pieces that are left when nothing more comes."""
        return self._pieces(final=True)

    def _pieces(self, *, final: bool) -> list[str]:
        pieces: list[str] = []
        while (end := self._find_end(final=final)) is not None:
            piece = spoken(self._text[:end], line_start=self._line_start)
            self._text, self._looked, self._line_start = self._text[end:], 0, False
            if any(letter.isalnum() for letter in piece):
                pieces.append(piece)
                self._enough = self._later_piece_chars
        return pieces

    def _find_end(self, *, final: bool) -> int | None:
        self._skip_blanks()
        while found := self._candidate():
            match self._judge(found, final=final):
                case _GoOn(at=at):
                    self._looked = at
                case _End(at=at):
                    return at
                case None:
                    self._looked = found.start()
                    return None
        self._looked = len(self._text)
        return len(self._text) if final and self._text else None

    def _candidate(self) -> re.Match[str] | None:
        """What may be the next end of a piece; a blank is one only in a piece that is too long."""
        found = _CANDIDATE.search(self._text, self._looked, _LONGEST)
        if found is None and len(self._text) > _LONGEST:
            found = _CANDIDATE_LATE.search(self._text, max(self._looked, _LONGEST))
        return found

    def _skip_blanks(self) -> None:
        if not self._text[:1].isspace():
            return
        text = self._text.lstrip()
        self._line_start |= "\n" in self._text[: len(self._text) - len(text)]
        self._text, self._looked = text, 0

    def _judge(self, found: re.Match[str], *, final: bool) -> _Verdict:
        match found.lastgroup:
            case "stop":
                return self._stop(found.start(), final=final)
            case "link":
                return self._link(found.start(), final=final)
            case "blank":
                return self._blank(found.start(), final=final)
            case _:
                return self._pause(found.start(), final=final)

    def _link(self, at: int, *, final: bool) -> _Verdict:
        """A link is stepped over whole, however many stops its address has."""
        if link := LINK.match(self._text, at):
            return _GoOn(link.end())
        begun = LINK_BEGUN.match(self._text, at)
        may_become_one = begun is not None and begun.end() == len(self._text) and not final
        return _WAIT if may_become_one else _GoOn(at + 1)

    def _blank(self, at: int, *, final: bool) -> _Verdict:
        """A new line ends a piece, unless it goes on in the middle of a sentence."""
        if at >= _LONGEST:
            return _End(at)
        word = _WORD.search(self._text, at)
        if word is None:
            return _GoOn(len(self._text)) if final else _WAIT
        new_lines = self._text.count("\n", at, word.start())
        goes_on = word[0][0].islower() and not (self._line_start and self._text[0] == "#")
        return _GoOn(word.start()) if not new_lines or (new_lines == 1 and goes_on) else _End(at)

    def _pause(self, at: int, *, final: bool) -> _Verdict:
        """A comma or a dash ends a piece that is long enough."""
        after = self._text[at + 1 : at + 2]
        if at + 1 < self._enough:
            return _GoOn(at + 1)
        if self._text[at] in _WIDE_PAUSES:
            return _End(at + 1)
        if not after and not final:
            return _WAIT
        return _End(at + 1) if after.isspace() else _GoOn(at + 1)

    def _stop(self, at: int, *, final: bool) -> _Verdict:
        """A full stop or the like ends a piece if it ends a sentence."""
        run = _STOPS.match(self._text, at)
        if run is None or run.end() == len(self._text):
            return _GoOn(len(self._text)) if final else _WAIT
        stops, closers, end = run["stops"], run["closers"], run.end()
        if any(stop in _WIDE_STOPS for stop in stops):
            return _End(end)
        if not self._text[end].isspace():
            return _GoOn(end)
        if stops == "." and (kind := _abbreviation(self._text[:at])):
            return self._abbreviated(kind, end, final=final)
        if stops == "…" or set(stops[1:]) == {"."} or any(closer in _QUOTES for closer in closers):
            return self._abbreviated("before a capital", end, final=final)
        return _End(end)

    def _abbreviated(self, kind: _Abbreviation, end: int, *, final: bool) -> _Verdict:
        """What comes after a stop that need not end a sentence shows whether it does."""
        if kind == "never last":
            return _GoOn(end)
        word = _WORD.search(self._text, end)
        following = word[0].lstrip(_OPENERS) if word else ""
        unfinished = word is None or word.end() == len(self._text)
        if not final and unfinished and (kind == "before a name" or not following):
            return _WAIT
        match kind:
            case "before a number":
                ends = not following[:1].isdigit()
            case "before a capital":
                ends = not following[:1].islower()
            case "before a name":
                ends = following.lower().rstrip(".,;:!?" + _QUOTES) in _STARTERS
        return _End(end) if ends else _GoOn(end)


_Abbreviation = Literal["never last", "before a number", "before a capital", "before a name"]
"""What must follow, so that the stop does not end a sentence (a capital: so that it does)."""


def _abbreviation(before: str) -> _Abbreviation | None:
    """What kind of abbreviation the stop after `before` belongs to."""
    if _LIST_NUMBER.fullmatch(before):
        return "never last"
    token = _last_word(before).lstrip(_OPENERS + "/")
    lower = token.lower()
    if lower in _NEVER_LAST:
        return "never last"
    if lower in _BEFORE_NUMBERS:
        return "before a number"
    if lower in _BEFORE_CAPITALS_IF_LAST:
        return "before a capital"
    if token in _BEFORE_NAMES or _INITIALS.fullmatch(token):
        return "before a name"
    return None


def _last_word(text: str) -> str:
    words = text[-80:].rsplit(maxsplit=1)
    return words[-1] if words and not text[-1].isspace() else ""
