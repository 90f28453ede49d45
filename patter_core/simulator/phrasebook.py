"""What an audible callee can understand, and how it is written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Self

from patter_core.speech import grammar

if TYPE_CHECKING:
    from collections.abc import Iterable

    from patter_core.speech.grammar import Grammar

_SPOKEN = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_APOSTROPHE = "\u2019"


class Phrasebook:
    """A grammar for the local ears, and the way back from what they understood to whole phrases.

    An agent says several sentences in one breath, so phrases may follow one another.
    """

    def __init__(self, spoken: Grammar, written: dict[tuple[str, ...], str]) -> None:
        """Store both; see `of_phrases` and `of_grammar`."""
        self.grammar = spoken
        self._written = written

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
        alternatives = "\n  | ".join(" ".join(words) for words in written)
        rules = f"public <said> = <phrase>+;\n<phrase> =\n    {alternatives};\n"
        return cls(grammar.of_jsgf(rules), written)

    @classmethod
    def of_grammar(cls, jsgf: str) -> Self:
        """One of whatever `jsgf` allows, in lower case without punctuation.

        Raises:
            ConfigError: It is no grammar.
        """
        return cls(grammar.of_jsgf(jsgf), {})

    def read(self, understood: str) -> list[str]:
        """The phrases that `understood` consists of, as they were written."""
        if not understood:
            return []
        return self._split(tuple(understood.split())) or [understood]

    def _split(self, words: tuple[str, ...]) -> list[str] | None:
        # How the first n words can be read, for each n; phrases are few and short.
        readings: list[list[str] | None] = [[]]
        for end in range(1, len(words) + 1):
            readings.append(
                next(
                    (
                        [*before, self._written[words[start:end]]]
                        for start, before in enumerate(readings)
                        if before is not None and words[start:end] in self._written
                    ),
                    None,
                )
            )
        return readings[-1]


def _words_of(phrase: str) -> tuple[str, ...]:
    return tuple(_SPOKEN.findall(phrase.lower().replace(_APOSTROPHE, "'")))
