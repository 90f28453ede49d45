"""The voice, listened to by spectrum and clock of its audio."""

from __future__ import annotations

import audioop
import queue
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from patter_core.audio import mulaw
from patter_core.audio.frames import duration_ms
from patter_core.errors import ConfigError
from patter_core.speech import espeak
from patter_core.speech.espeak import Voice
from tests.speech.local_extra import needs_voice

pytestmark = needs_voice

LONG = "This sentence is one of very many that nobody wants to hear. " * 200


def test_speech_sounds_like_speech_and_ends_when_it_is_over():
    audio = espeak.say("Four people at eight, please.", Voice())
    assert 1_200 < duration_ms(len(audio)) < 3_000
    samples = mulaw.decode(audio)
    assert audioop.rms(samples, 2) > 1_000
    assert audioop.max(samples, 2) < 32_000


def test_nothing_above_the_telephone_s_band_folds_back_into_it():
    import numpy as np

    with espeak.speaking("She sells six sea shells, yes.", Voice()) as chunks:
        wide = np.frombuffer(b"".join(chunks), "<i2").astype(float)
    line = np.frombuffer(
        mulaw.decode(b"".join(espeak.telephone([wide.astype("<i2").tobytes()]))), "<i2"
    )
    original = np.abs(np.fft.rfft(wide)) / len(wide)
    telephone = np.abs(np.fft.rfft(line)) / len(line)

    def power(spectrum, rate_hz, low_hz, high_hz):
        hertz = np.arange(len(spectrum)) * rate_hz / 2 / (len(spectrum) - 1)
        return float(np.sum(spectrum[(hertz >= low_hz) & (hertz < high_hz)] ** 2))

    above = power(original, 22_050, 4_400, 8_000)
    assert above > power(original, 22_050, 3_000, 3_400) / 10, "there is something to fold back"
    for low_hz in range(200, 3_400, 400):
        kept = power(telephone, 8_000, low_hz, low_hz + 400) * len(line) / len(wide)
        # Parseval: the same tone is as strong at both rates, up to length and mu-law's own noise.
        assert kept == pytest.approx(
            power(original, 22_050, low_hz, low_hz + 400) * len(line) / len(wide),
            rel=0.1,
            abs=power(original, 22_050, 200, 3_400) / 1_000,
        )


def test_speed_pitch_and_voice_are_each_speaker_s_own():
    text = "Four people at eight, please."
    slow, usual, fast = (len(espeak.say(text, Voice(speed_wpm=wpm))) for wpm in (100, 160, 300))
    assert slow > usual * 1.4
    assert fast < usual * 0.7
    variants = {
        espeak.say(text, voice)
        for voice in (Voice(), Voice(pitch=80), Voice(name="en"), Voice(name="en-us+f3"))
    }
    assert len(variants) == 4


def test_ten_speakers_at_once_each_say_their_own_at_their_own_speed():
    texts = ["I speak for myself, and so I go on. " * number for number in range(1, 11)]
    voices = [Voice(speed_wpm=120 + 20 * number) for number in range(10)]
    alone = [len(espeak.say(text, voice)) for text, voice in zip(texts, voices, strict=True)]
    with ThreadPoolExecutor(10) as pool:
        together = [len(audio) for audio in pool.map(espeak.say, texts * 3, voices * 3)]
    assert together == pytest.approx(alone * 3, rel=0.02)


def test_the_first_piece_comes_long_before_the_last():
    with espeak.speaking(LONG, Voice()) as chunks:
        first = next(chunks)
    assert 0 < len(first) <= espeak.VOICE_RATE_HZ * 2 / 10


def test_a_cancelled_utterance_stops_and_the_next_speaker_is_not_kept_waiting():
    heard = queue.SimpleQueue()
    go_on = threading.Event()

    def listen(samples):
        heard.put(samples)
        assert go_on.wait(30)

    utterance = espeak.begin(LONG, Voice(), listen)
    heard.get(timeout=30)
    next_one = espeak.begin("Hello.", Voice(), lambda _samples: None)
    utterance.cancel()
    go_on.set()
    next_one.done.result(30)
    assert utterance.done.done()
    assert heard.qsize() <= 1


def test_an_utterance_cancelled_before_its_turn_is_never_begun():
    go_on = threading.Event()
    heard = []
    first = espeak.begin("Hello.", Voice(), lambda _samples: go_on.wait(30))
    second = espeak.begin("Nobody hears this.", Voice(), heard.append)
    second.cancel()
    go_on.set()
    first.done.result(30)
    espeak.say("Hello.", Voice())
    assert heard == []


def test_a_listener_who_fails_ends_its_own_utterance_only(caplog):
    def fail(_samples):
        raise RuntimeError("the listener has gone")

    espeak.begin(LONG, Voice(), fail).done.result(30)
    assert "a listener of the local voice failed" in caplog.text
    assert len(espeak.say("Hello.", Voice())) > 1_000


def test_a_voice_that_is_not_there_is_named():
    with pytest.raises(ConfigError, match="no voice named 'klingonese'"):
        espeak.say("Hello.", Voice(name="klingonese"))
    assert len(espeak.say("Hello.", Voice())) > 1_000


@pytest.mark.parametrize("text", ["", " ", "…", "a\0b", "\udc80", "<speak>&amp;</speak>", "你好"])
def test_odd_texts_are_spoken_or_passed_over(text):
    espeak.say(text, Voice())


@pytest.mark.parametrize("setting", [{"speed_wpm": 20}, {"pitch": 100}, {"name": ""}])
def test_settings_out_of_range_are_refused_at_once(setting):
    with pytest.raises(ConfigError):
        Voice(**setting)


def test_without_the_wheel_there_is_advice_and_no_hang():
    script = (
        "import sys; sys.modules['espeakng_loader'] = None\n"
        "from patter_core.speech import espeak\n"
        "from patter_core.errors import MissingExtra\n"
        "for _ in range(2):\n"
        "    try: espeak.say('Hello.', espeak.Voice())\n"
        "    except MissingExtra as error: print(error)\n"
    )
    said = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    assert said.stdout.count("pip install 'patter[local]'") == 2
