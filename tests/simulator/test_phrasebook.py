"""From what the ears understood back to what was written."""

from __future__ import annotations

import pytest

from patter_core.errors import ConfigError
from patter_core.simulator.phrasebook import Phrasebook

PHRASES = ["Yes.", "Yes, it\u2019s fine!", "At eight o'clock, please.", "Thank you."]


@pytest.mark.parametrize(
    ("understood", "read"),
    [
        ("", []),
        ("yes", ["Yes."]),
        ("yes it's fine", ["Yes, it\u2019s fine!"]),
        ("yes yes it's fine thank you", ["Yes.", "Yes, it\u2019s fine!", "Thank you."]),
        ("yes it's", ["Yes, it\u2019s"]),
        ("thank you at eight o'clock", ["Thank you.", "At eight o'clock"]),
        ("at eight thank you", ["At eight", "Thank you."]),
        ("something else", ["something else"]),
    ],
)
def test_phrases_are_heard_as_they_are_written(understood, read):
    assert Phrasebook.of_phrases(PHRASES).read(understood) == read


def test_a_phrase_may_break_off_after_any_of_its_words():
    jsgf = Phrasebook.of_phrases(["One two three.", "Four"]).grammar.jsgf
    assert "one two three\n  | four;" in jsgf
    assert "one [two];" in jsgf


def test_single_words_cannot_break_off():
    assert "broken" not in Phrasebook.of_phrases(["Yes.", "No."]).grammar.jsgf


def test_a_grammar_is_read_as_it_is():
    book = Phrasebook.of_grammar("public <said> = hold the line;")
    assert book.read("hold the line") == ["hold the line"]


@pytest.mark.parametrize("wrong", [[], [""], ["At 8."]])
def test_phrases_that_cannot_be_spoken_are_refused(wrong):
    with pytest.raises(ConfigError):
        Phrasebook.of_phrases(wrong)
