"""From phrases and JSGF to what a recogniser is given."""

from __future__ import annotations

import pytest

from patter_core.errors import ConfigError
from patter_core.speech.grammar import of_jsgf, of_phrases


def test_case_punctuation_and_repetition_do_not_matter():
    grammar = of_phrases(["Yes, please!", "yes PLEASE", "I don\u2019t — know…"])
    assert grammar.words == ("yes", "please", "i", "don't", "know")
    assert grammar == of_phrases(["yes please", "i don't know"])


@pytest.mark.parametrize(
    ("phrases", "advice"),
    [
        ([], "at least one phrase"),
        (["..."], "without words"),
        (["A table for 4"], "as they are spoken: '4'"),
        ("one text", "a list of texts"),
    ],
)
def test_phrases_that_cannot_be_understood_are_refused_with_advice(phrases, advice):
    with pytest.raises(ConfigError, match=advice):
        of_phrases(phrases)


def test_only_words_are_taken_for_words():
    grammar = of_jsgf(
        """#JSGF V1.0 UTF-8 en;
        grammar Booking; // a comment; with = signs
        /* and
           another */
        public <Answer> = [/0.8/ Yes {agreed} | /0.2/ no] (a table for <People>)* | <NULL>;
        <people> = two | four+;
        """
    )
    assert grammar.words == ("yes", "no", "a", "table", "for", "two", "four")
    assert "<NULL>" in grammar.jsgf
    assert grammar.jsgf.startswith("#JSGF V1.0;\ngrammar patter;\n")


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("<a> = yes;", "public rule"),
        ("yes | no", "public rule"),
        ("public <a> = yes | <b>;", "uses <b> but does not define it"),
    ],
)
def test_a_grammar_that_lacks_something_is_refused_with_advice(text, advice):
    with pytest.raises(ConfigError, match=advice):
        of_jsgf(text)
