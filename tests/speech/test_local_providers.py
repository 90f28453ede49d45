"""`LocalSTT` and `LocalTTS`, as a conversation uses them."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys

import pytest

from patter_core.audio.frames import FRAME_BYTES, whole_frames
from patter_core.clock import SimulatedClock, SystemClock
from patter_core.errors import ConfigError, ProviderError
from patter_core.pipeline.providers.local import LocalSTT, LocalTTS
from patter_core.pipeline.speech_to_text import SpeechBegan, SpeechEnded
from patter_core.speech import espeak
from patter_core.speech.espeak import Voice
from patter_core.speech.grammar import of_phrases
from patter_core.speech.sphinx import Ended, Recogniser
from tests.speech.local_extra import PAUSE, PHRASES, needs_ears, needs_voice, plain, resources

LONG = "This sentence is one of very many that nobody wants to hear. " * 200


async def spoken(voice, text, lent):
    return b"".join([piece async for piece in voice.speak(text, lent)])


@needs_ears
async def test_in_real_time_an_utterance_is_reported_on_the_loop_when_it_is_understood():
    reported = asyncio.Queue()
    async with (
        resources(SystemClock()) as lent,
        LocalSTT(phrases=PHRASES).listen(reported.put_nowait, lent) as ears,
        asyncio.timeout(30),
    ):
        ears.feed(espeak.say("Please hold the line.", Voice()) + PAUSE)
        assert await reported.get() == SpeechBegan()
        assert await reported.get() == SpeechEnded("Please hold the line.", quiet_ms=500)


@needs_ears
async def test_in_simulated_time_every_event_comes_with_the_frame_that_caused_it():
    call = PAUSE + b"".join(espeak.say(phrase, Voice()) + PAUSE for phrase in PHRASES[:4])

    async def frames_of_events():
        events = []
        async with (
            resources(SimulatedClock()) as lent,
            LocalSTT(phrases=PHRASES).listen(lambda event: events.append(event), lent) as ears,
        ):
            timeline = []
            for number, frame in enumerate(whole_frames(call)):
                ears.feed(frame)
                timeline += [(number, event) for event in events]
                events.clear()
        return timeline

    first, second = await frames_of_events(), await frames_of_events()
    assert first == second
    assert [event.text for _, event in first if isinstance(event, SpeechEnded)] == [*PHRASES[:4]]


@needs_ears
@pytest.mark.parametrize("clock", [SystemClock, SimulatedClock])
async def test_closed_ears_take_audio_without_a_word_and_without_waiting(clock):
    reported = []
    async with resources(clock()) as lent:
        async with LocalSTT(phrases=PHRASES).listen(reported.append, lent) as ears:
            pass
        async with asyncio.timeout(20):
            ears.feed(espeak.say("Please hold the line.", Voice()) + PAUSE)
            await asyncio.sleep(0)
    assert reported == []


@needs_ears
async def test_ten_ears_at_once_share_one_process():
    async def one_call(phrase):
        reported = asyncio.Queue()
        async with LocalSTT(phrases=PHRASES).listen(reported.put_nowait, lent) as ears:
            for frame in whole_frames(espeak.say(phrase, Voice()) + PAUSE):
                ears.feed(frame)
                await asyncio.sleep(0)
            return [await reported.get() for _ in range(2)][1].text

    async with resources() as lent, asyncio.timeout(30):
        heard = await asyncio.gather(*(one_call(phrase) for phrase in PHRASES[:10]))
    assert heard == list(PHRASES[:10])


@needs_ears
@pytest.mark.parametrize(
    ("ears", "advice"),
    [
        (LocalSTT(phrases=["Hello Zorgblat"]), "do not know 'zorgblat'"),
        (LocalSTT(grammar="public <a> = yes | ( no;"), "no valid JSGF"),
    ],
)
async def test_ears_that_cannot_open_say_why(ears, advice):
    async with resources() as lent:
        with pytest.raises(ProviderError, match=advice):
            async with ears.listen(lambda _event: None, lent):
                pass


@needs_ears
async def test_closed_ears_report_nothing_more():
    reported = []
    async with (
        resources() as lent,
        LocalSTT(phrases=PHRASES).listen(reported.append, lent) as ears,
    ):
        ears.feed(espeak.say("Please hold the line.", Voice()) + PAUSE)
    await asyncio.to_thread(espeak.say, "Good bye.", Voice())
    assert reported == []


@pytest.mark.parametrize(
    ("settings", "advice"),
    [
        ({}, "either"),
        ({"phrases": ["Yes"], "grammar": "public <a> = yes;"}, "either"),
        ({"phrases": "Yes"}, "a list of texts"),
        ({"phrases": ["A table for 4"]}, "as they are spoken"),
        ({"grammar": "yes"}, "public rule"),
        ({"phrases": ["Yes"], "quiet_ms": 5}, "quiet_ms"),
    ],
)
def test_ears_that_make_no_sense_are_refused_when_they_are_described(settings, advice):
    with pytest.raises(ConfigError, match=advice):
        LocalSTT(**settings)


@pytest.mark.parametrize("settings", [{"voice": ""}, {"speed_wpm": 9}, {"pitch": -1}])
def test_a_voice_that_makes_no_sense_is_refused_when_it_is_described(settings):
    with pytest.raises(ConfigError):
        LocalTTS(**settings)


def test_describing_them_loads_nothing_heavy():
    script = (
        "import sys\n"
        "from patter_core.pipeline.providers.local import LocalSTT, LocalTTS\n"
        "LocalSTT(phrases=['Hello']), LocalTTS(voice='en-us')\n"
        "print(sorted({'numpy', 'pocketsphinx', 'espeakng_loader'} & set(sys.modules)))\n"
    )
    said = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    assert said.stdout.strip() == "[]"


@needs_ears
async def test_what_the_voice_says_the_ears_understand():
    async with resources() as lent, asyncio.timeout(30):
        call = b"".join([await spoken(LocalTTS(), text, lent) + PAUSE for text in PHRASES[:5]])
    ears = Recogniser(of_phrases(PHRASES))
    with contextlib.closing(ears):
        heard = [event.text for event in ears.hear(call) if isinstance(event, Ended)]
    assert heard == [plain(phrase) for phrase in PHRASES[:5]]


@needs_voice
async def test_the_first_piece_comes_before_the_rest_is_spoken_and_closing_stops_it():
    async with resources() as lent, asyncio.timeout(30):
        pieces = LocalTTS().speak(LONG, lent)
        first = await anext(pieces)
        await pieces.aclose()
        assert 0 < len(first) <= 10 * FRAME_BYTES
        assert await spoken(LocalTTS(), "Hello.", lent)


@needs_voice
async def test_in_simulated_time_all_is_said_at_once_so_that_no_word_has_a_gap():
    clock = SimulatedClock()
    async with resources(clock) as lent:
        pieces = [piece async for piece in LocalTTS().speak("Please hold the line.", lent)]
        assert len(pieces) == 1
        assert len(pieces[0]) > 40 * FRAME_BYTES
        assert clock.holds == 0


@needs_voice
@pytest.mark.parametrize("clock", [SystemClock, SimulatedClock])
async def test_a_voice_that_is_not_there_is_an_error_in_any_time(clock):
    async with resources(clock()) as lent, asyncio.timeout(30):
        with pytest.raises(ProviderError, match="no voice named 'klingonese'"):
            await spoken(LocalTTS(voice="klingonese"), "Hello.", lent)
