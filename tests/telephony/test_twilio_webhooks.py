"""Twilio's requests at the door: genuine or not, what they say, what they are answered."""

from __future__ import annotations

import base64
import hmac
import subprocess
import sys
from urllib.parse import parse_qs, urlencode
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, MultiDict
from twilio.request_validator import RequestValidator

from patter_core.telephony.carrier import CallProgress, MachineVerdict, Webhooks
from patter_core.telephony.twilio.account import Twilio
from tests.telephony.raw_http import ACCOUNT, CALL, TOKEN

URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
FORM = {
    "CallSid": ["CA1234567890ABCDE"],
    "Caller": ["+14158675309"],
    "Digits": ["1234"],
    "From": ["+14158675309"],
    "To": ["+18005551212"],
}
SIGNATURE = "RSOYDt4T1cUTdK1PDd93/VVr8B8="


@pytest.fixture
def webhooks() -> Webhooks:
    return Twilio(ACCOUNT, TOKEN).webhooks()


def signed(signature: str) -> dict[str, str]:
    return {"X-Twilio-Signature": signature}


def test_the_documented_example_is_genuine(webhooks):
    assert webhooks.verify(url=URL, headers=signed(SIGNATURE), form=FORM)


@pytest.mark.parametrize(
    ("url", "signature"),
    [
        ("wss://example.com/ws", "HXrgvHt0qTHu33oSxSjpOvWtO60="),
        ("wss://example.com:443/ws", "fLXa42CzfLCkCjOgAXUFU9jBvKc="),
        ("https://example.com/ws", "RMKrDnlKcrzEPTw7B4L41XGq/yY="),
        ("wss://example.com/ws/", "j0Lk7oc4I3dN5+UOMYWX25p8tJA="),
    ],
)
def test_known_signatures_fit_their_own_url_only(webhooks, url, signature):
    urls = ("wss://example.com/ws", "https://example.com/ws", "wss://example.com/ws/")
    fitting = [
        other for other in urls if webhooks.verify(url=other, headers=signed(signature), form={})
    ]
    assert fitting == [url.replace(":443", "")]


@pytest.mark.parametrize("scheme", ["https", "wss", "http", "ws"])
@pytest.mark.parametrize("port", ["", ":443", ":80", ":8443"])
@pytest.mark.parametrize("host", ["example.com", "127.0.0.1", "[::1]"])
def test_a_port_may_be_written_or_not(webhooks, scheme, port, host):
    url = f"{scheme}://{host}{port}/a//b%2F?c=%20&d"
    default = ":443" if scheme in ("https", "wss") else ":80"
    sign = RequestValidator(TOKEN).compute_signature
    for form in {port, ""} if port else {"", default}:
        headers = signed(sign(f"{scheme}://{host}{form}/a//b%2F?c=%20&d", {}))
        assert webhooks.verify(url=url, headers=headers, form={})
    assert not webhooks.verify(
        url=url, headers=signed(sign(f"{scheme}://{host}:9/a//b%2F?c=%20&d", {})), form={}
    )


def test_headers_are_found_in_any_case(webhooks):
    for name in ("x-twilio-signature", "X-TWILIO-SIGNATURE"):
        assert webhooks.verify(url=URL, headers={name: SIGNATURE}, form=FORM)
    assert webhooks.verify(url=URL, headers=CIMultiDict(signed(SIGNATURE)), form=FORM)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        signed(""),
        signed("RSOYDt4T1cUTdK1PDd93/VVr8B9="),
        signed(SIGNATURE + "="),
        signed(SIGNATURE.lower()),
        signed("é" * 28),
        signed("\udcff" * 28),
        {"X-Other": SIGNATURE},
        CIMultiDict([("X-Twilio-Signature", SIGNATURE), ("X-Twilio-Signature", SIGNATURE)]),
    ],
)
def test_a_strangers_request_is_not_genuine(webhooks, headers):
    assert webhooks.verify(url=URL, headers=headers, form=FORM) is False


@pytest.mark.parametrize(
    "form",
    [
        {},
        {**FORM, "Digits": ["12345"]},
        {**FORM, "Extra": ["x"]},
        {**FORM, "Extra": ["\udcff"]},
        {name: values for name, values in FORM.items() if name != "Digits"},
    ],
)
def test_a_changed_form_is_not_genuine(webhooks, form):
    assert not webhooks.verify(url=URL, headers=signed(SIGNATURE), form=form)


def test_an_unreadable_url_is_not_genuine(webhooks):
    for url in ("https://example.com:port/", "https://[::1", "", "\udcff"):
        assert not webhooks.verify(url=url, headers=signed(SIGNATURE), form={})


def test_another_accounts_signature_is_not_genuine():
    other = Twilio(ACCOUNT, "54321").webhooks()
    assert not other.verify(url=URL, headers=signed(SIGNATURE), form=FORM)


@pytest.mark.parametrize(
    ("settings", "genuine"),
    [
        ("", True),
        ("key=abc", True),
        ("key=abc,algorithm=HMAC_SHA1", True),
        ("key=abc,algorithm=HMAC_SHA256", False),
        ("algorithm=hmac_sha256", False),
        ("algorithm=HMAC_SHA1,algorithm=HMAC_SHA512", False),
    ],
)
def test_a_signature_by_a_shared_key_is_not_accepted(webhooks, settings, genuine):
    headers = {**signed(SIGNATURE), "X-Twilio-Webhooks-Signature-Settings": settings}
    assert webhooks.verify(url=URL, headers=headers, form=FORM) is genuine
    text = URL + "".join(name + values[0] for name, values in sorted(FORM.items()))
    by_shared_key = hmac.digest(TOKEN.encode(), text.encode(), "sha256")
    headers["X-Twilio-Signature"] = base64.b64encode(by_shared_key).decode()
    assert not webhooks.verify(url=URL, headers=headers, form=FORM)


words = st.text(max_size=8)


@given(pairs=st.lists(st.tuples(words, words), max_size=8))
def test_any_form_that_twilio_signs_is_genuine(pairs):
    # Text that no form can carry cannot be signed either.
    body = urlencode([(k, v) for k, v in pairs if (k + v).isprintable()])
    form = parse_qs(body, keep_blank_values=True)
    official = MultiDict([(name, value) for name, values in form.items() for value in values])
    signature = RequestValidator(TOKEN).compute_signature(URL, official)
    assert Twilio(ACCOUNT, TOKEN).webhooks().verify(url=URL, headers=signed(signature), form=form)


# --- what they say ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "status",
    [
        "queued",
        "initiated",
        "ringing",
        "in-progress",
        "completed",
        "busy",
        "no-answer",
        "failed",
        "canceled",
    ],
)
def test_progress_is_read(webhooks, status):
    form = {"CallSid": [CALL], "CallStatus": [status], "SequenceNumber": ["2"]}
    assert webhooks.read_progress(form) == CallProgress(call=CALL, status=status, sequence=2)


def test_the_last_progress_tells_how_long_was_talked(webhooks):
    form = {"CallSid": [CALL], "CallStatus": ["completed"], "CallDuration": ["42"]}
    assert webhooks.read_progress(form).duration_sec == 42.0


@pytest.mark.parametrize("text", ["", "-1", "1.5", "nan", "٣", "9" * 5000, " 1"])
def test_numbers_that_are_none_are_left_out(webhooks, text):
    form = {"CallSid": [CALL], "CallStatus": ["completed"]}
    form |= {"SequenceNumber": [text], "CallDuration": [text]}
    assert webhooks.read_progress(form) == CallProgress(call=CALL, status="completed")


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"CallSid": [CALL]},
        {"CallStatus": ["ringing"]},
        {"CallSid": [""], "CallStatus": ["ringing"]},
        {"CallSid": [], "CallStatus": ["ringing"]},
        {"CallSid": [CALL], "CallStatus": ["unheard-of"]},
        {"CallSid": [CALL], "CallStatus": [""]},
    ],
)
def test_progress_that_we_do_not_know_is_none(webhooks, form):
    assert webhooks.read_progress(form) is None


@pytest.mark.parametrize(
    ("answered_by", "verdict"),
    [
        ("human", "human"),
        ("machine_start", "machine"),
        ("machine_end_beep", "machine"),
        ("machine_end_silence", "machine"),
        ("machine_end_other", "machine"),
        ("fax", "fax"),
        ("unknown", "unknown"),
        ("unheard-of", "unknown"),
    ],
)
def test_who_answered_is_read(webhooks, answered_by, verdict):
    form = {"CallSid": [CALL], "AnsweredBy": [answered_by]}
    assert webhooks.read_machine(form) == MachineVerdict(call=CALL, answered_by=verdict)


@pytest.mark.parametrize("form", [{}, {"CallSid": [CALL]}, {"AnsweredBy": ["human"]}])
def test_without_a_verdict_nobody_is_known_to_have_answered(webhooks, form):
    assert webhooks.read_machine(form) is None


def test_the_call_of_a_request_is_read(webhooks):
    assert webhooks.read_call_id({"CallSid": [CALL]}) == CALL
    assert webhooks.read_call_id({"CallSid": [""]}) is None
    assert webhooks.read_call_id({}) is None


# --- what they are answered ------------------------------------------------------------------


def test_an_answered_call_is_connected_and_then_hung_up(webhooks):
    text = webhooks.connect_answer(
        media_url="wss://calls.example.com/twilio/media", callref='call_1.<&">'
    )
    assert text.startswith("<?xml")
    root = ET.fromstring(text)  # noqa: S314 (our own text)
    assert [child.tag for child in root] == ["Connect", "Hangup"]
    assert [element.tag for element in root.iter()] == [
        "Response",
        "Connect",
        "Stream",
        "Parameter",
        "Hangup",
    ]
    stream, parameter = root.find("Connect/Stream"), root.find("Connect/Stream/Parameter")
    assert stream.attrib == {"url": "wss://calls.example.com/twilio/media"}
    assert parameter.attrib == {"name": "callref", "value": 'call_1.<&">'}


def test_an_unknown_call_is_hung_up(webhooks):
    root = ET.fromstring(webhooks.hang_up_answer())  # noqa: S314 (our own text)
    assert [element.tag for element in root.iter()] == ["Response", "Hangup"]
    assert webhooks.answer_content_type == "text/xml"


def test_webhooks_do_not_load_the_vendors_rest_client():
    code = (
        "import sys; import patter_core.telephony.twilio.webhooks;"
        "print(*{'twilio.rest', 'requests', 'aiohttp'} & set(sys.modules))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=True
    )
    assert run.stdout.split() == []
