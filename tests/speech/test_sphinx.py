"""The ears, given real speech as a telephone carries it."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from patter_core.audio import mulaw
from patter_core.audio.frames import FRAME_BYTES, SILENCE
from patter_core.errors import ConfigError
from patter_core.speech import espeak
from patter_core.speech.espeak import Voice
from patter_core.speech.grammar import of_jsgf, of_phrases
from patter_core.speech.sphinx import Began, Ended, Recogniser
from tests.speech.local_extra import PAUSE, PHRASES, needs_ears, plain

pytestmark = needs_ears


def heard(audio, grammar=None, *, piece_bytes=FRAME_BYTES):
    ears = Recogniser(grammar or of_phrases(PHRASES))
    try:
        return [
            event
            for start in range(0, len(audio), piece_bytes)
            for event in ears.hear(audio[start : start + piece_bytes])
        ]
    finally:
        ears.close()


def texts(events):
    return [event.text for event in events if isinstance(event, Ended)]


def noise(seconds, rms, seed=1):
    import numpy as np

    samples = np.random.default_rng(seed).standard_normal(int(8_000 * seconds)) * rms
    return mulaw.encode(samples.clip(-32_768, 32_767).astype("<i2").tobytes())


def mixed(speech, rms):
    import audioop

    loud = mulaw.decode(noise(len(speech) / 8_000, rms))
    return mulaw.encode(audioop.add(mulaw.decode(speech), loud, 2))


@pytest.mark.parametrize("voice", [Voice(), Voice(name="en-us+m3", speed_wpm=190)])
def test_twenty_phrases_are_understood_word_for_word(voice):
    call = PAUSE + b"".join(espeak.say(phrase, voice) + PAUSE for phrase in PHRASES)
    assert texts(heard(call)) == [plain(phrase) for phrase in PHRASES]


def test_the_very_first_word_of_a_call_is_understood():
    assert texts(heard(espeak.say("Hello.", Voice()) + PAUSE)) == ["hello"]


def test_two_ears_at_once_each_hear_their_own_call():
    calls = [
        b"".join(espeak.say(phrase, Voice(name=name)) + PAUSE for phrase in phrases)
        for name, phrases in (("en-us", PHRASES[:8]), ("en-us+f2", PHRASES[8:16]))
    ]
    alone = [heard(call) for call in calls]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(heard, calls))
    assert together == alone
    assert texts(together[0]) == [plain(phrase) for phrase in PHRASES[:8]]
    assert texts(together[1]) == [plain(phrase) for phrase in PHRASES[8:16]]


@pytest.mark.parametrize("piece_bytes", [1, 7, 333, 100_000])
def test_what_is_heard_does_not_depend_on_the_pieces(piece_bytes):
    call = PAUSE + espeak.say("Yes, please.", Voice()) + PAUSE
    assert heard(call, piece_bytes=piece_bytes) == heard(call)


def test_ears_that_were_used_before_hear_the_same():
    call = espeak.say("Please hold the line.", Voice()) + PAUSE
    first = heard(call)
    heard(mixed(espeak.say("Yes, please.", Voice(name="en", pitch=90)) + PAUSE, 500))
    assert heard(call) == first


def test_speech_is_noticed_early_and_its_end_after_the_silence_asked_for():
    speech = espeak.say("That works for me.", Voice())
    began, ended = heard(PAUSE + speech + PAUSE)
    assert isinstance(began, Began)
    assert 1_000 < began.at_ms < 1_250
    assert isinstance(ended, Ended)
    assert ended.at_ms - ended.words[-1].ended_ms < 600
    assert [word.text for word in ended.words] == ["that", "works", "for", "me"]
    edges = [edge for word in ended.words for edge in (word.began_ms, word.ended_ms)]
    assert edges == sorted(edges)
    assert 950 < edges[0] < 1_150
    assert edges[-1] < 1_000 + len(speech) / 8 + 20


@pytest.mark.parametrize(
    "audio",
    [
        SILENCE * 80_000,
        bytes([0x7F]) * 80_000,  # Mu-law's other zero.
        b"".join(bytes([0x80]) + SILENCE * 7_999 for _ in range(10)),  # A click each second.
    ],
    ids=["silence", "the other silence", "clicks"],
)
def test_silence_and_clicks_are_nothing(audio):
    assert heard(audio) == []


@pytest.mark.parametrize("rms", [10, 100, 300])
def test_noise_is_nothing(rms):
    assert heard(noise(10, rms)) == []


@pytest.mark.parametrize("rms", [50, 200, 400])
def test_speech_in_noise_is_understood(rms):
    call = PAUSE * 2 + espeak.say("Four people at eight, please.", Voice()) + PAUSE
    assert texts(heard(mixed(call, rms))) == ["four people at eight please"]


def test_an_utterance_cut_in_the_middle_is_no_phrase():
    speech = espeak.say("Thank you for calling, have a nice day.", Voice())
    assert texts(heard(speech[: len(speech) // 2] + PAUSE)) == [""]


def test_ten_speakers_at_once_are_each_understood():
    voices = [
        Voice(name=name, speed_wpm=150 + step) for name in ("en-us", "en") for step in range(5)
    ]
    with ThreadPoolExecutor(10) as pool:
        said = list(pool.map(espeak.say, PHRASES[:10], voices))
    assert texts(heard(PAUSE + b"".join(audio + PAUSE for audio in said))) == [
        plain(phrase) for phrase in PHRASES[:10]
    ]


def test_ears_closed_in_the_middle_of_an_utterance_hear_nothing_more():
    ears = Recogniser(of_phrases(PHRASES))
    speech = espeak.say("Thank you for calling, have a nice day.", Voice())
    assert texts(ears.hear(speech[: len(speech) // 2])) == []
    ears.close()
    ears.close()
    assert ears.hear(PAUSE) == []
    assert texts(heard(espeak.say("Hello.", Voice()) + PAUSE)) == ["hello"]


def test_a_grammar_understands_sentences_that_nobody_wrote_out():
    grammar = of_jsgf(
        """
        public <booking> = [yes] a table for <people> [<day>] at <hour> [please];
        <people> = two people | three people | four people;
        <day> = today | tomorrow | on friday;
        <hour> = six | seven | eight | nine;
        """
    )
    said = [
        "A table for two people at seven, please.",
        "Yes, a table for four people on Friday at nine.",
    ]
    call = b"".join(espeak.say(text, Voice()) + PAUSE for text in said)
    assert texts(heard(call, grammar)) == [plain(text) for text in said]


def test_a_word_that_is_in_no_dictionary_is_named():
    with pytest.raises(ConfigError, match="do not know 'zorgblat', 'qwyx'"):
        Recogniser(of_phrases(["Hello Zorgblat", "goodbye qwyx"]))
    assert texts(heard(espeak.say("Hello.", Voice()) + PAUSE)) == ["hello"]


def test_a_grammar_that_is_not_jsgf_is_refused():
    with pytest.raises(ConfigError, match="no valid JSGF"):
        Recogniser(of_jsgf("public <a> = yes | ( no;"))


def test_without_the_wheel_there_is_advice():
    script = (
        "import sys; sys.modules['pocketsphinx'] = None\n"
        "from patter_core.speech.grammar import of_phrases\n"
        "from patter_core.speech.sphinx import Recogniser\n"
        "from patter_core.errors import MissingExtra\n"
        "try: Recogniser(of_phrases(['Hello']))\n"
        "except MissingExtra as error: print(error)\n"
    )
    said = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    assert "'pocketsphinx' is not installed" in said.stdout
    assert "pip install 'patter[local]'" in said.stdout
