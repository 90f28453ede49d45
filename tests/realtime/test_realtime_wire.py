"""Whatever a service sends: an event as it is typed, or one that cannot be read."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import json
import typing

import pytest

from patter_core.pipeline.realtime import events, wire
from patter_core.pipeline.realtime.socket import refusal
from patter_core.simulator import ToolCall
from tests.realtime.realtime_kit import Tools, conversation

STRANGE = (None, True, -7, 0.5, "", "x", [], ["x"], {}, {"x": 1}, [[[]]])


@pytest.fixture
async def recorded(new_server):
    """What a service sends in a conversation with everything in it."""
    server = await new_server(
        [
            {"content": "One moment.", "tool_calls": [ToolCall("a")]},
            {"error": "server_error"},
            "So.",
        ]
    )
    tools = Tools({"a": lambda _arguments, _say: "A"})
    async with conversation(server, tools=tools, greeting="Hi.") as line:
        await line.until_quiet()
        await line.says("Go.")
        await line.until(lambda: line.said[-1:] == [("agent", "So.")])
    return list({event["type"]: event for event in server.sent}.values())


def spoilt(value, make):
    """`value` with every part of it, one at a time, replaced by what `make` gives."""
    yield make()
    if isinstance(value, dict):
        for key, part in value.items():
            for other in spoilt(part, make):
                yield {**value, key: other}
            yield {name: part for name, part in value.items() if name != key}
    elif isinstance(value, list):
        for at, part in enumerate(value):
            for other in spoilt(part, make):
                yield [*value[:at], other, *value[at + 1 :]]


def assert_as_typed(value, kind):
    """`value` is of the type that its field was given."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        assert isinstance(value, tuple)
        for part in value:
            assert_as_typed(part, arguments[0])
    elif arguments:
        assert isinstance(value, arguments)
    else:
        assert isinstance(value, (kind, int) if kind is float else kind)
        if dataclasses.is_dataclass(kind):
            assert_fields_as_typed(value)


def assert_fields_as_typed(event):
    for name, kind in typing.get_type_hints(type(event)).items():
        assert_as_typed(getattr(event, name), kind)


async def test_a_field_that_holds_anything_at_all_is_read_as_its_type_or_not_at_all(recorded):
    assert {event["type"] for event in recorded} >= set(wire._READERS) - {
        "conversation.item.created",  # The retired name of one that is there.
        "conversation.item.input_audio_transcription.failed",
        "error",
        "response.output_text.delta",
        "response.output_text.done",
    }
    read = 0
    fault = {"type": "error", "error": {"type": "a", "code": "b", "param": "c", "event_id": "d"}}
    for event in [*recorded, fault]:
        for strange in STRANGE:
            for frame in spoilt(event, lambda strange=strange: copy.deepcopy(strange)):
                try:
                    taken = wire.read(json.dumps(frame))
                except wire.UnreadableEvent:
                    continue
                if taken is not None:
                    assert_fields_as_typed(taken)
                    read += 1
    assert read > 1_000


@pytest.mark.parametrize(
    "frame", ["", "null", "[]", "7", '"x"', '{"type":[]}', "{", "[" * 5_000, "\ud800", '{"type":7}']
)
def test_what_is_no_event_cannot_be_read(frame):
    with contextlib.suppress(wire.UnreadableEvent):
        assert wire.read(frame) is None


@pytest.mark.parametrize(
    ("code", "words", "retryable"),
    [
        ("invalid_api_key", "key was refused", False),
        ("account_deactivated", "key was refused", False),
        ("insufficient_quota", "quota is used up", False),
        ("billing_hard_limit_reached", "quota is used up", False),
        ("model_not_found", "no such model", False),
        ("rate_limit_exceeded", "too many requests", True),
        ("something_new", "something_new", False),
    ],
)
def test_an_error_of_the_service_is_said_plainly(code, words, retryable):
    error = refusal(events.Fault(kind="x", code=code, param="session.voice", event_id=""))
    assert words in str(error)
    assert error.retryable is retryable
