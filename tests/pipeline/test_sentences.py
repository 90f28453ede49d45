"""Where a model's tokens are cut into pieces to speak, and what is left out."""

# ruff: noqa: RUF001 - the marks of many scripts are meant as they stand here.

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from patter_core.pipeline.sentences import SentenceSplitter
from patter_core.pipeline.spoken_text import joined, spoken, whole_words

CASES = {
    # Plain sentences, and runs of marks.
    "Hello there. How are you? Fine!": ["Hello there.", "How are you?", "Fine!"],
    "What?! No way!!! Really??": ["What?!", "No way!!!", "Really??"],
    "no capital. next one.": ["no capital.", "next one."],
    "   ": [],
    "": [],
    "One word": ["One word"],
    # Abbreviations.
    "Dr. Smith met Mr. and Mrs. Jones. They left.": [
        "Dr. Smith met Mr. and Mrs. Jones.",
        "They left.",
    ],
    "Bring fruit, e.g. apples, i.e. Those.": ["Bring fruit, e.g. apples, i.e. Those."],
    "The U.S. economy. In the U.S. Army. He left the U.S. We stayed.": [
        "The U.S. economy.",
        "In the U.S. Army.",
        "He left the U.S.",
        "We stayed.",
    ],
    "At 5 p.m. we eat. At 5 p.m. We eat.": ["At 5 p.m. we eat.", "At 5 p.m.", "We eat."],
    "It was No. 5. No. I think not.": ["It was No. 5.", "No.", "I think not."],
    "John F. Kennedy and J. R. R. Tolkien met. So do I. We know.": [
        "John F. Kennedy and J. R. R. Tolkien met.",
        "So do I.",
        "We know.",
    ],
    "St. Louis, Main St. We turn.": ["St. Louis, Main St.", "We turn."],
    "Apples, pears, etc. are here. Apples, etc. They are here.": [
        "Apples, pears, etc. are here.",
        "Apples, etc.",
        "They are here.",
    ],
    "On Jan. 5 we met. Acme Inc. makes it. By Acme Inc. The end.": [
        "On Jan. 5 we met.",
        "Acme Inc. makes it.",
        "By Acme Inc.",
        "The end.",
    ],
    "(Dr. Who?) said Prof. X.": ["(Dr. Who?) said Prof. X."],
    # Numbers.
    "It costs $3.50. Pi is 3.14. That is 1.000,50 euros.": [
        "It costs $3.50.",
        "Pi is 3.14.",
        "That is 1.000,50 euros.",
    ],
    "At 10:30. Version 1.2.3 is out.": ["At 10:30.", "Version 1.2.3 is out."],
    "The year was 1999. We sang.": ["The year was 1999.", "We sang."],
    # Ellipses.
    "Well... I think so. Wait... what? Hm… yes. Hm… Yes.": [
        "Well...",
        "I think so.",
        "Wait... what?",
        "Hm… yes.",
        "Hm…",
        "Yes.",
    ],
    # Addresses.
    "Mail to a.b@mail.example.com. Or see https://example.com/a.b?c=d!e. Thanks!": [
        "Mail to a.b@mail.example.com.",
        "Or see https://example.com/a.b?c=d!e.",
        "Thanks!",
    ],
    # Quotes and brackets after the stop.
    'He said "Go." Then he left. "Really?" she asked. (Yes.) Good.': [
        'He said "Go."',
        "Then he left.",
        '"Really?" she asked.',
        "(Yes.)",
        "Good.",
    ],
    "“Stop!” “Why?”": ["“Stop!”", "“Why?”"],
    # Other scripts.
    "你好。我是李！你呢？好": ["你好。", "我是李！", "你呢？", "好"],
    "「行こう。」彼は言った。": ["「行こう。」", "彼は言った。"],
    "नमस्ते। आप कैसे हैं?": ["नमस्ते।", "आप कैसे हैं?"],
    "كيف حالك؟ أنا بخير.": ["كيف حالك؟", "أنا بخير."],
    "¿Qué tal? ¡Muy bien! Adiós.": ["¿Qué tal?", "¡Muy bien!", "Adiós."],
    # Lines and lists.
    "First line\nSecond line": ["First line", "Second line"],
    "this is Ann\nfrom the clinic.": ["this is Ann from the clinic."],
    "this is it\n\nnext paragraph": ["this is it", "next paragraph"],
    "Options:\n- red\n- **blue** one\n* green\n• grey": [
        "Options:",
        "red",
        "blue one",
        "green",
        "grey",
    ],
    "1. First thing\n2. Second thing. Really.\n10) Tenth": [
        "1. First thing",
        "2. Second thing.",
        "Really.",
        "10) Tenth",
    ],
    # Markdown is for eyes.
    "# The title\nText. ## not a title": ["The title", "Text.", "## not a title"],
    "**Note.** This is *very* `good`. __All__ of ~~this~~ it.": [
        "Note.",
        "This is very good.",
        "All of this it.",
    ],
    "5 * 3 is 15, 2*3 is 6, snake_case stays, a\\*b too.": [
        "5 * 3 is 15, 2*3 is 6, snake_case stays, a*b too."
    ],
    "See [our site. Really](https://example.com/a.html?x=1) now. ![A cat.](cat.png) Bye.": [
        "See our site. Really now.",
        "A cat. Bye.",
    ],
    "As in [1] or [2]. An [unclosed bracket. Goes on.": [
        "As in [1] or [2].",
        "An [unclosed bracket.",
        "Goes on.",
    ],
    "> quoted text\n```python\nprint me\n```\nAfter": ["quoted text", "print me", "After"],
    "---": [],
    # Emoji are for eyes.
    "Great 👍! Done.🎉 Next 👩‍👩‍👧 one. Yes👍no. 1️⃣ Open ❤️.": [
        "Great!",
        "Done.",
        "Next one.",
        "Yes no.",
        "1 Open.",
    ],
    "👋🏽": [],
    # A long first sentence need not be waited for; a short one is left whole.
    "Yes, of course, we can do that for you on Saturday evening, if you would like, at eight.": [
        "Yes, of course, we can do that for you on Saturday evening,",
        "if you would like, at eight.",
    ],
    "Let me have a look at what we have got for Sunday night — one moment please.": [
        "Let me have a look at what we have got for Sunday night —",
        "one moment please.",
    ],
}


def cut(text, sizes):
    splitter, pieces, at = SentenceSplitter(), [], 0
    for size in sizes:
        if at >= len(text):
            break
        pieces += splitter.feed(text[at : at + size])
        at += size
    pieces += splitter.feed(text[at:])
    return pieces + splitter.flush()


def by_token(text):
    return [len(token) for token in re.findall(r"\s?\w{1,4}|\s|\W", text)]


@pytest.mark.parametrize("text", CASES)
@pytest.mark.parametrize("chunking", ["whole", "by token", "by character"])
def test_text_is_cut_where_a_speaker_would_pause(text, chunking):
    sizes = {"whole": [len(text)], "by token": by_token(text), "by character": itertools.repeat(1)}
    assert cut(text, sizes[chunking]) == CASES[text]


def test_a_sentence_is_given_with_the_one_character_after_it():
    splitter = SentenceSplitter()
    assert splitter.feed("It is 3.") == []
    assert splitter.feed("5") == []
    assert splitter.feed(".") == []
    assert splitter.feed(" ") == ["It is 3.5."]
    assert splitter.feed("你好。") == []
    assert splitter.feed("我") == ["你好。"]


def test_a_very_long_sentence_is_cut_at_a_blank():
    text = "word " * 300
    pieces = cut(text, itertools.repeat(7))
    assert max(map(len, pieces)) <= 405
    assert " ".join(pieces).split() == text.split()


FRAGMENTS = st.sampled_from(
    [
        *"aBc1 5.,!?…\n\n  '\"()[]*_`#-–:;~>$\\",
        *["Dr.", "e.g.", "U.S.", " We ", "3.14", "No. 5", "...", "a@b.co", "https://x.org/y?z. "],
        *["[text. more](http://a.b)", "![", "](", "**", "- ", "\n- ", "\n# ", "1. ", "```"],
        *["你好。", "！", "👍", "❤️", "👩‍👧", "। ", "؟ ", "St. ", "p.m. ", "etc. "],
        "a long stretch of words without any stop at all ",
    ]
)
TEXTS = st.lists(FRAGMENTS, max_size=30).map("".join)
SIZES = st.lists(st.integers(1, 12), max_size=60)


def words(text):
    """The words themselves, without the marks around them."""
    stripped = (re.sub(r"^[\W_]+|[\W_]+$", "", word) for word in text.split())
    return [word for word in stripped if word]


@given(TEXTS, SIZES)
@example("a. [b", [1] * 9)
@example("x [a](b c. D", [1] * 20)
def test_the_pieces_do_not_depend_on_how_the_text_arrives(text, sizes):
    whole = cut(text, [len(text)])
    assert cut(text, sizes) == whole
    assert cut(text, itertools.repeat(1)) == whole


@given(TEXTS.filter(lambda text: not set(text) & set("。！")), SIZES)
def test_no_word_is_lost_or_glued(text, sizes):
    assert words(" ".join(cut(text, sizes))) == words(spoken(text))


@given(TEXTS, SIZES)
def test_no_letter_is_lost_in_any_script(text, sizes):
    def letters(said):
        return [letter for letter in said if letter.isalnum()]

    assert letters("".join(cut(text, sizes))) == letters(spoken(text))


@given(TEXTS)
def test_no_markdown_target_and_no_emoji_is_spoken(text):
    for piece in cut(text, [len(text)]):
        assert not set(piece) & set("👍❤️👩👧")
        assert "](http://a.b)" not in piece
        assert "  " not in piece
        assert piece == piece.strip()


def test_pieces_are_joined_with_blanks_but_in_scripts_that_have_none():
    assert joined(["Hello.", "You!"]) == "Hello. You!"
    assert joined(["你好。", "我是李。"]) == "你好。我是李。"
    assert joined(["안녕", "하세요."]) == "안녕 하세요."
    assert joined([]) == ""


def test_only_whole_words_count_as_heard():
    assert whole_words("one two three", 0) == ""
    assert whole_words("one two three", 2) == ""
    assert whole_words("one two three", 3) == "one"
    assert whole_words("one two three", 6.4) == "one"
    assert whole_words("one two three", 7) == "one two"
    assert whole_words("one two three", 99) == "one two three"
    assert whole_words("äöü ß", 6) == "äöü"
    assert whole_words("你好。我是李。", 6) == "你好"
