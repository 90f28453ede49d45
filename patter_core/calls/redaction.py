"""What must not get out: secrets of the prompt and the context, in speech, results and logs."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

HIDDEN = "[redacted]"
_BETWEEN = r"[\s.,;:_/\-]*"
_SKIPPED = re.compile(r"[\s.,;:_/\-]+")
# Phone numbers, carriers' and models' keys and ids, and what an Authorization header holds.
_PRIVATE = re.compile(
    r"\+[1-9][0-9]{6,14}\b|%2B[1-9][0-9]{6,14}\b|\bsk-[\w-]{8,}|\b(?:Bearer|Basic)\s+[\w.~+/=-]{8,}"
)


@dataclass(frozen=True)
class Redaction:
    """Finds secrets however they are written: in any case, and with blanks or dashes in between.

    Attributes:
        secrets: What must not get out; each has three letters or digits at least.
    """

    secrets: tuple[str, ...] = field(default=(), repr=False)

    @cached_property
    def _pattern(self) -> re.Pattern[str] | None:
        spelled = sorted({_bare(secret) for secret in self.secrets}, key=len, reverse=True)
        if not spelled:
            return None
        return re.compile(
            "|".join(_BETWEEN.join(re.escape(letter) for letter in bare) for bare in spelled),
            re.IGNORECASE,
        )

    def redact(self, text: str) -> str:
        """`text`, with `HIDDEN` in place of every secret."""
        return text if self._pattern is None else self._pattern.sub(HIDDEN, text)

    def held_back(self, text: str) -> int:
        """How many of the last characters of `text` may be the beginning of a secret."""
        bares = [_bare(secret) for secret in self.secrets]
        longest = max(map(len, bares), default=0)
        tail, kept = "", 0
        for count, letter in enumerate(reversed(text), 1):
            if not _SKIPPED.fullmatch(letter):
                tail = letter.casefold() + tail
                if len(tail) >= longest:
                    break
                if any(bare.startswith(tail) and bare != tail for bare in bares):
                    kept = count
        return kept


class RedactedStream:
    """Redacts text that comes in pieces, and holds back what may become a secret."""

    def __init__(self, redaction: Redaction) -> None:
        """Begin with nothing."""
        self._redaction = redaction
        self._held = ""

    def feed(self, piece: str) -> str:
        """What may be let out now."""
        if not self._redaction.secrets:
            return piece
        text = self._redaction.redact(self._held + piece)
        split = len(text) - self._redaction.held_back(text)
        self._held = text[split:]
        return text[:split]

    def flush(self) -> str:
        """What is left, at the end."""
        text, self._held = self._redaction.redact(self._held), ""
        return text


class LogRedaction(logging.Filter):
    """A logging filter that hides numbers, keys and secrets in what anybody logs.

    Put it on a handler to have everything pass through it; an open phone puts it on the loggers of
    the libraries that it uses.
    """

    def __init__(self, redaction: Redaction | None = None) -> None:
        """Hide `redaction`'s secrets as well."""
        super().__init__()
        self._redaction = redaction or Redaction()

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the message; every record passes."""
        message = record.getMessage()
        hidden = _PRIVATE.sub(HIDDEN, self._redaction.redact(message))
        if hidden != message:
            record.msg, record.args = hidden, ()
        if record.exc_info and record.exc_text is None:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = _PRIVATE.sub(HIDDEN, self._redaction.redact(record.exc_text))
        return True


def checked_secrets(secrets: Iterable[str]) -> tuple[str, ...]:
    """`secrets`, when they can be told from other words.

    Raises:
        ValueError: One of them is no text, or too short; it is not repeated.
    """
    given = tuple(secrets)
    if isinstance(secrets, str) or not all(isinstance(each, str) for each in given):
        raise ValueError("secrets is a list of texts")
    if any(len(_bare(each)) < 3 for each in given):
        raise ValueError("a secret has three letters or digits at least")
    return given


def _bare(secret: str) -> str:
    return _SKIPPED.sub("", secret).casefold()
