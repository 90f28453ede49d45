"""Keys, both ways: pressed by callees as dtmf frames, and played to them as tones."""

from __future__ import annotations

import asyncio
import base64
import random
import struct
from itertools import pairwise
from math import pi, sin

import pytest

from patter_core.audio import mulaw
from patter_core.simulator import Callee, Digits, PhoneNetwork
from patter_core.simulator.keys import KeyDetector
from patter_core.speech.markers import encode
from tests.simulator.small_engine import SmallEngine

NUMBER = "+14155552671"
LOW, HIGH, KEYS = (697, 770, 852, 941), (1209, 1336, 1477, 1633), "123A456B789C*0#D"


def tone(key: str, milliseconds: int, loudness: int = 6_000, off_by: float = 0.0) -> list[int]:
    row, column = divmod(KEYS.index(key), 4)
    turns = [2 * pi * hertz * (1 + off_by) / 8_000 for hertz in (LOW[row], HIGH[column])]
    return [
        round(loudness * sum(sin(turn * at) for turn in turns)) for at in range(milliseconds * 8)
    ]


def telephone(samples: list[int]) -> bytes:
    return mulaw.encode(struct.pack(f"<{len(samples)}h", *samples))


def detected(audio: bytes) -> str:
    detector = KeyDetector()
    audio = audio.ljust(-(-len(audio) // 160) * 160, b"\xff")
    frames = (audio[start : start + 160] for start in range(0, len(audio), 160))
    return "".join(detector.hear(mulaw.decode(frame))[1] for frame in frames)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("loudness", [400, 15_000])
@pytest.mark.parametrize("off_by", [-0.012, 0.0, 0.012])
def test_every_key_is_found_however_loud_and_a_little_out_of_tune(key, loudness, off_by):
    for shift in (0, 37, 80, 121):
        audio = telephone([0] * shift + tone(key, 100, loudness, off_by))
        assert detected(audio) == key


def test_a_key_counts_once_and_the_same_key_again_after_a_gap():
    gap = [0] * 480
    audio = telephone(tone("5", 500) + gap + tone("5", 80) + gap + tone("#", 80))
    assert detected(audio) == "55#"


def test_noise_single_tones_speech_markers_and_clicks_are_no_keys():
    chance = random.Random(1)
    noise = [round(chance.gauss(0, 3_000)) for _ in range(80_000)]
    assert detected(telephone([max(-32_768, min(32_767, sample)) for sample in noise])) == ""
    for hertz in (440, 697, 1_000, 1_209, 1_336):
        single = [round(9_000 * sin(2 * pi * hertz * at / 8_000)) for at in range(4_000)]
        assert detected(telephone(single)) == ""
    everything = "".join(chr(letter) for letter in range(32, 127))
    for shift in range(0, 160, 23):
        assert detected(b"\xff" * shift + encode(everything + "ééé" + everything)) == ""
    assert detected(telephone(tone("1", 15))) == ""


@pytest.mark.parametrize("wrong", ["", "12a", "1 2", "w"])
def test_digits_are_keys_and_nothing_else(wrong):
    with pytest.raises(ValueError, match="keys are"):
        Digits(wrong)


async def over(network: PhoneNetwork) -> None:
    await network.until(lambda: any(told.kind == "completed" for told in network.callbacks))


async def test_a_callee_presses_keys_one_after_the_other_and_goes_on_talking():
    async with PhoneNetwork() as network, SmallEngine(network, ["b", "c"], "a") as engine:
        pressed: list[tuple[str, int]] = []
        talk = engine.talk

        async def note_keys(media):
            async for event in media.events():
                if event["event"] == "start":
                    await media.say("a")
                if event["event"] == "dtmf":
                    assert event["dtmf"]["track"] == "inbound_track"
                    assert event["streamSid"] == media.stream
                    pressed.append((event["dtmf"]["digit"], len(engine.frames)))
                    if len(pressed) == 3:
                        await media.say("Thanks.")

        assert talk is not None
        engine.on_media = note_keys
        network.add(NUMBER, Callee(says=[Digits("14#"), "Bye."]))
        await engine.dial(NUMBER)
        await over(network)
        [leg] = network.dials
        assert [key for key, _ in pressed] == ["1", "4", "#"]
        # A tenth of a second of tone and as much of quiet: ten frames, and the key itself.
        assert [b - a for (_, a), (_, b) in pairwise(pressed)] == [11, 11]
        assert leg.said == ["14#", "Bye."]
        assert leg.heard == ["a", "Thanks."]
        sequence = [int(f["sequenceNumber"]) for f in engine.frames if "sequenceNumber" in f]
        assert sequence == list(range(1, len(sequence) + 1))
        assert network.violations == []


async def test_a_text_fast_callee_hears_keys_too():
    async with PhoneNetwork() as network, SmallEngine(network) as engine:

        async def play_keys(media):
            async for event in media.events():
                if event["event"] == "start":
                    await media.say("Hello")
                    samples = tone("7", 100) + [0] * 800 + tone("*", 100)
                    payload = base64.b64encode(telephone(samples)).decode()
                    await media.send("media", media={"payload": payload})

        engine.on_media = play_keys
        network.add(NUMBER, Callee(says=["Thank you."]))
        await engine.dial(NUMBER)
        await over(network)
        [leg] = network.dials
        assert leg.digits == "7*"
        assert leg.heard == ["Hello", Digits("7*")]


async def test_a_callee_who_waits_to_be_greeted_says_nothing_before():
    async with PhoneNetwork() as network, SmallEngine(network, ["c"]) as engine:
        frames_of_silence = 150

        async def greet_late(media):
            frames = 0
            async for event in media.events():
                frames += event["event"] == "media"
                if frames == frames_of_silence:
                    await media.say("Sorry, hello?")
                engine.heard += media.heard_in(event)

        engine.on_media = greet_late
        network.add(NUMBER, Callee(says=["Hello.", "never"], speaks_first=False))
        await engine.dial(NUMBER, TimeLimit=10)
        await over(network)
        [leg] = network.dials
        assert leg.heard == ["Sorry, hello?"]
        assert engine.heard == ["Hello."]


async def test_hanging_up_in_mid_word_needs_no_pause():
    async with PhoneNetwork() as network, SmallEngine(network) as engine:
        network.add(NUMBER, Callee(says=["x" * 500, "y"], hangs_up_after_sec=3))
        await engine.dial(NUMBER)
        async with asyncio.timeout(30):
            await over(network)
        [leg] = network.dials
        assert (leg.said, leg.ended_by, leg.duration_sec) == ([], "callee", 3)
