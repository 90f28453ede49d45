"""Media frames, marks and clears, exact to the frame."""

from __future__ import annotations

import base64

import pytest

from patter_core.audio.frames import FRAME_BYTES, SILENT_FRAME
from patter_core.simulator import Callee, PhoneNetwork
from patter_core.simulator.playback import PlaybackQueue
from patter_core.speech.markers import encode
from tests.simulator.small_engine import SmallEngine

NUMBER = "+14155552671"


def marks_and_frames(frames) -> list[tuple[str, int]]:
    """Each mark's name, with how many audio frames came before it."""
    seen, found = 0, []
    for frame in frames:
        seen += frame["event"] == "media"
        if frame["event"] == "mark":
            found.append((frame["mark"]["name"], seen))
    return found


async def run_call(talk, callee=None, limit=5):
    async with PhoneNetwork() as network, SmallEngine(network) as engine:
        engine.on_media = talk
        network.add(NUMBER, callee or Callee(behave="silent"))
        await engine.dial(NUMBER, TimeLimit=limit)
        await network.until(lambda: network.callbacks and not network.live_legs)
        await network.until(lambda: network.callbacks[-1].kind == "completed")
        return network, engine


async def test_frames_have_twilios_shape_and_never_a_gap():
    async def listen(media):
        async for _ in media.events():
            pass

    network, engine = await run_call(listen, limit=1)
    connected, start, *media, stop = engine.frames
    assert connected == {"event": "connected", "protocol": "Call", "version": "1.0.0"}
    assert start["start"]["callSid"] == network.dials[0].sid == stop["stop"]["callSid"]
    assert start["start"]["accountSid"] == network.account_sid
    assert start["start"]["customParameters"] == {"ref": "a&b"}
    assert start["start"]["mediaFormat"]["encoding"] == "audio/x-mulaw"
    assert len(media) == 50
    for number, frame in enumerate(media, 1):
        assert frame["media"]["chunk"] == str(number)
        assert frame["media"]["timestamp"] == str(number * 20)
        assert frame["sequenceNumber"] == str(number + 1)
        assert base64.b64decode(frame["media"]["payload"]) == SILENT_FRAME
    assert stop["sequenceNumber"] == "52"


async def test_the_goodbye_reaches_a_side_that_is_busy_and_still_talks():
    async def talk(media):
        async for event in media.events():
            if event["event"] == "media" and event["media"]["chunk"] == "5":
                # This loop has taken nothing more when the call is over, and then it writes first.
                media.engine.network.wait_until(lambda: not media.engine.network.live_legs)
                for _ in range(3):
                    await media.say("Are you there?")

    network, engine = await run_call(talk, Callee(behave="silent", hangs_up_after_sec=0.1))
    assert network.dials[0].ended_by == "callee"
    *_, last, stop = engine.frames
    assert (last["media"]["chunk"], stop["event"]) == ("5", "stop")


async def test_a_mark_comes_back_when_all_before_it_was_played_or_at_once():
    async def talk(media):
        async for event in media.events():
            if event["event"] == "start":
                await media.mark("empty")
                assert await media.say("ten") == 100
                await media.mark("after ten")
                await media.mark("with it")
                await media.say("more")
                await media.mark("end")

    network, engine = await run_call(talk)
    (empty, before), (ten, first), (also, same), (end, last) = marks_and_frames(engine.frames)
    assert [empty, ten, also, end] == ["empty", "after ten", "with it", "end"]
    assert before <= 1
    assert first == same
    # Six frames between the marks: start, four letters, end.
    assert last - first == 6
    assert network.dials[0].heard == ["ten", "more"]
    assert network.violations == []


async def test_a_clear_cuts_at_the_frame_and_returns_every_mark():
    async def talk(media):
        frames = 0
        async for event in media.events():
            if event["event"] == "start":
                await media.say("0123456789" * 5)
                await media.mark("first")
                await media.mark("second")
            frames += event["event"] == "media"
            if frames == 20:
                frames += 1
                await media.send("clear")
                await media.mark("nothing is left")

    network, engine = await run_call(talk)
    marks = marks_and_frames(engine.frames)
    assert [name for name, _ in marks] == ["first", "second", "nothing is left"]
    [heard] = network.dials[0].heard
    assert ("0123456789" * 5).startswith(heard)
    # A frame or two may be on their way when the clear is sent.
    assert 14 <= len(heard) <= 23
    assert marks[0][1] - len(heard) <= 3


@pytest.mark.parametrize(
    ("frame", "violation"),
    [
        ('{"event":"media"', "no JSON"),
        ("[1]", "no JSON object"),
        ('{"event":"hello","streamSid":"%s"}', "no event"),
        ('{"event":"clear"}', "keys"),
        ('{"event":"clear","streamSid":"MZ0"}', "another stream"),
        ('{"event":"mark","streamSid":"%s","mark":{"name":1}}', "one text"),
        ('{"event":"media","streamSid":"%s","media":{"payload":"?"}}', "base64"),
        ('{"event":"media","streamSid":"%s","media":{"payload":""}}', "empty"),
        ('{"event":"media","streamSid":"%s","media":{"payload":"/w==","x":1}}', "one text"),
    ],
)
async def test_a_malformed_frame_is_noted_and_the_call_goes_on(frame, violation):
    async def talk(media):
        async for event in media.events():
            if event["event"] == "start":
                await media.socket.send_str(frame.replace("%s", media.stream))
                await media.say("well")

    network, _ = await run_call(talk, limit=2)
    assert len(network.violations) == 1
    assert violation in network.violations[0]
    assert network.dials[0].heard == ["well"]


async def test_a_binary_frame_is_a_violation():
    async def talk(media):
        async for event in media.events():
            if event["event"] == "start":
                await media.socket.send_bytes(b"\xff" * 160)

    network, _ = await run_call(talk, limit=1)
    assert network.violations == ["a binary frame was sent on a media stream"]


async def test_audio_in_odd_pieces_is_heard_whole():
    async def talk(media):
        async for event in media.events():
            if event["event"] == "start":
                audio = encode("piece by piece")
                for start in range(0, len(audio), 77):
                    payload = base64.b64encode(audio[start : start + 77]).decode()
                    await media.send("media", media={"payload": payload})

    network, _ = await run_call(talk, limit=2)
    assert network.dials[0].heard == ["piece by piece"]


def test_the_queue_plays_short_ends_and_passes_marks_within_them():
    queue = PlaybackQueue()
    assert queue.mark("now") == ["now"]
    queue.add(b"\x01" * (FRAME_BYTES + 10))
    assert queue.mark("later") == []
    assert queue.play() == (b"\x01" * FRAME_BYTES, [])
    assert queue.waiting_bytes == 10
    assert queue.play() == (b"\x01" * 10, ["later"])
    assert queue.play() == (b"", [])
    queue.add(b"\x02")
    assert (queue.mark("cut"), queue.clear(), queue.play()) == ([], ["cut"], (b"", []))
