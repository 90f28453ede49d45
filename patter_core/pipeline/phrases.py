"""Whether an utterance consists of nothing but known phrases."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_SEPARATORS = re.compile(r"[\W_]+")
_APOSTROPHES = str.maketrans("", "", "'\u2019")


def words_of(text: str) -> tuple[str, ...]:
    """The words of `text`, in small letters and without punctuation."""
    return tuple(_SEPARATORS.sub(" ", text.translate(_APOSTROPHES).casefold()).split())


@functools.lru_cache(maxsize=64)
def phrase_book(phrases: tuple[str, ...]) -> PhraseBook:
    """The book of `phrases`, made once for all calls."""
    return PhraseBook(phrases)


class PhraseBook:
    """Some phrases, to which utterances are compared."""

    def __init__(self, phrases: Iterable[str]) -> None:
        """Learn `phrases`; case and punctuation do not matter."""
        self._phrases = frozenset(words for phrase in phrases if (words := words_of(phrase)))
        self._longest = max(map(len, self._phrases), default=0)

    def covers(self, words: tuple[str, ...]) -> bool:
        """Whether `words` are some of the phrases in a row, and nothing else."""
        reached = {0}  # Where in `words` a row of phrases may end.
        for end in range(1, len(words) + 1):
            for start in range(max(0, end - self._longest), end):
                if start in reached and words[start:end] in self._phrases:
                    reached.add(end)
                    break
        return bool(words) and len(words) in reached
