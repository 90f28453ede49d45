"""The one request that rings somebody, against servers that answer every way there is."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import socket
from dataclasses import replace
from email.utils import format_datetime

import aiohttp
import pytest
from twilio.rest import Client

from patter_core.clock import SimulatedClock, SystemClock
from patter_core.config import Limits
from patter_core.errors import (
    CarrierBusy,
    CarrierError,
    CarrierNotReached,
    CarrierRefused,
    CarrierUnclear,
)
from patter_core.telephony.carrier import DialRequest
from patter_core.telephony.twilio.account import Twilio
from tests.telephony.raw_http import ACCOUNT, CALL, SOON, TOKEN, answer

SECRET = "do-not-repeat-me"

DIAL = DialRequest(
    to="+14155552671",
    from_="+14155550100",
    answer_url="https://calls.example.com/twilio/answer/call_1.sig",
    status_url="https://calls.example.com/twilio/status/call_1.sig",
    machine_url="https://calls.example.com/twilio/machine/call_1.sig",
    ring_timeout_sec=25,
    time_limit_sec=195,
)
CREATED = json.dumps({"sid": CALL, "status": "queued", "price": None})


def refusal(status: int, code: object, message: object = f"{SECRET} +14155552671") -> bytes:
    return answer(status, json.dumps({"code": code, "message": message, "status": status}))


async def outcome(line, request: DialRequest = DIAL) -> object:
    """The call's id, or the error that came instead: a safe one, and not of another kind."""
    async with asyncio.timeout(30):
        (result,) = await asyncio.gather(line.dial(request), return_exceptions=True)
    assert type(result) in (str, CarrierRefused, CarrierBusy, CarrierNotReached, CarrierUnclear)
    assert not any(private in str(result) for private in (SECRET, TOKEN, "+1415"))
    return result


async def test_a_created_call_has_the_carriers_id(raw_server, line_to):
    server = await raw_server(answer(201, CREATED))
    assert await outcome(line_to(server.url)) == CALL
    assert len(server.requests) == 1


# --- what is sent ----------------------------------------------------------------------------

RULES = {  # Of the published specification of a call's creation.
    "To": r"\+[1-9][0-9]{6,14}",
    "From": r"\+[1-9][0-9]{6,14}",
    "Url": r"https://[^\s]+",
    "Method": r"GET|POST",
    "StatusCallback": r"https://[^_/]+/[^\s]+",  # No underscore in the host.
    "StatusCallbackMethod": r"GET|POST",
    "StatusCallbackEvent": r"initiated|ringing|answered|completed",
    "Timeout": r"[0-9]+",
    "TimeLimit": r"[0-9]+",
    "MachineDetection": r"Enable|DetectMessageEnd",
    "AsyncAmd": r"true|false",
    "AsyncAmdStatusCallback": r"https://[^\s]+",
    "AsyncAmdStatusCallbackMethod": r"GET|POST",
}


async def test_the_request_keeps_to_the_published_parameters(raw_server, line_to):
    server = await raw_server(answer(201, CREATED))
    await outcome(line_to(server.url))
    (request,) = server.requests
    assert (request.method, request.target) == (
        "POST",
        f"/2010-04-01/Accounts/{ACCOUNT}/Calls.json",
    )
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    credentials = base64.b64decode(request.headers["authorization"].removeprefix("Basic "))
    assert credentials.decode() == f"{ACCOUNT}:{TOKEN}"
    assert set(request.form) == set(RULES)
    for name, values in request.form.items():
        assert all(re.fullmatch(RULES[name], value) for value in values), name
        assert len(values) == (4 if name == "StatusCallbackEvent" else 1)


async def test_the_request_says_what_was_asked_for(raw_server, line_to):
    server = await raw_server(answer(201, CREATED))
    await outcome(line_to(server.url))
    form = server.requests[0].form
    assert (form["To"], form["From"]) == ([DIAL.to], [DIAL.from_])
    assert form["Url"] == [DIAL.answer_url]
    assert form["StatusCallback"] == [DIAL.status_url]
    assert form["StatusCallbackEvent"] == ["initiated", "ringing", "answered", "completed"]
    assert (form["Timeout"], form["TimeLimit"]) == (["25"], ["195"])
    assert (form["MachineDetection"], form["AsyncAmd"]) == (["Enable"], ["true"])
    assert form["AsyncAmdStatusCallback"] == [DIAL.machine_url]


async def test_the_request_is_the_one_that_the_official_client_makes(
    raw_server, line_to, monkeypatch
):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = await raw_server(answer(201, CREATED))
    assert await outcome(line_to(server.url)) == CALL

    def create_officially() -> str | None:
        client = Client(ACCOUNT, TOKEN)
        client.api.base_url = server.url
        call = client.calls.create(
            to=DIAL.to,
            from_=DIAL.from_,
            url=DIAL.answer_url,
            method="POST",
            status_callback=DIAL.status_url,
            status_callback_method="POST",
            status_callback_event=["initiated", "ringing", "answered", "completed"],
            timeout=DIAL.ring_timeout_sec,
            time_limit=DIAL.time_limit_sec,
            machine_detection="Enable",
            async_amd="true",
            async_amd_status_callback=DIAL.machine_url,
            async_amd_status_callback_method="POST",
        )
        client.http_client.session.close()
        return call.sid

    async with asyncio.timeout(20):
        assert await asyncio.to_thread(create_officially) == CALL
    ours, theirs = server.requests
    assert (ours.method, ours.target, ours.form) == (theirs.method, theirs.target, theirs.form)
    assert ours.headers["authorization"] == theirs.headers["authorization"]


async def test_without_a_machine_url_nobody_listens_for_machines(raw_server, line_to):
    server = await raw_server(answer(201, CREATED))
    await outcome(line_to(server.url), replace(DIAL, machine_url=None))
    assert not [name for name in server.requests[0].form if "Amd" in name or "Machine" in name]


# --- a final no ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code"), [(400, 21211), (400, 21215), (401, 20003), (403, 21219), (404, 20404)]
)
async def test_the_carriers_own_no_is_final(raw_server, line_to, status, code):
    server = await raw_server(refusal(status, code))
    error = await outcome(line_to(server.url))
    assert isinstance(error, CarrierRefused)
    assert error.code == code
    assert len(server.requests) == 1


async def test_an_unknown_code_is_named(raw_server, line_to):
    server = await raw_server(refusal(400, 29999))
    assert "29999" in str(await outcome(line_to(server.url)))


# --- too many --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("Wed, 21 Oct 2015 07:28:30 GMT", 30.0),
        ("Wed, 21 Oct 2015 07:00:00 GMT", 0.0),
        ("soon", None),
        ("nan", None),
        ("9" * 5000, None),
        ("Wed, 21 Oct 99999999999999999999 07:28:30 GMT", None),
    ],
)
async def test_too_many_requests_say_when_to_ask_again(raw_server, line_to, retry_after, seconds):
    date = "Wed, 21 Oct 2015 07:28:00 GMT"
    server = await raw_server(answer(429, "", Retry_After=retry_after, Date=date))
    error = await outcome(line_to(server.url))
    assert isinstance(error, CarrierBusy)
    assert error.retry_after_sec == seconds
    assert len(server.requests) == 1


async def test_a_date_to_ask_again_counts_from_our_clock_if_the_carrier_shows_none(
    raw_server, line_to
):
    clock = SimulatedClock()
    at = clock.wall().replace(microsecond=0)
    server = await raw_server(answer(429, "", Retry_After=format_datetime(at, usegmt=True)))
    error = await outcome(line_to(server.url, clock=clock))
    assert isinstance(error, CarrierBusy)
    assert error.retry_after_sec == 0.0


# --- nothing was sent ------------------------------------------------------------------------


async def test_a_refused_connection_sent_nothing(line_to):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        error = await outcome(line_to(f"http://127.0.0.1:{port}"))
    assert isinstance(error, CarrierNotReached)


async def test_a_name_that_does_not_resolve_sent_nothing(line_to):
    limits = Limits(dial_request_sec=8.0)
    error = await outcome(line_to("https://nonexistent.invalid", limits))
    assert isinstance(error, CarrierNotReached)


async def test_a_connection_that_is_never_made_sent_nothing(line_to):
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        try:
            for filler in fillers:  # A full queue drops what comes next, as a firewall does.
                filler.setblocking(False)
                filler.connect_ex(address)
            error = await outcome(line_to(f"http://127.0.0.1:{address[1]}", SOON))
        finally:
            for filler in fillers:
                filler.close()
    assert isinstance(error, CarrierNotReached)


async def test_a_failed_handshake_sent_nothing(raw_server, line_to):
    server = await raw_server(answer(201, CREATED))
    error = await outcome(line_to(server.url.replace("http:", "https:"), SOON))
    assert isinstance(error, CarrierNotReached)
    assert not server.requests


async def test_a_closed_session_sent_nothing():
    async with aiohttp.ClientSession() as http:
        line = Twilio(ACCOUNT, TOKEN).line(http, SystemClock(), Limits())
    assert isinstance(await outcome(line), CarrierNotReached)
    with pytest.raises(CarrierError):
        await line.hang_up(CALL)


# --- unclear ---------------------------------------------------------------------------------

UNCLEAR = {
    "a refusal that is not the carrier's": answer(400, "<html>Bad Request</html>"),
    "a refusal without a code": refusal(400, None),
    "a refusal with a code that is no number": refusal(400, True),
    "a refusal without a message": refusal(400, 21211, None),
    "a request timeout, be it the carrier's own": refusal(408, 20408),
    "a broken carrier": answer(500, '{"code": 20500, "message": "oops", "status": 500}'),
    "a gateway": answer(502, "<html>"),
    "an unavailable carrier": answer(503, "", Retry_After="3"),
    "success without a body": answer(201, ""),
    "success without an id": answer(201, '{"status": "queued"}'),
    "success with an id of something else": answer(201, json.dumps({"sid": "SM" + "1f" * 16})),
    "success that is a list": answer(201, f'["{CALL}"]'),
    "success that nobody can decode": answer(201, "\x00{"),
    "success that is too long": answer(201, json.dumps({"sid": CALL, "x": "x" * 70_000})),
    "success that is cut": answer(201, CREATED)[:-8],
    "a refusal that is cut": refusal(400, 21211)[:-8],
    "compression that is none": answer(201, CREATED, Content_Encoding="gzip"),
    "half a head": b"HTTP/1.1 201 Cre",
    "not HTTP": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "a status that is no number": b"HTTP/1.1 abc\r\n\r\n",
    "a header without end": b"HTTP/1.1 201 Created\r\nX: " + b"x" * 100_000,
    "a length that is no number": b"HTTP/1.1 201 Created\r\nContent-Length: x\r\n\r\n",
    "chunks that are none": b"HTTP/1.1 201 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "a switch of protocols": b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "a cookie that is none": answer(500, "", Set_Cookie="\x7f=;;=\xff; expires=never"),
    "a close": b"",
}


@pytest.mark.parametrize("name", UNCLEAR)
async def test_no_usable_answer_is_unclear_and_not_asked_again(raw_server, line_to, name):
    server = await raw_server(UNCLEAR[name])
    assert isinstance(await outcome(line_to(server.url)), CarrierUnclear)
    assert len(server.requests) == 1
    assert server.connections == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_unclear_and_not_followed(raw_server, line_to, status):
    elsewhere = await raw_server(answer(201, CREATED))
    server = await raw_server(answer(status, "", Location=elsewhere.url + "/Calls.json"))
    assert isinstance(await outcome(line_to(server.url)), CarrierUnclear)
    assert len(server.requests) == 1
    assert elsewhere.connections == 0


async def test_a_reset_after_the_request_is_unclear(raw_server, line_to):
    server = await raw_server(b"", reset=True)
    assert isinstance(await outcome(line_to(server.url)), CarrierUnclear)
    assert len(server.requests) == 1


async def test_silence_is_unclear_in_bounded_time(raw_server, line_to):
    server = await raw_server(None)
    assert isinstance(await outcome(line_to(server.url, SOON)), CarrierUnclear)
    assert len(server.requests) == 1


async def test_an_answer_that_trickles_is_unclear_in_bounded_time(raw_server, line_to):
    server = await raw_server(answer(201, CREATED), pause_sec=0.05)
    assert isinstance(await outcome(line_to(server.url, SOON)), CarrierUnclear)
    assert len(server.requests) == 1


async def test_a_kept_connection_that_dies_under_the_dial_is_not_dialled_again(raw_server, line_to):
    server = await raw_server(answer(201, CREATED), b"", answer(201, CREATED), keep=True)
    line = line_to(server.url)
    assert await outcome(line) == CALL
    assert server.connections == 1
    server.keep = False
    assert isinstance(await outcome(line), CarrierUnclear)
    # Both arrived over the one kept connection, and nothing came after them.
    assert (len(server.requests), server.connections) == (2, 1)
    assert await outcome(line) == CALL
    assert len(server.requests) == 3


async def test_a_cancelled_dial_is_cancelled(raw_server, line_to):
    server = await raw_server(None)
    line = line_to(server.url)
    dialling = asyncio.create_task(line.dial(DIAL))
    async with asyncio.timeout(30):
        await server.asked.wait()
        dialling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await dialling
    assert len(server.requests) == 1


async def test_simulated_time_waits_for_the_carrier(raw_server, line_to):
    clock = SimulatedClock()
    server = await raw_server(None, answer(201, CREATED))
    line = line_to(server.url, SOON, clock=clock)
    async with asyncio.TaskGroup() as group:
        dialling = group.create_task(outcome(line))
        async with asyncio.timeout(30):
            await server.asked.wait()
        assert clock.holds == 1
    assert isinstance(dialling.result(), CarrierUnclear)
    assert clock.holds == 0
