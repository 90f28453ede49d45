"""The telephone's audio on its way to a Realtime service and back, as 24 kHz PCM, by content."""

from __future__ import annotations

import math
import random
import struct

import pytest

from patter_core.audio import mulaw
from patter_core.pipeline.realtime.audio import Pcm
from patter_core.simulator.realtime.audio import Restorer
from patter_core.speech import markers
from tests.realtime.realtime_kit import conversation, of_type

LONG = "This is a rather long sentence, which nobody will ever want to hear to its very end."


def tone(hertz, seconds, rate_hz):
    samples = range(round(seconds * rate_hz))
    return [round(8_000 * math.sin(2 * math.pi * hertz * n / rate_hz)) for n in samples]


def pcm(samples):
    return struct.pack(f"<{len(samples)}h", *samples)


def samples_of(audio):
    return struct.unpack(f"<{len(audio) // 2}h", audio)


def in_pieces(audio, sizes):
    at = 0
    while at < len(audio):
        size = next(sizes)
        yield audio[at : at + size]
        at += size


def any_size(seed=3):
    rng = random.Random(seed)
    while True:
        yield rng.randint(1, 1_900)


def assert_is_tone(samples, hertz, rate_hz):
    """It is this tone, at this strength, and next to nothing else."""
    cosines = [math.cos(2 * math.pi * hertz * n / rate_hz) for n in range(len(samples))]
    sines = [math.sin(2 * math.pi * hertz * n / rate_hz) for n in range(len(samples))]
    a = 2 * sum(x * c for x, c in zip(samples, cosines, strict=True)) / len(samples)
    b = 2 * sum(x * s for x, s in zip(samples, sines, strict=True)) / len(samples)
    assert math.hypot(a, b) == pytest.approx(8_000, rel=0.03)
    rest = [x - a * c - b * s for x, c, s in zip(samples, cosines, sines, strict=True)]
    noise = math.sqrt(sum(x * x for x in rest) / len(rest))
    assert noise < 8_000 / math.sqrt(2) / 30, "30 dB below the tone: no click, no alias, no seam"


@pytest.mark.parametrize("hertz", [350, 1_000, 2_900])
def test_a_tone_goes_up_to_the_service_as_the_same_tone(hertz):
    frames = mulaw.encode(pcm(tone(hertz, 1.0, 8_000)))
    whole = Pcm().to_service(frames)
    encoding = Pcm()
    by_frames = b"".join(
        encoding.to_service(piece) for piece in in_pieces(frames, iter([160] * 50))
    )
    assert by_frames == whole, "no seam between frames"
    assert len(whole) == pytest.approx(len(frames) * 6, abs=300)
    assert_is_tone(samples_of(whole)[1_200:-1_200], hertz, 24_000)


@pytest.mark.parametrize("hertz", [350, 1_000, 2_900])
def test_a_tone_comes_down_from_the_service_as_the_same_tone(hertz):
    given = pcm(tone(hertz, 1.0, 24_000))
    whole = Pcm()
    expected = whole.from_service(given) + whole.from_service(b"", last=True)
    encoding = Pcm()
    pieces = [encoding.from_service(piece) for piece in in_pieces(given, any_size())]
    assert b"".join(pieces) + encoding.from_service(b"", last=True) == expected
    assert len(expected) == pytest.approx(len(given) / 6, abs=40)
    assert_is_tone(samples_of(mulaw.decode(expected))[400:-400], hertz, 8_000)


def test_the_next_item_has_nothing_of_the_one_before():
    encoding = Pcm()
    first = encoding.from_service(pcm(tone(500, 0.2, 24_000)))
    encoding.from_service(b"", last=True)
    again = encoding.from_service(pcm(tone(500, 0.2, 24_000)))
    assert again == first


def heard(line):
    """What a callee makes of audio that was resampled."""
    detector = markers.MarkerDetector()
    events = detector.feed(Restorer().feed(mulaw.decode(b"".join(line.played))))
    return [event.text for event in events if isinstance(event, markers.Ended)]


async def test_words_survive_24_khz_both_ways(new_server):
    server = await new_server(["For how many people?", "It is booked."])
    async with conversation(server, audio="pcm", greeting="A table, please.") as line:
        await line.until_quiet()
        await line.says("Good evening!")
        await line.until_quiet()
        await line.says("Four people at eight.")
        await line.until_quiet()
        assert heard(line) == ["A table, please.", "For how many people?", "It is booked."]
        assert line.said == [
            ("agent", "A table, please."),
            ("user", "Good evening!"),
            ("agent", "For how many people?"),
            ("user", "Four people at eight."),
            ("agent", "It is booked."),
        ]
        session = of_type(server.sent, "session.updated")[0]["session"]["audio"]
        pcm_format = {"type": "audio/pcm", "rate": 24_000}
        assert session["input"]["format"] == session["output"]["format"] == pcm_format
        assert server.refusals == []
        assert line.session.metrics()["hears_nothing"] is False


async def test_an_interruption_at_24_khz_truncates_at_what_was_heard(new_server):
    server = await new_server([LONG, "Of course."])
    async with conversation(server, audio="pcm") as line:
        await line.says("Tell me.")
        await line.until(lambda: len(line.played) > 30)
        await line.says("Stop it!")
        await line.until_quiet()
        (truncated,) = of_type(server.received, "conversation.item.truncate")
        assert 500 <= truncated["audio_end_ms"] <= 800
        assert heard(line)[-1] == "Of course."
        assert server.refusals == []
