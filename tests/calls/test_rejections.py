"""Every wrong argument, in every form: a result that names the field, no dial, no exception."""

from __future__ import annotations

import json
from collections import UserDict
from types import MappingProxyType

import pytest

from tests.calls.kit import CALLEE, Events, bounded

FULL_WIDTH = "".join(chr(ord(digit) + 0xFEE0) for digit in CALLEE[1:])
HUGE = "x" * 10_000_000

WRONG = [
    ("to", {}),
    ("to", {"goal": "x"}),
    ("to", {"to": None}),
    ("to", {"to": ""}),
    ("to", {"to": "   "}),
    ("to", {"to": "4155552671"}),
    ("to", {"to": "+0155552671"}),
    ("to", {"to": "+141555"}),
    ("to", {"to": "+1415555267112345"}),
    ("to", {"to": "+1 415 555 2671"}),
    ("to", {"to": "+1-415-555-2671"}),
    ("to", {"to": CALLEE + "\n"}),
    ("to", {"to": "\n" + CALLEE}),
    ("to", {"to": CALLEE + "\x00"}),
    ("to", {"to": CALLEE + ";ext=1"}),
    ("to", {"to": f"tel:{CALLEE}"}),
    ("to", {"to": "sip:a@example.com"}),
    ("to", {"to": "+" + FULL_WIDTH}),
    ("to", {"to": "+1415555267\u0661"}),
    ("to", {"to": "911"}),
    ("to", {"to": 14155552671}),
    ("to", {"to": [CALLEE]}),
    ("to", {"to": {"number": CALLEE}}),
    ("to", {"to": True}),
    ("to", {"to": "\ud800"}),
    ("to", {"to": CALLEE + "\udc00"}),
    ("to", {"to": HUGE}),
    ("goal", {"to": CALLEE, "goal": "x" * 16_001}),
    ("goal", {"to": CALLEE, "goal": HUGE}),
    ("goal", {"to": CALLEE, "goal": 5}),
    ("goal", {"to": CALLEE, "goal": ["x"]}),
    ("goal", {"to": CALLEE, "goal": {"x": 1}}),
    ("goal", {"to": CALLEE, "goal": False}),
    ("goal", {"to": CALLEE, "goal": "\ud83d"}),
    ("first_message", {"to": CALLEE, "first_message": "x" * 1_001}),
    ("first_message", {"to": CALLEE, "first_message": 5}),
    ("first_message", {"to": CALLEE, "first_message": "a\udfffb"}),
    ("max_duration_sec", {"to": CALLEE, "max_duration_sec": 0}),
    ("max_duration_sec", {"to": CALLEE, "max_duration_sec": -1}),
    ("max_duration_sec", {"to": CALLEE, "max_duration_sec": 1801}),
    ("max_duration_sec", {"to": CALLEE, "max_duration_sec": 10**30}),
    ("max_duration_sec", {"to": CALLEE, "max_duration_sec": 1.5}),
    ("max_duration_sec", {"to": CALLEE, "max_duration_sec": 1e30}),
    ("max_duration_sec", {"to": CALLEE, "max_duration_sec": True}),
    ("max_duration_sec", {"to": CALLEE, "max_duration_sec": False}),
    ("max_duration_sec", {"to": CALLEE, "max_duration_sec": "180"}),
    ("max_duration_sec", {"to": CALLEE, "max_duration_sec": "180s"}),
    ("max_duration_sec", {"to": CALLEE, "max_duration_sec": float("nan")}),
    ("max_duration_sec", {"to": CALLEE, "max_duration_sec": float("inf")}),
    ("max_duration_sec", {"to": CALLEE, "max_duration_sec": [180]}),
    ("phone", {"to": CALLEE, "phone": "x"}),
    ("To", {"To": CALLEE, "to": CALLEE}),
    ("max_duration", {"to": CALLEE, "max_duration": 5}),
    ("system_prompt", {"to": CALLEE, "system_prompt": "You are evil."}),
    ("ring_timeout_sec", {"to": CALLEE, "ring_timeout_sec": 5}),
    ("__class__", {"to": CALLEE, "__class__": "x"}),
    ("voicemail_message", {"to": CALLEE, "voicemail_message": None, "goal": 5, "x": 1}),
]
WRONG = [(field, wrong) for field, wrong in WRONG if field != "voicemail_message"]


def is_refused(result, field):
    assert (result.status, result.error_code) == ("rejected", "invalid_arguments")
    assert f"'{field}'" in result.error, result.error
    assert (result.call_id, result.may_have_dialed, result.retryable) == ("", False, False)
    assert result.transcript == ()
    envelope = result.to_json()
    assert len(envelope.encode()) < 5_000, "what a stranger wrote is not repeated at length"
    json.loads(envelope)


def nothing_was_asked(network, tool):
    assert network.requests == []
    assert tool._phone._opening._open is None, "not even the phone was opened"


@pytest.mark.parametrize(("field", "wrong"), WRONG, ids=range(len(WRONG)))
async def test_a_wrong_argument_is_refused_in_every_form(network, new_tool, field, wrong):
    tool = new_tool()
    is_refused(await bounded(tool.execute(wrong)), field)
    is_refused(await bounded(tool.execute(MappingProxyType(wrong))), field)
    is_refused(await bounded(tool.execute(json.dumps(wrong))), field)
    is_refused(await bounded(tool.execute(json.dumps(wrong).encode())), field)
    is_refused(await bounded(tool.execute(**wrong)), field)
    is_refused(tool.execute_blocking(wrong), field)
    is_refused(tool.execute_blocking(json.dumps(wrong)), field)
    live = await bounded(tool.submit(wrong))
    is_refused(await bounded(live.result()), field)
    nothing_was_asked(network, tool)


NOT_AN_OBJECT = [
    "",
    " ",
    "null",
    "[]",
    '"+14155552671"',
    "{",
    "{'to': '+14155552671'}",
    '{"to": "+14155552671",}',
    "NaN",
    "[" * 100_000,
    '{"a":' * 100_000,
    b"\xff\xfe",
    b"\x00",
    "\ud800",
    "1" * 5_000,
    [],
    [("to", CALLEE)],
    5,
    True,
    object(),
    {CALLEE},
]


@pytest.mark.parametrize("wrong", NOT_AN_OBJECT, ids=range(len(NOT_AN_OBJECT)))
async def test_what_is_no_object_is_refused(network, new_tool, wrong):
    tool = new_tool()
    for result in (await bounded(tool.execute(wrong)), tool.execute_blocking(wrong)):
        assert (result.status, result.error_code) == ("rejected", "invalid_arguments")
        assert result.error
        assert len(result.to_json().encode()) < 5_000
    nothing_was_asked(network, tool)


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("to", f'{{"to": "{CALLEE}", "to": "+14155550000"}}'),
        ("to", f'{{"to": "{CALLEE}", "to": "{CALLEE}"}}'),
        ("goal", f'{{"to": "{CALLEE}", "goal": "a", "goal": "b"}}'),
        ("max_duration_sec", f'{{"to": "{CALLEE}", "max_duration_sec": NaN}}'),
        ("max_duration_sec", f'{{"to": "{CALLEE}", "max_duration_sec": Infinity}}'),
        ("max_duration_sec", f'{{"to": "{CALLEE}", "max_duration_sec": 1e999}}'),
        ("to", f'{{"\\u0074o": "{CALLEE}", "to": "{CALLEE}"}}'),
        ("goal", f'{{"to": "{CALLEE}", "goal": "\\ud83d"}}'),
    ],
)
async def test_json_that_other_readers_would_take_is_refused(network, new_tool, field, text):
    tool = new_tool()
    is_refused(await bounded(tool.execute(text)), field)
    nothing_was_asked(network, tool)


STRANGE_KEYS = ["\ud800", "x" * 100_000, "a\nb", "<script>", "", 5, None, ("a", "b"), 10**5_000]


@pytest.mark.parametrize("key", STRANGE_KEYS, ids=range(len(STRANGE_KEYS)))
async def test_a_strange_key_is_refused_in_a_short_sentence(network, new_tool, key):
    tool = new_tool()
    result = await bounded(tool.execute({"to": CALLEE, key: "x"}))
    assert (result.status, result.error_code) == ("rejected", "invalid_arguments")
    assert len(result.to_json().encode()) < 2_000
    nothing_was_asked(network, tool)


async def test_an_object_and_keywords_together_are_refused(network, new_tool):
    tool = new_tool()
    result = await bounded(tool.execute({"to": CALLEE}, goal="x"))
    is_refused_for_both = (result.status, result.error_code)
    assert is_refused_for_both == ("rejected", "invalid_arguments")
    assert "goal" in result.error
    nothing_was_asked(network, tool)


async def test_a_mapping_that_breaks_when_read_is_refused(network, new_tool):
    class Broken(UserDict):
        def __iter__(self):
            raise RuntimeError("secret-token-123")

    tool = new_tool()
    result = await bounded(tool.execute(Broken({"to": CALLEE})))
    assert result.status in ("rejected", "failed")
    assert "secret" not in result.to_json()
    nothing_was_asked(network, tool)


async def test_a_refused_call_tells_no_hook(network, new_tool):
    events = Events()
    tool = new_tool(on_event=events, approve=lambda request: events(request) or True)
    await bounded(tool.execute(to="911", on_event=events))
    assert events.heard == []


RIGHT = [
    {"to": CALLEE},
    {"to": CALLEE, "goal": None, "first_message": None, "max_duration_sec": None},
    {"to": CALLEE, "goal": "", "first_message": "  ", "max_duration_sec": ""},
    {"to": CALLEE, "max_duration_sec": 180.0},
    {"to": CALLEE, "max_duration_sec": 1800},
    {"to": CALLEE, "goal": "x" * 16_000, "first_message": "y " * 10},
    {"to": CALLEE, "goal": "Ünïcode 🐫 \x00 </goal>"},
]


@pytest.mark.parametrize("right", RIGHT, ids=range(len(RIGHT)))
async def test_what_is_right_is_dialled(network, new_tool, right):
    tool = new_tool()
    result = await bounded(tool.execute(right))
    assert result.status == "completed"
    result = await bounded(tool.execute(json.dumps(right)))
    assert result.status == "completed"
    assert len(network.dials) == 2


@pytest.mark.parametrize("seconds", [0, 4, 601, -1, 10**9])
async def test_a_ring_timeout_out_of_range_is_refused(network, new_phone, seconds):
    from tests.calls.kit import scripted

    phone = new_phone()
    result = await bounded(phone.call(CALLEE, scripted(), ring_timeout_sec=seconds))
    assert (result.status, result.error_code) == ("rejected", "invalid_arguments")
    assert "ring_timeout_sec" in result.error
    assert network.requests == []
