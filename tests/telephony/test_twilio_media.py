"""The frames of a media socket."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patter_core.telephony.carrier import (
    MediaAudio,
    MediaDigit,
    MediaMark,
    MediaStarted,
    MediaStopped,
)
from patter_core.telephony.twilio.media import TwilioMediaWire
from tests.telephony.raw_http import ACCOUNT, CALL

STREAM = "MZ" + "3c" * 16
FORMAT = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}


def start(**changes: object) -> str:
    body = {
        "streamSid": STREAM,
        "accountSid": ACCOUNT,
        "callSid": CALL,
        "tracks": ["inbound"],
        "customParameters": {"callref": "call_1.sig"},
        "mediaFormat": FORMAT,
        **changes,
    }
    return json.dumps({"event": "start", "sequenceNumber": "1", "streamSid": STREAM, "start": body})


def media(audio: bytes, **changes: object) -> str:
    body = {
        "track": "inbound",
        "chunk": "1",
        "timestamp": "5",
        "payload": base64.b64encode(audio).decode(),
        **changes,
    }
    return json.dumps({"event": "media", "sequenceNumber": "3", "streamSid": STREAM, "media": body})


def started() -> TwilioMediaWire:
    wire = TwilioMediaWire()
    assert wire.read(start()) is not None
    return wire


# --- what comes in ---------------------------------------------------------------------------


def test_the_start_says_which_call_it_is():
    assert TwilioMediaWire().read(start()) == MediaStarted(
        call=CALL, stream=STREAM, account=ACCOUNT, callref="call_1.sig"
    )


@pytest.mark.parametrize("parameters", [None, {}, {"other": "x"}, {"callref": 1}, [], "callref"])
def test_a_start_without_a_reference_has_an_empty_one(parameters):
    assert TwilioMediaWire().read(start(customParameters=parameters)).callref == ""


def test_only_the_first_start_counts():
    wire = started()
    assert wire.read(start(streamSid="MZ" + "0" * 32)) is None
    assert json.loads(wire.clear())["streamSid"] == STREAM


@pytest.mark.parametrize(
    "changes",
    [
        {"callSid": None},
        {"callSid": ""},
        {"streamSid": None},
        {"streamSid": ""},
        {"mediaFormat": {**FORMAT, "encoding": "audio/l16"}},
        {"mediaFormat": {**FORMAT, "sampleRate": 16000}},
        {"mediaFormat": {**FORMAT, "channels": 2}},
        {"mediaFormat": "audio/x-mulaw"},
    ],
)
def test_a_stream_that_cannot_be_served_does_not_start(changes):
    wire = TwilioMediaWire()
    assert wire.read(start(**changes)) is None
    with pytest.raises(RuntimeError):
        wire.clear()


@pytest.mark.parametrize(
    "media_format",
    [None, {}, {"encoding": "audio/x-mulaw", "sampleRate": "8000", "channels": "1"}],
)
def test_an_encoding_left_unsaid_is_the_documented_one(media_format):
    assert TwilioMediaWire().read(start(mediaFormat=media_format)) is not None


@given(audio=st.binary(min_size=1, max_size=2000))
def test_audio_comes_out_as_it_was_sent(audio):
    assert started().read(media(audio)) == MediaAudio(audio)
    assert started().read(media(audio).encode()) == MediaAudio(audio)


@pytest.mark.parametrize("track", ["outbound", "both_tracks", "", 1, [], {}])
def test_another_track_is_ignored(track):
    assert started().read(media(b"\xff" * 160, track=track)) is None


@pytest.mark.parametrize("payload", ["", "A", "AAA", "AA=A", "A\nAA", "____", "é===", None, 5, []])
def test_a_payload_that_is_none_is_ignored(payload):
    assert started().read(media(b"", payload=payload)) is None


def test_the_rest_of_the_documented_events():
    wire = started()
    mark = {"event": "mark", "sequenceNumber": "9", "streamSid": STREAM, "mark": {"name": "m1"}}
    dtmf = {"event": "dtmf", "streamSid": STREAM, "dtmf": {"track": "inbound_track", "digit": "#"}}
    stop = {"event": "stop", "streamSid": STREAM, "stop": {"accountSid": ACCOUNT, "callSid": CALL}}
    assert wire.read(json.dumps(mark)) == MediaMark("m1")
    assert wire.read(json.dumps(dtmf)) == MediaDigit("#")
    assert wire.read(json.dumps(stop)) == MediaStopped()
    assert wire.read('{"event":"connected","protocol":"Call","version":"1.0.0"}') is None


@pytest.mark.parametrize("digit", ["", "12", "x", "٣", None, 5])
def test_a_digit_that_no_telephone_has_is_ignored(digit):
    frame = json.dumps({"event": "dtmf", "dtmf": {"track": "inbound_track", "digit": digit}})
    assert started().read(frame) is None


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "null",
        "[]",
        "1e999999",
        "9" * 5000,
        "[" * 100_000,
        '{"a":' * 5000,
        '{"event":',
        '{"event":null}',
        '{"event":["media"]}',
        '{"event":"media"}',
        '{"event":"media","media":null}',
        '{"event":"media","media":[]}',
        '{"event":"start","start":"x"}',
        '{"event":"mark","mark":{"name":null}}',
        '{"event":"unheard-of"}',
        "\udcff",
        '{"event":"start","start":{"callSid":"CA","streamSid":"\\ud800"}}',
        b"\xff\xfe\x00",
        b"",
    ],
)
def test_garbage_is_none(frame):
    assert started().read(frame) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)
names = st.sampled_from(["media", "start", "mark", "dtmf", "stop", "connected"])
keys = st.sampled_from(
    ["payload", "track", "callSid", "streamSid", "customParameters", "mediaFormat", "name", "digit"]
)
frames = st.builds(
    lambda event, part, rest: json.dumps({**rest, "event": event, event: part}),
    names,
    st.dictionaries(keys, json_values | st.just("AAAA")) | json_values,
    st.dictionaries(st.text(), json_values),
)


@given(frame=st.binary() | st.text() | json_values.map(json.dumps) | frames)
def test_no_frame_raises(frame):
    TwilioMediaWire().read(frame)
    started().read(frame)


# --- what goes out ---------------------------------------------------------------------------


@given(audio=st.binary(max_size=2000))
def test_audio_is_sent_in_the_documented_frame(audio):
    assert json.loads(started().audio(audio)) == {
        "event": "media",
        "streamSid": STREAM,
        "media": {"payload": base64.b64encode(audio).decode()},
    }


def test_marks_and_clears_are_sent_in_the_documented_frames():
    wire = started()
    assert json.loads(wire.mark('a"b\\é')) == {
        "event": "mark",
        "streamSid": STREAM,
        "mark": {"name": 'a"b\\é'},
    }
    assert json.loads(wire.clear()) == {"event": "clear", "streamSid": STREAM}


def test_a_strangers_stream_id_cannot_break_out_of_a_frame():
    wire = TwilioMediaWire()
    wire.read(start(streamSid='MZ","event":"x'))
    assert json.loads(wire.audio(b"x"))["streamSid"] == 'MZ","event":"x'


@pytest.mark.parametrize(
    "send", [lambda wire: wire.audio(b"x"), lambda wire: wire.mark("m"), TwilioMediaWire.clear]
)
def test_nothing_is_sent_before_the_start(send):
    with pytest.raises(RuntimeError):
        send(TwilioMediaWire())
