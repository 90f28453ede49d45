"""What is asked about calls, and done to them, after the dial."""

from __future__ import annotations

import asyncio
import json
import socket
from datetime import UTC, datetime

import pytest

from patter_core.clock import SimulatedClock
from patter_core.config import Limits
from patter_core.errors import CarrierError
from patter_core.telephony.carrier import CarrierCall, CarrierCallId
from tests.telephony.raw_http import ACCOUNT, CALL, SOON, TOKEN, answer

DATE = "Wed, 21 Oct 2015 07:28:00 GMT"
CREATED = datetime(2015, 10, 21, 7, 27, 30, tzinfo=UTC)
CALLS = f"/2010-04-01/Accounts/{ACCOUNT}/Calls"


def resource(**changes: object) -> dict[str, object]:
    """A call as Twilio shows it while it is queued."""
    return {
        "sid": CALL,
        "account_sid": ACCOUNT,
        "to": "+14155552671",
        "from": "+14155550100",
        "status": "queued",
        "date_created": "Wed, 21 Oct 2015 07:27:30 +0000",
        "start_time": None,
        "duration": None,
        "price": None,
        "price_unit": "USD",
        "subresource_uris": {"recordings": "/x"},
        **changes,
    }


def shown(**changes: object) -> bytes:
    return answer(200, json.dumps(resource(**changes)))


def listed(*calls: object) -> bytes:
    return answer(200, json.dumps({"calls": calls, "page": 0, "next_page_uri": None}), Date=DATE)


async def bounded(awaitable: object) -> object:
    async with asyncio.timeout(30):
        return await awaitable


# --- fetch -----------------------------------------------------------------------------------


async def test_a_queued_call_has_neither_duration_nor_price(raw_server, line_to):
    server = await raw_server(shown())
    call = await bounded(line_to(server.url).fetch(CALL))
    assert call == CarrierCall(
        id=CarrierCallId(CALL),
        to="+14155552671",
        from_="+14155550100",
        status="queued",
        created_at=CREATED,
    )
    (request,) = server.requests
    assert (request.method, request.target) == ("GET", f"{CALLS}/{CALL}.json")


async def test_a_rated_call_costs_what_was_charged(raw_server, line_to):
    server = await raw_server(shown(status="completed", duration="42", price="-0.01400"))
    call = await bounded(line_to(server.url).fetch(CALL))
    assert (call.status, call.duration_sec, call.price_usd) == ("completed", 42.0, 0.014)


@pytest.mark.parametrize(
    "changes",
    [
        {"price": "", "duration": ""},
        {"price": "NaN", "duration": "Infinity"},
        {"price": True, "duration": []},
        {"price": "-1e999", "duration": {}},
        {"price": "-0.5", "price_unit": "EUR"},
    ],
)
async def test_amounts_that_are_none_are_left_out(raw_server, line_to, changes):
    server = await raw_server(shown(status="completed", date_created="yesterday", **changes))
    call = await bounded(line_to(server.url).fetch(CALL))
    assert (call.duration_sec, call.price_usd, call.created_at) == (None, None, None)


@pytest.mark.parametrize(
    "reply",
    [
        answer(404, '{"code": 20404, "message": "not found", "status": 404}'),
        answer(200, "<html>"),
        answer(200, "[]"),
        shown(status="unheard-of"),
        shown(sid="../../Accounts"),
        shown(to=None),
        answer(301, "", Location="/elsewhere"),
    ],
)
async def test_an_answer_that_tells_nothing_is_an_error(raw_server, line_to, reply):
    server = await raw_server(reply)
    with pytest.raises(CarrierError):
        await bounded(line_to(server.url).fetch(CALL))
    assert len(server.requests) == 1


# --- find ------------------------------------------------------------------------------------


async def test_calls_between_two_numbers_are_asked_for_without_a_start_time(raw_server, line_to):
    server = await raw_server(listed(resource(), resource(sid="CA" + "2e" * 16, status="ringing")))
    listing = await bounded(line_to(server.url).find(to="+14155552671", from_="+14155550100"))
    assert [call.status for call in listing.calls] == ["queued", "ringing"]
    assert listing.carrier_now == datetime(2015, 10, 21, 7, 28, tzinfo=UTC)
    (request,) = server.requests
    assert (request.method, request.path) == ("GET", f"{CALLS}.json")
    assert request.query == {
        "To": ["+14155552671"],
        "From": ["+14155550100"],
        "PageSize": ["20"],
    }


async def test_no_calls_is_an_answer(raw_server, line_to):
    server = await raw_server(listed())
    assert (await bounded(line_to(server.url).find(to="+1", from_="+2"))).calls == ()


async def test_a_carrier_that_shows_no_clock_is_believed_to_have_none(raw_server, line_to):
    server = await raw_server(answer(200, '{"calls": []}'))
    assert (await bounded(line_to(server.url).find(to="+1", from_="+2"))).carrier_now is None


@pytest.mark.parametrize("stranger", [None, {}, "x", resource(sid=None), resource(status="new")])
async def test_one_call_that_cannot_be_read_makes_the_list_unusable(raw_server, line_to, stranger):
    server = await raw_server(listed(resource(), stranger))
    with pytest.raises(CarrierError):
        await bounded(line_to(server.url).find(to="+1", from_="+2"))


async def test_a_list_may_be_longer_than_a_call_but_not_endless(raw_server, line_to):
    server = await raw_server(listed(resource(note="x" * 200_000)))
    assert (await bounded(line_to(server.url).find(to="+1", from_="+2"))).calls
    server = await raw_server(listed(resource(note="x" * 1_100_000)))
    with pytest.raises(CarrierError):
        await bounded(line_to(server.url).find(to="+1", from_="+2"))


# --- hang up ---------------------------------------------------------------------------------


async def test_hanging_up_completes_the_call(raw_server, line_to):
    server = await raw_server(shown(status="completed"))
    await bounded(line_to(server.url).hang_up(CALL))
    (request,) = server.requests
    assert (request.method, request.target) == ("POST", f"{CALLS}/{CALL}.json")
    assert request.form == {"Status": ["completed"]}


@pytest.mark.parametrize(
    "reply",
    [
        answer(404, '{"code": 20404, "message": "not found", "status": 404}'),
        answer(400, '{"code": 21220, "message": "not in-progress", "status": 400}'),
    ],
)
async def test_hanging_up_what_is_over_is_no_error(raw_server, line_to, reply):
    server = await raw_server(reply)
    await bounded(line_to(server.url).hang_up(CALL))
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "reply",
    [
        answer(404, "<html>no such page</html>"),
        answer(401, '{"code": 20003, "message": "Authenticate", "status": 401}'),
        answer(302, "", Location="/elsewhere"),
    ],
)
async def test_a_hang_up_that_was_not_done_is_not_believed(raw_server, line_to, reply):
    server = await raw_server(reply)
    with pytest.raises(CarrierError) as caught:
        await bounded(line_to(server.url).hang_up(CALL))
    assert TOKEN not in str(caught.value)
    assert len(server.requests) == 1


TROUBLE = {
    "busy": answer(429, "", Retry_After="1"),
    "broken": answer(500),
    "a gateway": answer(503, "<html>"),
    "slow": answer(408),
    "a close": b"",
    "a cut body": shown()[:-5],
    "silence": None,
}


@pytest.mark.parametrize("name", TROUBLE)
@pytest.mark.parametrize("ask", ["hang_up", "fetch"])
async def test_passing_trouble_is_outlasted(raw_server, line_to, name, ask):
    server = await raw_server(TROUBLE[name], TROUBLE[name], shown())
    limits = Limits(carrier_request_sec=0.8) if name == "silence" else None
    await bounded(getattr(line_to(server.url, limits), ask)(CALL))
    assert len(server.requests) == 3


@pytest.mark.parametrize("name", TROUBLE)
async def test_lasting_trouble_is_an_error_after_three_attempts(raw_server, line_to, name):
    server = await raw_server(TROUBLE[name])
    with pytest.raises(CarrierError):
        await bounded(line_to(server.url, SOON).hang_up(CALL))
    assert len(server.requests) == 3


async def test_a_carrier_that_is_gone_is_an_error(line_to):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        line = line_to(f"http://127.0.0.1:{unused.getsockname()[1]}")
        for request in (line.hang_up(CALL), line.fetch(CALL), line.find(to="+1", from_="+2")):
            with pytest.raises(CarrierError):
                await bounded(request)


async def test_retries_log_neither_numbers_nor_credentials(raw_server, line_to, caplog):
    server = await raw_server(answer(503), answer(503), listed())
    await bounded(line_to(server.url).find(to="+14155552671", from_="+14155550100"))
    logged = " ".join(str(record.__dict__) for record in caplog.records)
    assert "4155552671" not in logged
    assert TOKEN not in logged


async def test_simulated_time_waits_for_every_attempt(raw_server, line_to):
    clock = SimulatedClock()
    server = await raw_server(answer(503), shown())
    held: list[int] = []
    async with asyncio.TaskGroup() as group:
        hanging_up = group.create_task(line_to(server.url, clock=clock).hang_up(CALL))
        async with asyncio.timeout(30):
            while not hanging_up.done():
                held.append(clock.holds)
                await asyncio.sleep(0)
    assert set(held[1:-1]) == {1}
    assert clock.holds == 0
