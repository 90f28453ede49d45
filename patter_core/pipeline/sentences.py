"""Speakable sentences out of a model's tokens.

Where a piece ends depends on the text alone, never on how it arrives: whatever needs the text that
follows (is it `3.14`, is it `Dr. Smith`?) waits for it. That is one character after a full stop,
and up to one word after an abbreviation. What is meant for eyes only (Markdown, emoji, the targets
of links) is not spoken.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_NEVER_LAST = frozenset(  # Abbreviations that something always follows.
    """dr mr mrs ms mx prof mt gen sen rep gov capt lt sgt col maj rev hon messrs mme mlle e.g i.e
    vs cf viz approx ca fig z.b u.a d.h hr fr sra dra bzw ggf evtl inkl al""".split()
)
_BEFORE_NUMBERS = frozenset("no nos nr pp p vol art sec ch ext tel para fig num nº".split())
_BEFORE_NAMES = frozenset(  # They may end a sentence; then it shows in how the next one begins.
    """st ave blvd rd inc ltd co corp jr sr bros dept univ jan feb mar apr jun jul aug sep sept oct
    nov dec mon tue tues wed thu thur thurs fri sat sun""".split()
)
_STARTERS = frozenset(
    """i i'm i'll i'd i've we we're we'll you you're he she it it's they the this that these those
    there there's a an and but so or if when what where who why how which would could can will do
    does did is are was have has should may let let's please my your our his her their in at on for
    from to as with after before no not yes ok okay well now then thanks thank sorry""".split()
)
_INITIALS = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]", re.ASCII)

_EMOJI_CHARACTERS = (
    "\U0001f000-\U0001faff\U0001f1e6-\U0001f1ff\U000e0020-\U000e007f"
    "\u2600-\u27bf\u2b00-\u2bff\u23e9-\u23fa\u231a\u231b\ufe0f\u20e3"
)
_EMOJI = re.compile(rf"\s*(?:[{_EMOJI_CHARACTERS}]\u200d?\s*)+")

_WIDE_STOPS = "。！？｡"
_STOPS = re.compile(
    rf"(?P<stops>[.!?…{_WIDE_STOPS}।॥؟۔]+)"
    rf"(?P<closers>(?:[\"'”’»」』）〉》)\]}}*_`~]|[{_EMOJI_CHARACTERS}]\u200d?)*)"
)
_CANDIDATE = re.compile(rf"[.!?…{_WIDE_STOPS}।॥؟۔\n\[,;:،؛，；：、—–-]|\s")
_WORD = re.compile(r"\S+")
_LINK = re.compile(
    r"!?\[(?P<text>[^\[\]\n]{0,300})\]\((?P<target>[^()\s]{0,500}(?:\([^()\s]{0,100}\)[^()\s]{0,100})?)"
    r"(?:[ ]\"[^\"\n]{0,100}\")?\)"
)
_LINK_BEGUN = re.compile(
    r"\[[^\[\]\n]{0,300}(?:\](?:\([^()\s]{0,500}(?:\([^()\s]{0,100}(?:\)[^()\s]{0,100})?)?"
    r"(?:[ ](?:\"[^\"\n]{0,100}\"?)?)?)?)?"
)
_LINE_OPENING = re.compile(r"^[ \t]*(?:```\w*[ \t]*$|(?:#{1,6}|[-*+•])[ \t]+|(?:>[ \t]?)+)", re.M)
_INLINE = re.compile(r"\\([\\`*_{}\[\]()#+\-.!>~|])|\*+|_+|`+|~{2,}")
_LIST_NUMBER = re.compile(r"[\W_]*(?:\d{1,3}|[^\W\d_])")

_LONGEST = 400  # Letters after which a piece ends at the next blank, whatever it says.


class SentenceSplitter:
    """Takes text as it comes, gives pieces worth speaking on their own.

    A piece is a sentence, a line of a list, or a part of a long sentence that ends in a comma,
    semicolon, colon or dash: such a part is enough once it is long, and the first piece of a reply
    need not be very long, so that speech begins early. Pieces come without Markdown and emoji, with
    single blanks; what has no letter or digit is left out.
    """

    def __init__(self, *, first_piece_chars: int = 48, later_piece_chars: int = 180) -> None:
        """Begin a reply; the lengths are those from which a part of a sentence will do."""
        self._enough = first_piece_chars
        self._later_piece_chars = later_piece_chars
        self._text = ""
        self._looked = 0  # Up to here `_text` has no end of a piece.
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
        while True:
            self._skip_blanks()
            end = self._end(final=final)
            if end is None:
                return pieces
            piece = _spoken(self._text[:end], line_start=self._line_start)
            self._text, self._looked, self._line_start = self._text[end:], 0, False
            if any(letter.isalnum() for letter in piece):
                pieces.append(piece)
                self._enough = self._later_piece_chars

    def _skip_blanks(self) -> None:
        rest = self._text.lstrip()
        if len(rest) < len(self._text) and not self._looked:
            blanks = self._text[: len(self._text) - len(rest)]
            self._line_start = self._line_start or "\n" in blanks
            self._text = rest

    def _end(self, *, final: bool) -> int | None:
        """Where the first piece of the text ends; None when that cannot be told yet."""
        text = self._text
        while found := _CANDIDATE.search(text, self._looked):
            at = found.start()
            decided, end = self._decide(text, at, final=final)
            if not decided:
                self._looked = at
                return None
            if end:
                return end
            # Never look again at what a decision took in: a run of stops, a whole link.
            self._looked = max(self._after, at + 1)
        self._looked = len(text)
        return len(text) if final and text else None

    _after = 0

    def _decide(self, text: str, at: int, *, final: bool) -> tuple[bool, int]:
        """Whether it can be told what stands at `at`, and the piece's end if it is one."""
        self._after = 0
        character = text[at]
        if character == "[":
            return self._link(text, at, final=final), 0
        if character.isspace():
            return self._blank(text, at, final=final)
        if _STOPS.match(character):
            return self._stop(text, at, final=final)
        return self._pause(text, at, final=final)

    def _link(self, text: str, at: int, *, final: bool) -> bool:
        """Step over a link whole, however many stops its address has."""
        if link := _LINK.match(text, at):
            self._after = link.end()
            return True
        begun = _LINK_BEGUN.match(text, at)
        return final or begun is None or begun.end() < len(text)

    def _blank(self, text: str, at: int, *, final: bool) -> tuple[bool, int]:
        """A new line ends a piece, unless it goes on in the middle of a sentence."""
        if at >= _LONGEST:
            return True, at
        word = _WORD.search(text, at)
        if word is None:
            return final, 0
        self._after = word.start()
        blanks = text[at : word.start()]
        if "\n" not in blanks:
            return True, 0
        goes_on = text[word.start()].islower() and not text.startswith("#")
        return True, 0 if goes_on and blanks.count("\n") == 1 else at

    def _pause(self, text: str, at: int, *, final: bool) -> tuple[bool, int]:
        """A comma or a dash ends a piece that is long enough."""
        if at + 1 < self._enough:
            return True, 0
        if text[at] in "，；：、":
            return True, at + 1
        if at + 1 == len(text):
            return final, 0
        return True, at + 1 if text[at + 1].isspace() else 0

    def _stop(self, text: str, at: int, *, final: bool) -> tuple[bool, int]:
        """A full stop, or the like: is it the end of a sentence?"""
        run = _STOPS.match(text, at)
        assert run is not None  # noqa: S101 - the character at `at` is a stop
        end = self._after = run.end()
        if end == len(text):
            return final, end if final else 0
        stops, closers = run["stops"], run["closers"]
        if any(stop in _WIDE_STOPS for stop in stops):
            return True, end
        if not text[end].isspace():
            return True, 0
        token = text[:at].rsplit(maxsplit=1)[-1] if text[:at].strip() else ""
        return self._followed(text, token, stops, closers, end, final=final)

    def _followed(
        self, text: str, token: str, stops: str, closers: str, end: int, *, final: bool
    ) -> tuple[bool, int]:
        """A stop before a blank: what came before, and at times what comes next, decide."""
        abbreviation = stops == "." and _abbreviation(token, whole=len(token) == end - 1)
        trailing = len(stops) > 1 and set(stops) == {"."} or stops == "…"
        quoted = any(closer in "\"'”’»)]}" for closer in closers)
        if not (abbreviation or trailing or quoted):
            return True, end
        word = _WORD.search(text, end)
        if word is None or (word.end() == len(text) and abbreviation == "name"):
            if not final:
                return False, 0
            if word is None:
                return True, end
        following = word[0].lstrip("\"'“‘«([{*_`")
        if not following and word.end() == len(text) and not final:
            return False, 0
        match abbreviation:
            case "never":
                ends = False
            case "number":
                ends = not following[:1].isdigit()
            case "name":
                ends = following.lower().rstrip(".,;:!?\"'”’)") in _STARTERS
            case _:
                ends = not following[:1].islower()
        return True, end if ends else 0


def _abbreviation(token: str, *, whole: bool) -> str:
    """What kind of abbreviation `token` (its last full stop left off) is, "" for none."""
    if whole and _LIST_NUMBER.fullmatch(token):
        return "never"  # The number of a list's line.
    word = token.lstrip("\"'“‘«([{*_`¿¡-—–#/").rpartition("/")[2]
    lower = word.lower()
    if lower in ("a.m", "p.m", "am", "pm", "etc"):
        return "upper"
    if lower in _NEVER_LAST:
        return "never"
    if lower in _BEFORE_NUMBERS:
        return "number"
    if lower in _BEFORE_NAMES and (word[0].isupper() or lower in ("inc", "ltd", "co", "corp")):
        return "name"
    if _INITIALS.fullmatch(word) and (len(word) > 1 or word.isupper()):
        return "name"
    return ""


def spoken(text: str) -> str:
    """All of `text` as it is spoken: without Markdown, emoji and the targets of links."""
    return _spoken(text, line_start=True)


def _spoken(text: str, *, line_start: bool) -> str:
    # A letter in front keeps what is no line's beginning from being taken for one.
    text = _LINE_OPENING.sub("", text) if line_start else _LINE_OPENING.sub("", "x" + text)[1:]
    text = _LINK.sub(lambda link: link["text"], text)
    text = _INLINE.sub(_inline, text)
    text = _EMOJI.sub(_emoji, text)
    return " ".join(text.split())


def _inline(found: re.Match[str]) -> str:
    """Marks of emphasis go; multiplication, and names with underscores, stay."""
    if found[1]:
        return found[1]
    text, marks = found.string, found[0]
    before = text[found.start() - 1 : found.start()] if found.start() else " "
    after = text[found.end() : found.end() + 1] or " "
    alone = before.isspace() and after.isspace()
    if marks[0] == "*" and (alone or (before.isdigit() and after.isdigit())):
        return marks
    if marks[0] == "_" and (alone or (before.isalnum() and after.isalnum())):
        return marks
    return ""


def _emoji(found: re.Match[str]) -> str:
    """An emoji between two words still keeps them apart."""
    after = found.string[found.end() : found.end() + 1]
    return " " if after.isalnum() or found[0][-1:].isspace() else ""


def joined(pieces: Iterable[str]) -> str:
    """Pieces as one text again: with blanks, but in scripts that have none."""
    text = ""
    for piece in pieces:
        text += piece if not text or _needs_no_blank(text[-1]) else f" {piece}"
    return text


def whole_words(text: str, letters: float) -> str:
    """The words that lie wholly within the first `letters` bytes (as UTF-8) of `text`."""
    part = text.encode()[: int(letters + 0.5)].decode(errors="ignore")
    if len(part) == len(text) or text[len(part)].isspace():
        return part.rstrip()
    end = len(part)
    while end and not text[end - 1].isspace() and not _needs_no_blank(text[end - 1]):
        end -= 1
    # What goes on and on without a blank is no word, but a script that has none.
    return part if len(part) - end > _LONGEST_WORD else part[:end].rstrip()


_LONGEST_WORD = 40


def _needs_no_blank(letter: str) -> bool:
    hangul = "\uac00" <= letter <= "\ud7a3"
    return unicodedata.east_asian_width(letter) in "WF" and not hangul
