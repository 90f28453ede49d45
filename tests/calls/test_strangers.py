"""Strangers at the door: refused before anything is spent, and no call notices."""

from __future__ import annotations

import asyncio
import json
import secrets
from contextlib import asynccontextmanager

import aiohttp
import pytest
from twilio.request_validator import RequestValidator

from patter import Limits
from patter.simulator import Callee
from tests.calls.kit import (
    CALLEE,
    CountingEars,
    CountingVoice,
    Events,
    bounded,
    creates,
    said,
    scripted,
)

ROUTES = ("answer", "status", "machine")
LIMITS = Limits(media_start_sec=0.5)


class Door:
    """The phone's door, as whoever reaches its port sees it, with the carrier's token or not."""

    def __init__(self, network, tool, ears, voice, http):
        self.network, self.tool, self.http = network, tool, http
        self.ears, self.voice = ears, voice
        self.url = tool._phone.url
        self.media = "ws" + self.url.removeprefix("http") + "/twilio/media"
        self.requests = len(network.requests)

    def sign(self, url, form=None, token=None):
        return RequestValidator(token or self.network.auth_token).compute_signature(url, form or {})

    async def post(self, path, form=None, *, signature=None, headers=None):
        sent = dict(headers or {})
        if signature is not None:
            sent["X-Twilio-Signature"] = signature
        async with self.http.post(self.url + path, data=form or {}, headers=sent) as answer:
            return answer.status, await answer.text()

    async def post_signed(self, path, form):
        return await self.post(path, form, signature=self.sign(self.url + path, form))

    async def connect(self, *, signed=True, token=None):
        headers = {"X-Twilio-Signature": self.sign(self.media, token=token)} if signed else {}
        return await self.http.ws_connect(self.media, headers=headers)

    def nothing_was_spent(self):
        assert (self.ears.opened, self.voice.spoken) == (0, 0)
        assert len(self.network.requests) == self.requests


def start_frame(network, callref, *, call_sid=None, account_sid=None):
    return json.dumps(
        {
            "event": "start",
            "sequenceNumber": "1",
            "streamSid": "MZ" + "0" * 32,
            "start": {
                "accountSid": account_sid or network.account_sid,
                "streamSid": "MZ" + "0" * 32,
                "callSid": call_sid or "CA" + secrets.token_hex(16),
                "tracks": ["inbound"],
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
                "customParameters": {"callref": callref},
            },
        }
    )


async def is_closed(socket):
    """Nothing but the end comes from the other side."""
    async with asyncio.timeout(30):
        message = await socket.receive()
    assert message.type in (
        aiohttp.WSMsgType.CLOSE,
        aiohttp.WSMsgType.CLOSED,
        aiohttp.WSMsgType.CLOSING,
    ), message
    await socket.close()


@pytest.fixture
async def http():
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def door(network, new_tool, http):
    """An open phone without a call; its ears and its voice count what is asked of them."""
    ears, voice = CountingEars(), CountingVoice()
    agent = {**scripted(), "stt": ears, "tts": voice}
    tool = new_tool(agent=agent, phone={"limits": LIMITS, "max_concurrent_calls": 3})
    await tool.start()
    return Door(network, tool, ears, voice, http)


@asynccontextmanager
async def a_live_call(door):
    """A call with somebody who says nothing; it must be there, untouched, at the end as well."""
    network = door.network
    network.add(CALLEE, Callee(behave="silent", rings_sec=0.2))
    before = len(creates(network))
    live = await bounded(door.tool.submit(to=CALLEE, first_message="Hi.", max_duration_sec=1800))
    await network.until(lambda: live.snapshot().transcript)
    with network.clock.hold():
        door.ears.opened = door.voice.spoken = 0
        door.requests = len(network.requests)
        yield network.live_legs[0]
        assert len(network.live_legs) == 1
        assert not live.done
        await live.hang_up()
        result = await bounded(live.result())
    assert (result.status, result.ended_by) == ("canceled", "caller")
    assert said(result) == [("agent", "Hi.")]
    assert len(creates(network)) == before + 1


def callref_of(leg):
    return leg.stream_parameters["callref"]


# --- media sockets -------------------------------------------------------------------------------


@pytest.mark.parametrize("token", [None, "wrong-token", ""])
async def test_a_socket_without_the_carriers_signature_is_refused(door, token):
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await door.connect(signed=token is not None, token=token or "x")
    assert refused.value.status == 403
    door.nothing_was_spent()


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Twilio-Signature": ""},
        {"X-Twilio-Signature": "é"},
        {"X-Twilio-Signature": "x" * 4_000},
        {"X-Twilio-Signature": "AAAAAAAAAAAAAAAAAAAAAAAAAAA="},
    ],
    ids=range(4),
)
async def test_a_strange_signature_is_refused(door, headers):
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await door.http.ws_connect(door.media, headers=headers)
    assert refused.value.status == 403
    door.nothing_was_spent()


async def test_a_plain_request_for_the_socket_is_no_error_of_ours(door):
    headers = {"X-Twilio-Signature": door.sign(door.media)}
    async with door.http.get(door.url + "/twilio/media", headers=headers) as answer:
        assert 400 <= answer.status < 500
    async with door.http.get(door.url + "/twilio/media") as answer:
        assert answer.status == 403
    door.nothing_was_spent()


def forged(callref):
    call_id, _, mark = callref.partition(".")
    return [
        "",
        "x",
        ".",
        call_id,
        call_id + ".",
        f"{call_id}.{mark[:-1]}",
        f"{call_id}.{mark[::-1]}",
        f"call_{'0' * 32}.{mark}",
        callref + "x",
        callref.upper(),
        "\ud800",
        "é" * 100,
    ]


async def test_the_carriers_signature_without_a_callref_of_ours_is_not_enough(door):
    async with a_live_call(door) as leg:
        for callref in forged(callref_of(leg)):
            socket = await door.connect()
            await socket.send_str(start_frame(door.network, callref))
            await is_closed(socket)
        door.nothing_was_spent()


async def test_a_second_socket_for_a_live_call_is_closed_and_hears_nothing(door):
    async with a_live_call(door) as leg:
        for sid in (leg.sid, None):
            socket = await door.connect()
            await socket.send_str(start_frame(door.network, callref_of(leg), call_sid=sid))
            await is_closed(socket)
        door.nothing_was_spent()


async def test_the_right_callref_from_another_account_is_closed(door):
    async with a_live_call(door) as leg:
        socket = await door.connect()
        frame = start_frame(door.network, callref_of(leg), account_sid="AC" + "0" * 32)
        await socket.send_str(frame)
        await is_closed(socket)
        door.nothing_was_spent()


async def test_the_callref_of_a_call_that_is_over_opens_nothing(door):
    await bounded(door.tool.execute(to=CALLEE))
    (leg,) = door.network.dials
    door.ears.opened = door.voice.spoken = 0
    door.requests = len(door.network.requests)
    socket = await door.connect()
    await socket.send_str(start_frame(door.network, callref_of(leg), call_sid=leg.sid))
    await is_closed(socket)
    door.nothing_was_spent()


async def test_a_socket_for_a_call_that_still_rings_elsewhere_cannot_take_it_over(door):
    """The callref is right, but the leg's id is another's."""
    network = door.network
    network.add(CALLEE, Callee(behave="silent", rings_sec=20.0))
    events = Events()
    with network.clock.hold():
        live = await bounded(door.tool.submit(to=CALLEE, max_duration_sec=60))
        task = asyncio.create_task(door.tool.execute(to=CALLEE, on_event=events))
        task.cancel()
        await network.until(lambda: network.live_legs and len(creates(network)) == 1)
        callref = network.dials[0].parameters["Url"][0].rpartition("/")[2]
        await network.until(lambda: network.dials[0].status == "ringing")
        socket = await door.connect()
        await socket.send_str(start_frame(network, callref))
        await is_closed(socket)
        assert live.snapshot().transcript == ()
        assert door.voice.spoken == 0
    await live.hang_up()
    await bounded(live.result())


GARBAGE = [
    "",
    "hello",
    "{}",
    "[]",
    "null",
    '{"event": "start"}',
    '{"event": "start", "start": null}',
    '{"event": "start", "start": {"customParameters": []}}',
    '{"event": "media", "media": {"payload": "////"}}',
    '{"event": "stop"}',
    "{" * 30_000,
    '{"event": "connected"}' * 2,
]


async def test_garbage_before_the_start_gets_no_further(door):
    async with a_live_call(door):
        sockets = [await door.connect() for _ in GARBAGE]
        for socket, garbage in zip(sockets, GARBAGE, strict=True):
            await socket.send_str(garbage)
        for socket in sockets:
            await is_closed(socket)  # At once, or when its time to say who it is has passed.
        door.nothing_was_spent()


async def test_a_socket_that_says_nothing_is_closed_after_its_time(door):
    async with a_live_call(door):
        sockets = [await door.connect() for _ in range(20)]
        for socket in sockets:
            await is_closed(socket)
        door.nothing_was_spent()


async def test_a_socket_that_talks_all_the_time_but_never_starts_is_closed_too(door):
    async with a_live_call(door):
        socket = await door.connect()

        async def talk():
            while True:
                await socket.send_str('{"event": "connected", "protocol": "Call"}')
                await asyncio.sleep(0)

        talking = asyncio.create_task(talk())
        try:
            await is_closed(socket)
        finally:
            talking.cancel()
            await asyncio.gather(talking, return_exceptions=True)
        door.nothing_was_spent()


async def test_a_binary_frame_is_closed(door):
    async with a_live_call(door):
        for data in (b"", b"\x00" * 100, b"{}"):
            socket = await door.connect()
            await socket.send_bytes(data)
            await is_closed(socket)
        door.nothing_was_spent()


async def test_a_frame_of_a_megabyte_is_closed(door):
    async with a_live_call(door) as leg:
        socket = await door.connect()
        frame = start_frame(door.network, callref_of(leg) + "x" * 1_000_000)
        await socket.send_str(frame)
        await is_closed(socket)
        door.nothing_was_spent()


# --- webhooks ------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", ROUTES)
async def test_a_webhook_that_the_carrier_did_not_sign_is_refused(door, route):
    async with a_live_call(door) as leg:
        path = f"/twilio/{route}/{callref_of(leg)}"
        form = {"CallSid": leg.sid, "CallStatus": "completed", "AnsweredBy": "fax"}
        for signature in (
            None,
            "",
            door.sign(door.url + path, form, token="wrong"),
            door.sign(door.url + path + "x", form),
            door.sign(door.url + path, {**form, "CallStatus": "busy"}),
            door.sign(door.url.upper() + path, form),
        ):
            status, body = await door.post(path, form, signature=signature)
            assert status == 403
            assert "Stream" not in body
        for callref in forged(callref_of(leg))[1:10]:
            status, _ = await door.post_signed(f"/twilio/{route}/{callref}", form)
            assert status in (403, 404)
        door.nothing_was_spent()


async def test_the_answer_url_of_a_call_that_is_over_hangs_up(door):
    await bounded(door.tool.execute(to=CALLEE))
    (leg,) = door.network.dials
    status, body = await door.post_signed(f"/twilio/answer/{callref_of(leg)}", {"CallSid": leg.sid})
    assert status == 200
    assert "<Hangup" in body
    assert "Stream" not in body


async def test_an_answer_for_another_leg_of_a_live_call_hangs_that_one_up(door):
    async with a_live_call(door) as leg:
        status, body = await door.post_signed(
            f"/twilio/answer/{callref_of(leg)}", {"CallSid": "CA" + "1" * 32}
        )
        assert status == 200
        assert "<Hangup" in body
        assert "Stream" not in body


async def test_news_of_another_leg_does_not_end_a_live_call(door):
    async with a_live_call(door) as leg:
        for status in ("completed", "busy", "failed", "canceled", "no-answer"):
            form = {"CallSid": "CA" + "1" * 32, "CallStatus": status}
            answered, _ = await door.post_signed(f"/twilio/status/{callref_of(leg)}", form)
            assert answered in (200, 204)
        door.nothing_was_spent()


async def test_a_replayed_webhook_changes_nothing_about_a_live_call(door):
    async with a_live_call(door) as leg:
        path = f"/twilio/status/{callref_of(leg)}"
        for status in ("queued", "initiated", "ringing", "in-progress", "nonsense", "") * 3:
            answered, _ = await door.post_signed(path, {"CallSid": leg.sid, "CallStatus": status})
            assert answered in (200, 204)
        door.nothing_was_spent()


async def test_every_webhook_of_a_call_that_is_over_can_be_replayed_in_vain(door):
    events = Events()
    first = await bounded(door.tool.execute(to=CALLEE, on_event=events))
    calls = [c for c in door.network.callbacks if c.status is not None]
    assert len(calls) >= 5
    seen = len(events.heard)
    door.ears.opened = door.voice.spoken = 0
    async with a_live_call(door):
        for callback in calls:
            path = callback.url.removeprefix(door.url)
            status, body = await door.post_signed(path, dict(callback.form))
            assert status in (200, 204)
            assert "Stream" not in body
    assert len(events.heard) == seen
    again = await bounded(door.tool._phone.result(first.call_id))
    assert again.to_dict() == first.to_dict()


async def test_two_signatures_are_none(door):
    async with a_live_call(door) as leg:
        path = f"/twilio/status/{callref_of(leg)}"
        form = {"CallSid": leg.sid, "CallStatus": "completed"}
        good = door.sign(door.url + path, form)
        headers = [("X-Twilio-Signature", good), ("X-Twilio-Signature", "x")]
        async with door.http.post(door.url + path, data=form, headers=headers) as answer:
            assert answer.status == 403


async def test_a_body_that_is_too_large_or_no_form_is_refused(door):
    async with a_live_call(door) as leg:
        path = f"/twilio/status/{callref_of(leg)}"
        for body in (b"\xff" * 100, b"a=" + b"x" * 200_000, b"&".join([b"a=1"] * 500)):
            async with door.http.post(door.url + path, data=body) as answer:
                assert answer.status in (403, 413)
        door.nothing_was_spent()


PATHS = [
    "/",
    "/twilio",
    "/twilio/answer/",
    "/twilio/answer/x/y",
    "/twilio/../health",
    "/telnyx/answer/x",
    "/twilio/answer/" + "x" * 7_000,
    "/twilio/status/%00",
    "/twilio/status/%ff%fe",
    "/twilio/status/a%2Fb",
    "/.env",
]


async def test_other_paths_are_nothing(door):
    async with a_live_call(door):
        for path in PATHS:
            status, _ = await door.post(path, {"CallSid": "x"})
            assert status in (403, 404, 405)
        door.nothing_was_spent()


async def test_health_needs_no_signature_and_tells_nothing(door):
    async with door.http.get(door.url + "/health") as answer:
        assert answer.status == 200
        assert await answer.json() == {"status": "ok"}
    assert door.tool is not None


async def test_callrefs_of_another_ledger_are_strangers(network, new_tool, http):
    """Two phones with one carrier account: each knows its own references only."""
    one = new_tool()
    other = new_tool()
    await bounded(one.execute(to=CALLEE))
    await other.start()
    (leg,) = network.dials
    url = f"{other._phone.url}/twilio/answer/{callref_of(leg)}"
    form = {"CallSid": leg.sid}
    signature = RequestValidator(network.auth_token).compute_signature(url, form)
    async with http.post(url, data=form, headers={"X-Twilio-Signature": signature}) as answer:
        assert answer.status == 403
