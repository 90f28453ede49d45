"""Text as a voice says it: without what is for eyes only, and its words."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

EMOJI_CHARACTERS = (
    "\U0001f000-\U0001faff\U0001f1e6-\U0001f1ff\U000e0020-\U000e007f"
    "\u2600-\u27bf\u2b00-\u2bff\u23e9-\u23fa\u231a\u231b\ufe0f\u20e3"
)
"""The inside of a regular expression's brackets."""

LINK = re.compile(
    r"!?\[(?P<text>[^\[\]\n]{0,300})\]"
    r"\([^()\s]{0,500}(?:\([^()\s]{0,100}\)[^()\s]{0,100})?(?:[ ]\"[^\"\n]{0,100}\")?\)"
)
"""A Markdown link or image, whole."""

LINK_BEGUN = re.compile(
    r"\[[^\[\]\n]{0,300}(?:\](?:\([^()\s]{0,500}(?:\([^()\s]{0,100}(?:\)[^()\s]{0,100})?)?"
    r"(?:[ ](?:\"[^\"\n]{0,100}\"?)?)?)?)?"
)
"""What may become a link with more text: matched to the text's end, it must be waited for."""

_EMOJI = re.compile(rf"[^\S\n]*(?:[{EMOJI_CHARACTERS}]\u200d?[^\S\n]*)+")
_MARKS = re.compile(r"[^\w\s]+(?:\s|$)")  # What belongs to the word before.
_LINE_OPENING = re.compile(
    r"^[ \t]*(?:```\w*[ \t]*$|(?:#{1,6}|[-*+•])[ \t]+|(?:>[ \t]?)+)", re.MULTILINE
)
_INLINE = re.compile(r"\\([\\`*_{}\[\]()#+\-.!>~|])|\*+|_+|`+|~{2,}")
_LONGEST_WORD = 40  # Letters without a blank that are more than a word: a script that has none.


def spoken(text: str, *, line_start: bool = True) -> str:
    """`text` without Markdown, emoji and the targets of links, with single blanks.

    Args:
        text: As the model wrote it.
        line_start: Whether it began a line, where a dash is a bullet.
    """
    # A letter in front keeps what is no line's beginning from being taken for one.
    text = _LINE_OPENING.sub("", text) if line_start else _LINE_OPENING.sub("", "x" + text)[1:]
    text = LINK.sub(lambda link: link["text"], text)
    text = _INLINE.sub(_inline, text)
    if not text.isascii():
        text = _EMOJI.sub(_emoji, text)
    return " ".join(text.split())


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
    return part if len(part) - end > _LONGEST_WORD else part[:end].rstrip()


def _inline(found: re.Match[str]) -> str:
    """Marks of emphasis go; multiplication, and names with underscores, stay."""
    if found[1]:
        return found[1]
    text, marks = found.string, found[0]
    before = text[found.start() - 1] if found.start() else " "
    after = text[found.end()] if found.end() < len(text) else " "
    alone = before.isspace() and after.isspace()
    if marks[0] == "*" and (alone or (before.isdigit() and after.isdigit())):
        return marks
    if marks[0] == "_" and (alone or (before.isalnum() and after.isalnum())):
        return marks
    return ""


def _emoji(found: re.Match[str]) -> str:
    """Where an emoji stood between two words, they stay apart."""
    return "" if _MARKS.match(found.string, found.end()) else " "


def _needs_no_blank(letter: str) -> bool:
    hangul = "\uac00" <= letter <= "\ud7a3"
    return unicodedata.east_asian_width(letter) in "WF" and not hangul
