"""What an audible callee can understand, and how it is written."""

from __future__ import annotations

import operator
import re
from typing import TYPE_CHECKING, Self

from patter_core.speech import grammar

if TYPE_CHECKING:
    from collections.abc import Iterable

    from patter_core.speech.grammar import Grammar

_SPOKEN = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_APOSTROPHE = "\u2019"
_SAID = "/0.999/ <phrase>+ | /0.001/ <phrase>* <broken> <phrase>*"

_Reading = tuple[int, list[str]]
"""How many phrases broke off, and all of them."""


class Phrasebook:
    """A grammar for the local ears, and the way back from what they understood to whole phrases.

    An agent says several sentences in one breath, so phrases may follow one another; and it is
    interrupted, so one of them may break off after any word. That is made unlikely, or ends of
    whole phrases would be lost.
    """

    def __init__(self, spoken: Grammar, written: dict[tuple[str, ...], str]) -> None:
        """Store both; see `of_phrases` and `of_grammar`."""
        self.grammar = spoken
        self._written = written
        self._broken_off = {
            words[:length]: _beginning(phrase, length)
            for words, phrase in written.items()
            for length in range(1, len(words))
        }

    @classmethod
    def of_phrases(cls, phrases: Iterable[str]) -> Self:
        """One of whole phrases. Case and punctuation do not matter to the ears.

        Raises:
            ConfigError: There is none, or one has no words, or digits, whose reading is unclear.
        """
        phrases = list(phrases)
        grammar.of_phrases(phrases)  # Says what is wrong with them.
        written: dict[tuple[str, ...], str] = {}
        for phrase in phrases:
            written.setdefault(_words_of(phrase), phrase)
        whole = "\n  | ".join(" ".join(words) for words in written)
        broken = "\n  | ".join(_up_to_any(words[:-1]) for words in written if len(words) > 1)
        said = _SAID if broken else "<phrase>+"
        rules = f"public <said> = {said};\n<phrase> =\n    {whole};\n"
        if broken:
            rules += f"<broken> =\n    {broken};\n"
        return cls(grammar.of_jsgf(rules), written)

    @classmethod
    def of_grammar(cls, jsgf: str) -> Self:
        """One of whatever `jsgf` allows, in lower case without punctuation.

        Raises:
            ConfigError: It is no grammar.
        """
        return cls(grammar.of_jsgf(jsgf), {})

    def read(self, understood: str) -> list[str]:
        """The phrases that `understood` consists of, as they were written, broken off or whole."""
        if not understood:
            return []
        words = tuple(understood.split())
        # How the first n words can be read, for each n, with as few broken phrases as can be.
        readings: list[_Reading | None] = [(0, [])]
        for end in range(1, len(words) + 1):
            found = (
                self._longer(before, words[start:end])
                for start, before in enumerate(readings)
                if before is not None
            )
            readings.append(min(filter(None, found), key=operator.itemgetter(0), default=None))
        return readings[-1][1] if readings[-1] is not None else [understood]

    def _longer(self, before: _Reading, words: tuple[str, ...]) -> _Reading | None:
        broken, phrases = before
        if (whole := self._written.get(words)) is not None:
            return broken, [*phrases, whole]
        if (beginning := self._broken_off.get(words)) is not None:
            return broken + 1, [*phrases, beginning]
        return None


def _up_to_any(words: tuple[str, ...]) -> str:
    """JSGF for the beginnings of `words`: a [b [c]]."""
    return " [".join(words) + "]" * (len(words) - 1)


def _beginning(phrase: str, words: int) -> str:
    """The first `words` words of `phrase`, as they are written."""
    ends = [match.end() for match in _SPOKEN.finditer(phrase.replace(_APOSTROPHE, "'"))]
    return phrase[: ends[words - 1]]


def _words_of(phrase: str) -> tuple[str, ...]:
    return tuple(_SPOKEN.findall(phrase.lower().replace(_APOSTROPHE, "'")))
