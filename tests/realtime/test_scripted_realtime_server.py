"""The scripted Realtime service, held to what the official client and its types say."""

from __future__ import annotations

import asyncio
import base64

import openai
import pytest
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter

from patter_core.simulator import ScriptedRealtimeServer, ToolCall
from patter_core.speech import markers
from tests.realtime.realtime_kit import check_client_events, kinds, of_type

SERVER_EVENTS = TypeAdapter(RealtimeServerEvent)
PCMU = {
    "type": "realtime",
    "audio": {
        "input": {
            "format": {"type": "audio/pcmu"},
            "transcription": {"model": "gpt-4o-mini-transcribe"},
        },
        "output": {"format": {"type": "audio/pcmu"}, "voice": "marin"},
    },
}


def client(server):
    return openai.AsyncOpenAI(base_url=server.base_url, api_key="sk-test", max_retries=0)


async def until(connection, kind):
    """Events up to one of this type."""
    events = []
    async with asyncio.timeout(5):
        while True:
            events.append(await connection.recv())
            if events[-1].type == kind:
                return events


async def speak(connection, text):
    audio = markers.encode(text)
    for at in range(0, len(audio), 160):
        frame = base64.b64encode(audio[at : at + 160]).decode()
        await connection.input_audio_buffer.append(audio=frame)


async def test_the_official_client_holds_a_conversation():
    script = ["Hello to you.", [ToolCall("find", {"what": "it"})], "Found it, I think."]
    async with (
        ScriptedRealtimeServer(script) as server,
        client(server) as ai,
        ai.realtime.connect(model="gpt-realtime") as connection,
    ):
        assert (await connection.recv()).type == "session.created"
        await connection.session.update(session=PCMU)
        assert (await connection.recv()).type == "session.updated"
        await speak(connection, "Hello?")
        events = await until(connection, "response.done")
        said = [event for event in events if event.type.endswith("audio_transcript.done")]
        assert said[0].transcript == "Hello to you."
        heard = markers.MarkerDetector().feed(
            b"".join(
                base64.b64decode(event.delta)
                for event in events
                if event.type == "response.output_audio.delta"
            )
        )
        assert heard[-1] == markers.Ended("Hello to you.")
        await speak(connection, "Find it.")
        events = await until(connection, "response.done")
        (call,) = events[-1].response.output
        assert call.name == "find"
        item = {"type": "function_call_output", "call_id": call.call_id, "output": "42"}
        await connection.conversation.item.create(item=item)
        await connection.response.create()
        events = await until(connection, "response.done")
        assert events[-1].response.usage.output_tokens > 0
        for event in server.sent:
            SERVER_EVENTS.validate_python(event)
        check_client_events(server.received)
        assert server.refusals == []


async def test_a_spoken_turn_has_the_order_of_real_traffic():
    async with (
        ScriptedRealtimeServer(["I see, and I hear."]) as server,
        client(server) as ai,
        ai.realtime.connect(model="gpt-realtime") as connection,
    ):
        await connection.session.update(session=PCMU)
        await until(connection, "session.updated")
        await speak(connection, "Look.")
        await until(connection, "rate_limits.updated")
    deltas = ("response.output_audio_transcript.delta", "response.output_audio.delta")
    transcription = "conversation.item.input_audio_transcription"
    assert [kind for kind in kinds(server.sent) if kind not in deltas][2:] == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        f"{transcription}.delta",
        f"{transcription}.completed",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
    ]
    order = kinds(server.sent)
    assert order.index("response.output_audio.delta") < order.index(f"{transcription}.delta")


@pytest.mark.parametrize(
    ("event", "code", "param"),
    [
        ({"type": "session.update"}, "missing_required_parameter", "session"),
        ({"type": "session.update", "session": {}}, "missing_required_parameter", "session.type"),
        (
            {"type": "session.update", "session": {"type": "realtime", "temperature": 1}},
            "unknown_parameter",
            "session.temperature",
        ),
        (
            {
                "type": "session.update",
                "session": {
                    "type": "realtime",
                    "tools": [{"type": "function", "name": "a", "strict": True}],
                },
            },
            "unknown_parameter",
            "session.tools[0].strict",
        ),
        (
            {
                "type": "session.update",
                "session": {"type": "realtime", "audio": {"input": {"format": "g711_ulaw"}}},
            },
            "invalid_type",
            "session.audio.input.format",
        ),
        ({"type": "response.cancel"}, "response_cancel_not_active", None),
        ({"type": "response.create", "goal": "x"}, "unknown_parameter", "goal"),
        ({"type": "input_audio_buffer.append", "audio": "?"}, "invalid_value", "audio"),
        ({"type": "output_audio_buffer.clear"}, "invalid_request", None),
        ({"type": "response.audio.delta"}, "invalid_value", "type"),
        ({}, "missing_required_parameter", "type"),
        (
            {
                "type": "conversation.item.create",
                "item": {"type": "function_call_output", "call_id": "no", "output": "x"},
            },
            "invalid_tool_call_id",
            "item.call_id",
        ),
        (
            {
                "type": "conversation.item.truncate",
                "item_id": "none",
                "content_index": 0,
                "audio_end_ms": 0,
            },
            "item_not_found",
            "item_id",
        ),
    ],
)
async def test_what_the_service_would_refuse_is_refused(event, code, param):
    async with (
        ScriptedRealtimeServer() as server,
        client(server) as ai,
        ai.realtime.connect(model="gpt-realtime") as connection,
    ):
        await until(connection, "session.created")
        await connection.send({**event, "event_id": "mine"})
        (refused,) = await until(connection, "error")
        assert (refused.error.code, refused.error.param) == (code, param)
        assert refused.error.event_id == "mine"
    assert len(server.refusals) == 1


async def test_audio_that_was_not_sent_cannot_be_truncated():
    async with (
        ScriptedRealtimeServer(["Short."]) as server,
        client(server) as ai,
        ai.realtime.connect(model="gpt-realtime") as connection,
    ):
        await connection.session.update(session=PCMU)
        await connection.response.create()
        events = await until(connection, "response.done")
        item_id = events[-1].response.output[0].id
        for end_ms in (161, 160):
            await connection.conversation.item.truncate(
                item_id=item_id, content_index=0, audio_end_ms=end_ms
            )
        await until(connection, "error")
        events = await until(connection, "conversation.item.truncated")
        assert events[-1].audio_end_ms == 160


async def test_there_is_one_response_at_a_time_and_it_can_be_cancelled():
    script = [{"content": "Never finished, whatever comes.", "stops_after": 1}]
    async with (
        ScriptedRealtimeServer(script) as server,
        client(server) as ai,
        ai.realtime.connect(model="gpt-realtime") as connection,
    ):
        await connection.session.update(session=PCMU)
        await connection.response.create()
        await until(connection, "response.output_audio.delta")
        await connection.response.create()
        (*_, refused) = await until(connection, "error")
        assert refused.error.code == "conversation_already_has_active_response"
        await connection.response.cancel()
        (*_, done) = await until(connection, "response.done")
        assert done.response.status == "cancelled"
        assert done.response.status_details.reason == "client_cancelled"
    assert of_type(server.sent, "response.output_item.done")[0]["item"]["status"] == "incomplete"


async def test_a_stranger_is_not_let_in():
    async with ScriptedRealtimeServer() as server:
        ai = openai.AsyncOpenAI(
            base_url=server.base_url, api_key="x", default_headers={"OpenAI-Beta": "realtime=v1"}
        )
        with pytest.raises(Exception, match="400"):
            async with ai.realtime.connect(model="gpt-realtime"):
                pass
        await ai.close()
    assert server.connections == 0


def test_with_will_do_too():
    with ScriptedRealtimeServer() as server:
        assert server.base_url.startswith("http://127.0.0.1:")
    assert ScriptedRealtimeServer().refusals == []
