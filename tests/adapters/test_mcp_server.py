"""The MCP server, driven by the official client, in both generations of the protocol."""

from __future__ import annotations

import asyncio
import json
import os
import sys

import pytest
from mcp import Client, StdioServerParameters
from mcp_types import ElicitResult

from patter import Patter, PatterTool, ScriptedLLM, ScriptedSTT, ScriptedTTS
from patter.mcp import mcp_server
from patter.mcp.server import DEFAULT_WAIT_SEC
from patter.simulator import Callee, PhoneNetwork
from patter.testing import BAD_ARGUMENTS, BOOK, EVERY_STAGE, FOREVER, NOBODY, RESTAURANT, SAID
from patter_core.pipeline.turn_settings import TurnSettings

GENERATIONS = ["legacy", "auto"]


SPEED = 4.0


@pytest.fixture
def speed():
    """How many times real time the network runs; None as fast as it can."""
    return


@pytest.fixture
def network(speed):
    with PhoneNetwork(speed=speed) as network:
        network.add(RESTAURANT, Callee(says=[SAID[0], SAID[2]]))
        network.add(NOBODY, Callee(behave="silent", rings_sec=0.1))
        yield network
        assert network.live_legs == []
        assert network.violations == []


def phone_on(network):
    return Patter(
        carrier=network.twilio(),
        phone_number="+14155550100",
        ledger=":memory:",
        clock=network.clock,
    )


def voice():
    patient = TurnSettings(silence_prompt_sec=0)  # Who says nothing is waited for.
    llm = ScriptedLLM([SAID[1]])
    return {"stt": ScriptedSTT(), "tts": ScriptedTTS(), "llm": llm, "turns": patient}


def server_on(network, **options):
    return mcp_server(phone_on(network), agent=voice(), **options)


@pytest.fixture(params=GENERATIONS)
def mode(request):
    return request.param


def envelope(result):
    assert json.loads(result.content[0].text) == result.structured_content
    assert result.is_error is (result.structured_content["error"] is not None)
    return result.structured_content


async def hung_up(network, since):
    """The one leg goes within a second of `since`, as the network counts."""
    await network.until(lambda: not network.live_legs, what="the hang-up")
    (leg,) = network.dials
    assert leg.ended_at - since <= SPEED


async def test_the_tools_are_described_with_the_schema_that_everybody_gets(network, mode):
    everybodys = PatterTool(phone_on(network), voice())
    async with Client(server_on(network), mode=mode) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert list(tools) == ["make_phone_call", "get_phone_call", "end_phone_call"]
    make = tools["make_phone_call"]
    properties = dict(make.input_schema["properties"])
    assert properties.pop("wait_sec")["type"] == "number"
    assert properties == everybodys.schema()["properties"]
    assert make.input_schema["required"] == ["to"]
    assert (make.annotations.destructive_hint, make.annotations.open_world_hint) == (True, True)
    assert tools["get_phone_call"].annotations.read_only_hint is True
    assert "call_id" in make.output_schema["properties"]


async def test_a_short_call_is_told_whole_with_its_progress(network, mode):
    told = []

    async def progress(_done, _total, message):
        told.append(message)

    async with Client(server_on(network), mode=mode) as client:
        result = envelope(
            await client.call_tool("make_phone_call", BOOK, progress_callback=progress)
        )
    assert result["status"] == "completed"
    assert [turn["text"] for turn in result["transcript"]] == SAID
    assert [message for message in told if message in EVERY_STAGE] == [
        stage for stage in EVERY_STAGE if stage != "turn"
    ]
    assert f"user: {SAID[0]}" in told


@pytest.mark.parametrize(("arguments", "field"), BAD_ARGUMENTS)
async def test_bad_arguments_are_refused_by_name_and_nobody_is_rung(network, arguments, field):
    async with Client(server_on(network)) as client:
        result = envelope(await client.call_tool("make_phone_call", arguments))
    assert (result["status"], result["error_code"]) == ("rejected", "invalid_arguments")
    assert f"'{field}'" in result["error"]
    assert network.dials == []


async def test_name_description_and_schema_take_at_most_1200_characters(network):
    async with Client(server_on(network)) as client:
        tools = (await client.list_tools()).tools
    for tool in tools:
        assert len(tool.name + tool.description + json.dumps(tool.input_schema)) <= 1_200


async def test_an_engine_that_fails_is_told_as_an_error_after_one_dial(network, mode):
    def broken(_messages):
        raise RuntimeError("the model broke")

    server = mcp_server(phone_on(network), agent=voice() | {"llm": ScriptedLLM(broken)})
    async with Client(server, mode=mode) as client:
        result = envelope(await client.call_tool("make_phone_call", BOOK))
    assert (result["status"], result["error_code"]) == ("failed", "provider_failed")
    assert len(network.dials) == 1


async def test_two_calls_at_once_are_two_calls_with_a_result_each(network, mode):
    async with Client(server_on(network), mode=mode) as client:
        asked = [BOOK, BOOK | {"goal": "A table for two."}]
        made = [client.call_tool("make_phone_call", each | {"wait_sec": 30}) for each in asked]
        results = [envelope(each) for each in await asyncio.gather(*made)]
    assert [result["status"] for result in results] == ["completed"] * 2
    assert results[0]["call_id"] != results[1]["call_id"]
    assert len(network.dials) == 2


@pytest.mark.parametrize("seconds", [180, 1_800])
async def test_a_long_call_comes_to_its_end(network, mode, seconds):
    call = {"to": NOBODY, "max_duration_sec": seconds}
    async with Client(server_on(network), mode=mode, read_timeout_seconds=5) as client:
        result = envelope(await client.call_tool("make_phone_call", call))
        while result["status"] == "in_progress":
            call_id = {"call_id": result["call_id"]}
            result = envelope(await client.call_tool("get_phone_call", call_id))
    assert result["status"] == "timeout"
    assert seconds - 5 < result["duration_seconds"] <= seconds + 1
    assert len(network.dials) == 1


@pytest.mark.parametrize("speed", [SPEED])
async def test_a_long_call_is_in_progress_and_can_be_asked_about_and_ended(network, mode):
    async with Client(server_on(network), mode=mode) as client:
        made = envelope(await client.call_tool("make_phone_call", FOREVER | {"wait_sec": 0.2}))
        assert made["status"] == "in_progress"
        asking = {"call_id": made["call_id"], "wait_sec": 0}
        await network.until(lambda: network.dials and network.dials[0].answered, what="an answer")
        asked = envelope(await client.call_tool("get_phone_call", asking))
        assert (asked["status"], asked["call_id"]) == ("in_progress", made["call_id"])
        ended = envelope(await client.call_tool("end_phone_call", {"call_id": made["call_id"]}))
        assert ended["status"] == "canceled"
        later = envelope(await client.call_tool("get_phone_call", asking))
        assert later == ended
    assert len(network.dials) == 1


async def test_a_client_that_gives_up_soon_still_gets_its_result():
    """In real time: the call lasts longer than the impatient client waits for any one answer.

    There it is answered with four seconds to spare, for a busy machine; by default with one.
    """
    assert DEFAULT_WAIT_SEC <= 4
    async with asyncio.TaskGroup() as group:
        group.create_task(_asks_until_it_is_over(5, wait_sec=1))
        group.create_task(_asks_until_it_is_over(60))


async def _asks_until_it_is_over(client_sec, **options):
    with PhoneNetwork(speed=1.0) as network:
        network.add(RESTAURANT, Callee(says=[SAID[0], SAID[2]], rings_sec=3.0))
        server = server_on(network, **options)
        async with Client(server, read_timeout_seconds=client_sec) as client:
            result = envelope(await client.call_tool("make_phone_call", BOOK))
            asked = 0
            while result["status"] == "in_progress":
                asked += 1
                assert asked < 20
                call_id = {"call_id": result["call_id"]}
                result = envelope(await client.call_tool("get_phone_call", call_id))
        assert result["status"] == "completed"
        assert asked >= 1
        assert len(network.dials) == 1


async def test_an_unknown_call_is_named(network):
    async with Client(server_on(network)) as client:
        for name in ("get_phone_call", "end_phone_call"):
            result = envelope(await client.call_tool(name, {"call_id": "nothing"}))
            assert "no call with the id 'nothing'" in result["error"]


@pytest.mark.parametrize("speed", [SPEED])
async def test_a_server_that_stops_leaves_no_call_up(network, mode):
    async with Client(server_on(network), mode=mode) as client:
        await client.call_tool("make_phone_call", FOREVER | {"wait_sec": 0.2})
        await network.until(lambda: network.live_legs, what="the call")
        since = network.clock.now()
    await hung_up(network, since)


@pytest.mark.parametrize("speed", [SPEED])
async def test_cancelling_the_request_hangs_up(network):
    async with Client(server_on(network)) as client:
        request = asyncio.create_task(
            client.call_tool("make_phone_call", FOREVER | {"wait_sec": 200})
        )
        await network.until(lambda: network.dials and network.dials[0].answered, what="an answer")
        since = network.clock.now()
        request.cancel()
        await asyncio.wait([request])
        await hung_up(network, since)


@pytest.mark.parametrize(
    ("answer", "status", "dials"),
    [
        (ElicitResult(action="accept", content={"approve": True}), "completed", 1),
        (ElicitResult(action="accept", content={"approve": False}), "rejected", 0),
        (ElicitResult(action="decline"), "rejected", 0),
        (ElicitResult(action="cancel"), "rejected", 0),
    ],
)
async def test_a_person_at_the_client_decides(network, mode, answer, status, dials):
    questions = []

    async def person(_context, params):
        questions.append(params.message)
        return answer

    server = server_on(network, ask_first=True)
    async with Client(server, mode=mode, elicitation_callback=person) as client:
        result = envelope(await client.call_tool("make_phone_call", BOOK))
        refused = envelope(await client.call_tool("make_phone_call", {"to": "nobody"}))
    assert result["status"] == status
    assert len(network.dials) == dials
    assert questions == [f"Ring {RESTAURANT} now? Goal: {BOOK['goal']}"]
    assert refused["error_code"] == "invalid_arguments"


async def test_a_client_that_cannot_ask_may_ring_without(network, mode):
    async with Client(server_on(network, ask_first=True), mode=mode) as client:
        result = envelope(await client.call_tool("make_phone_call", BOOK))
    assert result["status"] == "completed"


async def test_patter_mcp_speaks_on_stdio():
    environment = {"PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    command = StdioServerParameters(
        command=sys.executable,
        args=["-m", "patter.cli.main", "mcp", "--simulate", "--wait-sec", "30"],
        env=environment,
    )
    async with Client(command) as client:
        call = {"to": RESTAURANT, "goal": "Book a table"}
        result = envelope(await client.call_tool("make_phone_call", call))
    assert result["status"] == "completed"
