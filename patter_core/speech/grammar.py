"""What the local ears can understand, written as a JSGF grammar."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from patter_core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

_HEADER = "#JSGF V1.0;\ngrammar patter;\n"
_DECLARATIONS = re.compile(r"#jsgf[^;]*;|\bgrammar\s+[^;]*;|\bimport\s+[^;]*;")
_COMMENTS = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_ASIDES = re.compile(r"\{[^}]*\}|/[0-9.eE+-]+/|<[^>]*>|\bpublic\b")  # Tags, weights, rule names.
_WORD = re.compile(r"[^\s|()\[\]*+=;\"]+")
_SPOKEN = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_APOSTROPHE = "\u2019"
_RULE = re.compile(r"<([^>]+)>")
_DEFINED = re.compile(r"<([^>]+)>\s*=")
_ANY_DIGIT = re.compile(r"[0-9]")


@dataclass(frozen=True, slots=True)
class Grammar:
    """Everything that can be understood.

    Attributes:
        jsgf: The grammar, all of it in lower case but for its header.
        words: Every word in it, once, in order.
    """

    jsgf: str
    words: tuple[str, ...]


def of_phrases(phrases: Iterable[str]) -> Grammar:
    """A grammar of whole phrases. Case and punctuation do not matter.

    Raises:
        ConfigError: There is no phrase, or one has no words, or digits, whose reading is unclear.
    """
    if isinstance(phrases, str):
        raise ConfigError("phrases are a list of texts, not one text")
    said = list(dict.fromkeys(" ".join(_words_of(phrase)) for phrase in phrases))
    if not said:
        raise ConfigError("the local ears need at least one phrase to listen for")
    alternatives = "\n  | ".join(said)
    return _grammar(f"{_HEADER}public <phrase> =\n    {alternatives};\n")


def of_jsgf(text: str) -> Grammar:
    """The grammar that `text` is. Header and name may be left out.

    Raises:
        ConfigError: It has no public rule, or uses one that it does not define.
    """
    body = _DECLARATIONS.sub(" ", _COMMENTS.sub(" ", text).lower())
    if not re.search(r"\bpublic\s*<[^>]+>\s*=", body):
        raise ConfigError("a grammar needs a public rule, as in: public <answer> = yes | no;")
    defined = set(_DEFINED.findall(body))
    for rule in _RULE.findall(body):
        if rule not in defined and rule not in {"null", "void"}:
            raise ConfigError(f"the grammar uses <{rule}> but does not define it")
    # The recogniser knows its two special rules in capitals only.
    body = body.replace("<null>", "<NULL>").replace("<void>", "<VOID>")
    return _grammar(_HEADER + body.strip() + "\n")


def _grammar(jsgf: str) -> Grammar:
    rules = _ASIDES.sub(" ", jsgf.removeprefix(_HEADER))
    return Grammar(jsgf, tuple(dict.fromkeys(_WORD.findall(rules))))


def _words_of(phrase: str) -> list[str]:
    words = _SPOKEN.findall(phrase.lower().replace(_APOSTROPHE, "'"))
    if not words:
        raise ConfigError(f"a phrase without words cannot be understood: {phrase!r}")
    for word in words:
        if _ANY_DIGIT.search(word):
            raise ConfigError(f"write numbers as they are spoken: {word!r} in {phrase!r}")
    return words
