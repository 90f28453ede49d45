"""Callees that really speak and really listen, over the wire and faster than real time."""

from __future__ import annotations

import asyncio
import audioop
import struct
import threading
import time
from math import pi, sin

import pytest

from patter_core.audio import mulaw
from patter_core.audio.frames import SILENT_FRAME
from patter_core.errors import ConfigError
from patter_core.simulator import Callee, Digits, PhoneNetwork
from tests.simulator.talking_engine import TalkingEngine, as_heard, needs_wheels

pytestmark = needs_wheels

NUMBER = "+14155552671"
AGENT = [
    "Hello, I would like to book a table.",
    "For four people, at eight o'clock please.",
    "Thank you very much, goodbye.",
]
CALLEE = ["Good evening, this is the restaurant.", "For how many people?", "Your table is booked."]


async def over(network: PhoneNetwork, calls: int = 1) -> None:
    """Wait until so many calls have ended and everybody was told."""
    await network.until(
        lambda: sum(told.kind == "completed" for told in network.callbacks) >= calls,
        timeout_sec=60,
        what="the end of every call",
    )


def talker(**more) -> Callee:
    return Callee(**({"says": CALLEE, "hears": AGENT, "voice": "en-us"} | more))


def tones(keys: str, on_ms: int = 100) -> bytes:
    """Keys as they sound."""
    low, high = (697, 770, 852, 941), (1209, 1336, 1477)
    samples: list[int] = []
    for key in keys:
        row, column = divmod("123456789*0#".index(key), 3)
        for at in range(on_ms * 8):
            angle = 2 * pi * at / 8_000
            samples.append(round(6_000 * (sin(low[row] * angle) + sin(high[column] * angle))))
        samples += [0] * 800
    return mulaw.encode(struct.pack(f"<{len(samples)}h", *samples))


async def talk(callee: Callee, replies=AGENT, **more):
    async with (
        PhoneNetwork(speed=more.pop("speed", None)) as network,
        TalkingEngine(network, replies, hears=CALLEE, **more) as engine,
    ):
        network.add(NUMBER, callee)
        await engine.dial(NUMBER, TimeLimit=60)
        await over(network)
        return network.dials[0], engine, network


async def test_both_sides_speak_and_are_understood_word_for_word():
    began = time.process_time()
    leg, engine, network = await talk(talker())
    assert leg.heard == AGENT
    assert leg.said == CALLEE
    assert engine.heard == [as_heard(line) for line in CALLEE]
    assert (leg.status, leg.ended_by) == ("completed", "callee")
    assert network.violations == []
    assert leg.duration_sec >= 12
    assert time.process_time() - began < leg.duration_sec / 2, "by what it took to compute"


async def test_a_call_goes_the_same_at_any_speed():
    async def course(speed):
        callee = talker(says=CALLEE[:2], rings_sec=0.1)
        leg, engine, _ = await talk(callee, AGENT[:1], speed=speed)
        loud = [number for number, frame in enumerate(engine.audio()) if frame != SILENT_FRAME]
        # When they began to speak, in frames. A voice never sounds quite the same twice.
        began = [at for before, at in zip([-50, *loud], loud, strict=False) if at - before > 25]
        return leg.heard, leg.said, engine.heard, began

    slow, fast = await course(5), await course(None)
    assert slow[:3] == fast[:3]
    assert len(slow[3]) == 2
    assert slow[3] == pytest.approx(fast[3], abs=3)


async def test_several_sentences_in_one_breath_are_heard_one_by_one_as_they_are_written():
    callee = talker(says=["For how many people?"])
    leg, _, _ = await talk(callee, [], greeting=" ".join(AGENT))
    assert leg.heard == AGENT


async def test_a_grammar_is_heard_as_the_ears_understand_it():
    grammar = "public <said> = please hold the line [one moment];"
    callee = talker(hears=(), grammar=grammar, says=["For how many people?"])
    leg, _, _ = await talk(callee, [], greeting="Please hold the line.")
    assert leg.heard == ["please hold the line"]


async def test_a_callee_in_a_hissing_room_is_understood_all_the_same():
    leg, engine, _ = await talk(talker(noise_rms=250))
    assert engine.heard == [as_heard(line) for line in CALLEE]
    assert leg.heard == AGENT
    assert SILENT_FRAME not in engine.audio()


async def test_people_who_talk_around_a_callee_are_heard_before_and_after_their_words():
    callee = talker(says=CALLEE[:1], noise="babble", noise_rms=300)
    leg, engine, _ = await talk(callee, [], greeting=AGENT[0])
    assert (leg.heard, leg.said) == (AGENT[:1], CALLEE[:1])
    samples = mulaw.decode(b"".join(engine.audio()[:50]))
    assert 200 < audioop.rms(samples, 2) < 450


async def test_voices_differ_and_fast_talkers_are_sooner_done():
    lasted = {}
    for voice, speed_wpm, pitch in [("en-us", 120, 50), ("en-us", 220, 50), ("en+f3", 220, 80)]:
        callee = talker(says=CALLEE[:1], voice=voice, speed_wpm=speed_wpm, pitch=pitch)
        _, engine, network = await talk(callee, [])
        assert network.violations == []
        lasted[voice, speed_wpm] = len(b"".join(engine.audio()).strip(b"\xff"))
    assert lasted["en-us", 120] > 1.5 * lasted["en-us", 220]
    assert lasted["en-us", 220] != lasted["en+f3", 220]


async def test_a_voicemail_greets_aloud_beeps_and_takes_the_message():
    greeting = "Good evening, this is the restaurant."
    message = "Thank you very much, goodbye."
    callee = talker(behave="voicemail", says=[greeting], listens_sec=15)
    async with PhoneNetwork() as network, TalkingEngine(network, hears=CALLEE) as engine:
        told_at: list[float] = []

        async def leave_message(media):
            async for event in media.events():
                machine = any(kind == "machine" for kind in engine.kinds())
                if event["event"] == "media" and machine and not told_at:
                    told_at.append(network.clock.now())
                    await engine.say(media, message)

        engine.on_media = leave_message
        network.add(NUMBER, callee)
        more = {"MachineDetection": "DetectMessageEnd", "AsyncAmd": "true"}
        more["AsyncAmdStatusCallback"] = f"{engine.url}/machine"
        await engine.dial(NUMBER, **more)
        await over(network)
        [leg] = network.dials
        assert (leg.said, leg.heard) == ([greeting], [message])
        assert leg.answered_by == "machine_end_beep"
        assert (leg.ended_by, leg.duration_sec) == ("callee", 15)
        sound = b"".join(engine.audio()).rstrip(b"\xff")
        # The beep is the last that is heard: 0.4 s of 1 kHz, which repeats every millisecond.
        assert len({sound[at - 1_600 : at - 1_592] for at in range(0, 800, 8)}) == 1
        said_sec = told_at[0] - leg.answered_at
        assert said_sec == pytest.approx(0.6 + len(sound.lstrip(b"\xff")) / 8_000, abs=0.2)


async def test_a_rude_callee_interrupts_and_waits_to_be_answered():
    async with PhoneNetwork() as network, TalkingEngine(network, hears=CALLEE) as engine:

        async def converse(media):
            ears = engine.ears()
            async for event in media.events():
                if event["event"] == "start":
                    await engine.say(media, AGENT[0] + " " + AGENT[1])
                for text in engine.understood(ears, event):
                    engine.heard.append(text)
                    await media.send("clear")
                    await engine.say(media, AGENT[2])

        engine.on_media = converse
        network.add(NUMBER, talker(says=CALLEE[1:], interrupts_after_sec=1.0))
        await engine.dial(NUMBER, TimeLimit=60)
        await over(network)
        [leg] = network.dials
        assert engine.heard == [as_heard(line) for line in CALLEE[1:]]
        assert leg.said == CALLEE[1:]
        # What was cut off is heard up to about the word where the callee had finished.
        *heard, answer, goodbye = leg.heard
        assert (AGENT[0] + " " + AGENT[1]).startswith(" ".join(heard))
        assert 4 <= len(" ".join(heard).split()) <= 13
        # They are rude every time, and hang up on whoever talks on.
        assert AGENT[2].startswith(answer)
        assert AGENT[2].startswith(goodbye)


async def test_a_callee_who_hangs_up_in_mid_word_has_not_said_it():
    leg, _, _ = await talk(talker(hangs_up_after_sec=1.5), [])
    assert (leg.said, leg.ended_by) == ([], "callee")


async def test_an_agent_that_hangs_up_on_its_last_word_was_heard():
    async with PhoneNetwork() as network, TalkingEngine(network, hears=CALLEE) as engine:

        async def say_goodbye(media):
            async for event in media.events():
                if event["event"] == "start":
                    await engine.say(media, AGENT[2])
                    await media.mark("end")
                if event["event"] == "mark":
                    await media.socket.close()

        engine.on_media = say_goodbye
        network.add(NUMBER, talker(behave="silent"))
        await engine.dial(NUMBER)
        await network.until(lambda: network.dials and not network.live_legs)
        assert network.dials[0].heard == [AGENT[2]]


async def test_two_audible_calls_at_once_do_not_mix_and_leave_no_thread_behind():
    numbers = {NUMBER: "en-us", "+14155552672": "en+f3"}
    async with (
        PhoneNetwork() as network,
        TalkingEngine(network, AGENT, hears=CALLEE) as engine,
    ):
        for number, voice in numbers.items():
            network.add(number, talker(voice=voice))
        await asyncio.gather(*(engine.dial(number, TimeLimit=60) for number in numbers))
        await over(network, calls=2)
        assert network.violations == []
        for leg in network.dials:
            assert (leg.heard, leg.said) == (AGENT, CALLEE)
        assert sorted(engine.heard) == sorted(2 * [as_heard(line) for line in CALLEE])
        names = "patter-callee"
        await network.until(lambda: not any(names in t.name for t in threading.enumerate()))


async def test_a_menu_understands_keys_that_are_played_and_is_cut_short_by_them():
    def menu(heard: list[str]) -> str | None:
        if not heard:
            return "For a table, press one. For anything else, please hold the line."
        return "Your table is booked." if heard[-1] == "14" else None

    async with PhoneNetwork() as network, TalkingEngine(network, hears=CALLEE) as engine:

        async def press(media):
            frames = 0
            async for event in media.events():
                frames += event["event"] == "media"
                if frames == 100 and not frames_played:
                    frames_played.append(frames)
                    await engine.play(media, tones("14"))

        frames_played: list[int] = []
        engine.on_media = press
        network.add(NUMBER, talker(says=menu))
        await engine.dial(NUMBER, TimeLimit=60)
        await over(network)
        [leg] = network.dials
        assert leg.digits == "14"
        assert leg.heard == [Digits("14")]
        assert isinstance(leg.heard[0], Digits)
        # The prompt was cut short; what came after was said to its end.
        assert leg.said == ["Your table is booked."]


async def test_speech_is_never_taken_for_keys():
    leg, _, _ = await talk(talker(says=CALLEE[:1]), [], greeting=" ".join(AGENT))
    assert leg.digits == ""


async def test_a_caller_can_be_audible_too():
    async with (
        PhoneNetwork() as network,
        TalkingEngine(network, AGENT[1:], greeting=AGENT[0], hears=CALLEE) as engine,
    ):
        async with asyncio.timeout(60):
            leg = await network.ring(
                "+14155550100", NUMBER, f"{engine.url}/answer", talker(speaks_first=False)
            )
        assert leg.heard == AGENT
        assert engine.heard == [as_heard(line) for line in CALLEE]
        assert engine.signatures == [True, True]


async def test_a_function_speaks_lines_that_nobody_knew_before():
    def says(heard: list[str]) -> str | None:
        return CALLEE[len(heard)] if len(heard) < 3 else None

    leg, engine, _ = await talk(talker(says=says))
    assert leg.said == CALLEE
    assert engine.heard == [as_heard(line) for line in CALLEE]


async def test_a_callee_that_understands_nothing_still_takes_turns():
    leg, _, _ = await talk(talker(hears=()))
    assert leg.heard == []
    assert leg.said == CALLEE


@pytest.mark.parametrize(
    "wrong", [{"hears": ["Xylqwert frobnicates."]}, {"voice": "klingon-opera"}, {"speed_wpm": 9}]
)
async def test_what_cannot_be_said_or_heard_fails_that_call_and_says_why(wrong):
    leg, _, network = await talk(talker(**wrong))
    assert (leg.status, leg.answered) == ("failed", False)
    [violation] = network.violations
    assert "cannot talk" in violation


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"voice": None}, ValueError),
        ({"hears": "one text"}, TypeError),
        ({"grammar": "public <a> = b;"}, ValueError),
        ({"hears": ["4 people"]}, ConfigError),
        ({"hears": (), "grammar": "<a> = b;"}, ConfigError),
        ({"noise_rms": -1}, ValueError),
    ],
)
def test_a_callee_that_makes_no_sense_is_refused_at_once(wrong, error):
    with pytest.raises(error):
        talker(**wrong)
