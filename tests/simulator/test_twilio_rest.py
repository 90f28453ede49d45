"""The REST interface, judged by the official client."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from patter_core.simulator import Callee, PhoneNetwork
from patter_core.simulator.twilio.signature import signature

TO, FROM = "+14155552671", "+14155550100"
HANG_UP = "<Response><Pause length='3'/><Hangup/></Response>"
WAIT = "<Response><Pause length='600'/></Response>"
WALL = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)


@pytest.fixture
def network():
    with PhoneNetwork(wall=WALL) as network:
        network.add(TO, Callee(behave="silent"))
        yield network


@pytest.fixture
def client(network):
    client = Client(network.account_sid, network.auth_token)
    client.api.base_url = network.api_base_url
    yield client
    client.http_client.session.close()


def test_a_call_is_created_fetched_and_priced_after_its_end(network, client):
    created = client.calls.create(to=TO, from_=FROM, twiml=HANG_UP, timeout=20, time_limit=60)
    assert created.status == "queued"
    assert created.date_created == WALL
    assert created.price is None
    network.wait_until(lambda: not network.live_legs)
    with network.clock.hold():
        ended = client.calls(created.sid).fetch()
    assert (ended.status, ended.duration, ended.price) == ("completed", "3", None)
    assert ended.start_time < ended.end_time
    assert network.dials[0].ended_by == "instructions"
    assert network.dials[0].time_limit_sec == 60
    assert network.violations == []


async def test_the_price_comes_some_time_after_the_end():
    async with PhoneNetwork(wall=WALL) as network:
        network.add(TO, Callee(behave="silent"))
        form = urlencode({"To": TO, "From": FROM, "Twiml": HANG_UP}).encode()
        url = f"{network.api_base_url}/2010-04-01/Accounts/{network.account_sid}/Calls.json"
        ask(network, url, form)
        await network.until(lambda: not network.live_legs)
        await network.clock.sleep(60)
        answered = ask(network, url.replace(".json", f"/{network.dials[0].sid}.json"))
        assert b'"price":"-0.01400"' in answered.read()
        assert parsedate_to_datetime(answered.headers["Date"]) > WALL + timedelta(seconds=60)


def ask(network, url, form=None):
    pair = f"{network.account_sid}:{network.auth_token}".encode()
    headers = {"Authorization": "Basic " + base64.b64encode(pair).decode()}
    return urlopen(Request(url, data=form, headers=headers), timeout=30)  # noqa: S310


def test_calls_are_listed_newest_first_by_numbers_and_in_pages(network, client):
    sids = [client.calls.create(to=TO, from_=FROM, twiml=HANG_UP).sid for _ in range(3)]
    client.calls.create(to="+14155550000", from_=FROM, twiml=HANG_UP)
    listed = client.calls.list(to=TO, from_=FROM, page_size=2)
    assert [call.sid for call in listed] == sids[::-1]
    assert len(client.calls.list()) == 4
    assert client.calls.list(to=FROM) == []


@pytest.fixture
def slow_network():
    """One where nothing runs away while the client is thinking."""
    with PhoneNetwork(speed=50) as network:
        network.add(TO, Callee(behave="silent", rings_sec=1))
        yield network


@pytest.fixture
def slow_client(slow_network):
    client = Client(slow_network.account_sid, slow_network.auth_token)
    client.api.base_url = slow_network.api_base_url
    yield client
    client.http_client.session.close()


def test_hanging_up_and_deleting(slow_network, slow_client):
    network, calls = slow_network, slow_client.calls
    call = calls.create(to=TO, from_=FROM, twiml=WAIT)
    network.wait_until(lambda: network.dials[0].answered)
    with pytest.raises(TwilioRestException) as refused:
        calls(call.sid).update(status="canceled")
    assert refused.value.code == 21220
    assert calls(call.sid).update(status="completed").status == "completed"
    with pytest.raises(TwilioRestException) as refused:
        calls(call.sid).update(status="completed")
    assert (refused.value.status, refused.value.code) == (400, 21220)
    assert network.dials[0].ended_by == "caller"
    assert calls(call.sid).delete()
    with pytest.raises(TwilioRestException) as refused:
        calls(call.sid).fetch()
    assert (refused.value.status, refused.value.code) == (404, 20404)
    assert network.violations == []


def test_a_call_that_rings_can_be_cancelled(slow_network, slow_client):
    slow_network.add(TO, Callee(rings_sec=50))
    call = slow_client.calls.create(to=TO, from_=FROM, twiml=WAIT)
    slow_network.wait_until(lambda: slow_network.dials[0].status == "ringing")
    assert slow_client.calls(call.sid).update(status="canceled").status == "canceled"
    assert not slow_network.dials[0].answered


def test_a_redirect_replaces_what_the_call_does_and_a_time_limit_ends_it(slow_network, slow_client):
    call = slow_client.calls.create(to=TO, from_=FROM, twiml=WAIT)
    slow_network.wait_until(lambda: slow_network.dials[0].answered)
    dial = f"<Response><Dial>{TO}</Dial><Pause length='600'/></Response>"
    slow_client.calls(call.sid).update(twiml=dial, time_limit=15)
    slow_network.wait_until(lambda: not slow_network.live_legs)
    [leg] = slow_network.dials
    assert leg.transferred_to == [TO]
    assert (leg.ended_by, leg.duration_sec) == ("time_limit", 15)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"to": ""}, 21201),
        ({"to": "4155552671"}, 21211),
        ({"from_": "me"}, 21212),
        ({"twiml": None}, 21205),
        ({"url": "https://example.com/a"}, 21205),
        ({"twiml": None, "url": "example.com"}, 21205),
        ({"status_callback": "https://under_score.example.com/"}, 21609),
        ({"timeout": 601}, 20001),
        ({"time_limit": 0}, 20001),
        ({"machine_detection": "Maybe"}, 20001),
        ({"machine_detection": "Enable", "async_amd": "yes"}, 20001),
        ({"machine_detection": "Enable", "async_amd_status_callback": "https://a.com"}, 20001),
        ({"status_callback_event": ["initiated completed"]}, 20001),
    ],
)
def test_what_twilio_would_refuse_is_refused_with_its_code(network, client, wrong, code):
    form = {"to": TO, "from_": FROM, "twiml": HANG_UP} | wrong
    with pytest.raises(TwilioRestException) as refused:
        client.calls.create(**{name: value for name, value in form.items() if value is not None})
    assert (refused.value.status, refused.value.code) == (400, code)
    assert network.dials == []


def test_an_unknown_parameter_is_refused_and_noted(network):
    form = urlencode({"To": TO, "From": FROM, "Twiml": HANG_UP, "Priority": "1"}).encode()
    url = f"{network.api_base_url}/2010-04-01/Accounts/{network.account_sid}/Calls.json"
    with pytest.raises(OSError, match="400"):
        ask(network, url, form)
    assert network.violations == ["POST was refused: Unknown parameter Priority"]
    assert network.requests[0].form["Priority"] == ["1"]
    assert network.requests[0].status == 400


def test_a_wrong_token_is_refused(network):
    client = Client(network.account_sid, "wrong")
    client.api.base_url = network.api_base_url
    with pytest.raises(TwilioRestException) as refused:
        client.calls("CA" + "0" * 32).fetch()
    assert (refused.value.status, refused.value.code) == (401, 20003)
    client.http_client.session.close()


def test_a_number_that_nobody_has_fails(network, client):
    client.calls.create(to="+14155559999", from_=FROM, twiml=HANG_UP)
    network.wait_until(lambda: not network.live_legs)
    assert network.dials[0].status == "failed"
    assert not network.dials[0].answered


def test_our_signature_is_the_one_that_the_official_validator_computes():
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    form = {
        "CallSid": "CA1234567890ABCDE",
        "Caller": "+14158675309",
        "Digits": "1234",
        "From": "+14158675309",
        "To": "+18005551212",
    }
    assert signature(url, form, "12345") == "RSOYDt4T1cUTdK1PDd93/VVr8B8="
    assert RequestValidator("12345").validate(url, form, signature(url, form, "12345"))
    assert signature("wss://example.com/ws", {}, "12345") == "HXrgvHt0qTHu33oSxSjpOvWtO60="
