"""The tools of a Realtime conversation: asked for, run side by side, answered, spoken over."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest

from patter_core.pipeline.turn_settings import TurnSettings
from patter_core.simulator import ToolCall
from tests.realtime.realtime_kit import Tools, asks, came, conversation, kinds, of_type

LONG = "This is a rather long sentence, which nobody will ever want to hear to its very end."


def outputs(server):
    items = [event["item"] for event in of_type(server.received, "conversation.item.create")]
    return [item["output"] for item in items if item["type"] == "function_call_output"]


def tool_events(server):
    """The client's part of tool turns, in order."""
    short = {"conversation.item.create": "output", "response.create": "ask"}
    return [short[kind] for kind in kinds(server.received) if kind in short]


class Gate:
    """A tool that answers when it is told to."""

    def __init__(self, answer="done"):
        self.answer = answer
        self.open = asyncio.Event()
        self.say = None

    async def __call__(self, _arguments, say):
        self.say = say
        await self.open.wait()
        return self.answer


async def test_one_tool(new_server):
    server = await new_server([ToolCall("weather", {"city": "Oslo"}), "It rains in Oslo."])
    tools = Tools({"weather": lambda _arguments, _say: "rain"})
    async with conversation(server, tools=tools) as line:
        await line.says("What is the weather?")
        await line.until_quiet()
        assert line.said == [("user", "What is the weather?"), ("agent", "It rains in Oslo.")]
        (request,) = tools.asked
        assert (request.name, json.loads(request.arguments)) == ("weather", {"city": "Oslo"})
        assert outputs(server) == ["rain"]
        assert tool_events(server) == ["output", "ask"]
        assert server.refusals == []
        session = of_type(server.received, "session.update")[0]["session"]
        assert [tool["name"] for tool in session["tools"]] == ["weather"]


async def test_three_at_once_get_one_answer(new_server):
    gates = {name: Gate(f"{name} is done") for name in ("a", "b", "c")}
    server = await new_server([[ToolCall(name) for name in gates], "All three are done."])
    tools = Tools(gates)
    async with conversation(server, tools=tools) as line:
        await line.says("Do all.")
        await line.until(lambda: len(tools.asked) == 3)
        for name in ("c", "a"):
            gates[name].open.set()
            await line.frames(3)
        assert tool_events(server) == ["output", "output"]
        gates["b"].open.set()
        await line.until_quiet()
        assert tool_events(server) == ["output", "output", "output", "ask"]
        assert outputs(server) == ["c is done", "a is done", "b is done"]
        assert line.said[-1] == ("agent", "All three are done.")
        assert server.refusals == []


async def test_tool_after_tool(new_server):
    server = await new_server([ToolCall("a"), [ToolCall("b"), ToolCall("a")], "Finished."])
    tools = Tools({"a": lambda _arguments, _say: "A", "b": lambda _arguments, _say: "B"})
    async with conversation(server, tools=tools) as line:
        await line.says("Go.")
        await line.until_quiet()
        assert [request.name for request in tools.asked] == ["a", "b", "a"]
        assert tool_events(server) == ["output", "ask", "output", "output", "ask"]
        assert line.said[-1] == ("agent", "Finished.")


async def test_speech_before_the_tool_is_heard(new_server):
    script = [{"content": "Let me see.", "tool_calls": [ToolCall("a")]}, "There it is."]
    server = await new_server(script)
    async with conversation(server, tools=Tools({"a": lambda _arguments, _say: "A"})) as line:
        await line.says("Look.")
        await line.until_quiet()
        assert line.said[1:] == [("agent", "Let me see."), ("agent", "There it is.")]
        assert [turn.text for turn in line.turns[1:]] == ["Let me see.", "There it is."]


async def test_talk_goes_on_while_a_tool_runs(new_server):
    gate = Gate("found")
    script = [ToolCall("find"), {"content": LONG}, "Yes, still.", "Found it."]
    server = await new_server(script)
    tools = Tools({"find": gate})
    async with conversation(server, tools=tools) as line:
        await line.says("Find it.")
        await line.until(lambda: tools.asked)
        await line.says("Tell me something meanwhile.")
        await line.until(lambda: len(line.played) > 25)
        await line.says("Stop. Still looking?")
        await line.until_quiet()
        assert line.said[-1] == ("agent", "Yes, still.")
        assert any(turn.cut and LONG.startswith(turn.text) for turn in line.turns)
        assert tool_events(server) == []
        assert tools.cancelled == []
        gate.open.set()
        await line.until_quiet()
        assert tool_events(server) == ["output", "ask"]
        assert line.said[-1] == ("agent", "Found it.")
        assert server.refusals == []


async def test_an_answer_during_the_callees_speech_waits_and_is_not_given_twice(new_server):
    gate = Gate("found")
    server = await new_server([ToolCall("find"), "Found it, and hello."])
    tools = Tools({"find": gate})
    async with conversation(server, tools=tools) as line:
        await line.says("Find it.")
        await line.until(lambda: tools.asked)
        line.speak("Hello? Is there anybody?")
        await line.frames(10)
        gate.open.set()
        await line.frames(5)
        assert tool_events(server) == ["output"]
        await line.until_quiet()
        assert tool_events(server) == ["output"], "the answer to the callee knew of it"
        assert line.said[-1] == ("agent", "Found it, and hello.")


async def test_progress_is_heard_during_the_tool_and_never_after(new_server):
    gate = Gate("found")
    server = await new_server([ToolCall("find"), "Found it."])
    tools = Tools({"find": gate})
    async with conversation(server, tools=tools) as line:
        await line.says("Find it.")
        await line.until(lambda: gate.say is not None)
        gate.say("Still looking.")
        await line.until_quiet()
        assert line.heard() == ["Still", "looking."]
        gate.say("Nearly there.")
        gate.say("Any moment now.")
        gate.open.set()
        await line.until_quiet()
        gate.say("Too late.")
        await line.frames(30)
        assert line.heard() == ["Still", "looking.", "Nearly", "there.", "Found", "it."]
        assert server.refusals == []
        (last,) = [ask for ask in asks(server) if "instructions" not in ask["response"]]
        assert asks(server)[-1] == last


async def test_what_an_interrupted_response_asked_for_is_answered_and_not_done(new_server):
    script = [
        {"content": LONG, "stops_after": 40, "tool_calls": [ToolCall("a")]},
        "As you like.",
    ]
    server = await new_server(script)
    tools = Tools({"a": lambda _arguments, _say: "A"})
    async with conversation(server, tools=tools) as line:
        await line.says("Do it.")
        await line.until(lambda: len(line.played) > 25)
        await line.says("Or rather not.")
        await line.until_quiet()
        assert tools.asked == []
        assert json.loads(outputs(server)[0]) == {
            "error": "interrupted",
            "detail": "The other side interrupted, so this was not done.",
            "fallback": True,
        }
        assert tool_events(server) == ["output"]
        assert line.said[-1] == ("agent", "As you like.")
        assert server.refusals == []


async def test_a_request_that_was_cut_short_is_answered_and_not_done(new_server):
    script = [
        {"tool_calls": [ToolCall("a", {"x": 1}), ToolCall("a", {"x": 2})], "incomplete": True},
        "Once more, then.",
    ]
    server = await new_server(script)
    tools = Tools({"a": lambda _arguments, _say: "A"})
    async with conversation(server, tools=tools) as line:
        await line.says("Do it.")
        await line.until_quiet()
        (asked,) = tools.asked
        assert json.loads(asked.arguments) == {"x": 1}
        told = [output for output in outputs(server) if output != "A"]
        assert [json.loads(output)["error"] for output in told] == ["incomplete_request"]
        assert line.said[-1] == ("agent", "Once more, then.")
        assert server.refusals == []


async def test_a_tool_outlives_the_connection_on_which_it_was_asked_for(new_server):
    gate = Gate("found")
    server = await new_server([ToolCall("find"), "Found it."])
    tools = Tools({"find": gate})
    async with conversation(server, tools=tools) as line:
        await line.says("Find it.")
        await line.until(lambda: tools.asked)
        server.hang_up()
        await came(lambda: server.connections == 2 and server.live == 1)
        line.forget_what_was_sent()
        await line.frames(5)
        assert tools.cancelled == []
        gate.open.set()
        await line.until_quiet()
        assert outputs(server) == ["found"]
        assert line.said == [("user", "Find it."), ("agent", "Found it.")]
        assert server.refusals == []


async def test_the_end_of_the_call_ends_tools_and_answers_them(new_server):
    server = await new_server([ToolCall("find")])
    tools = Tools({"find": Gate()})
    async with conversation(server, tools=tools) as line:
        await line.says("Find it.")
        await line.until(lambda: tools.asked)
    assert tools.cancelled == ["find"]
    await came(lambda: outputs(server))
    assert json.loads(outputs(server)[0])["fallback"] is True


@pytest.mark.parametrize("rounds", [10, 3])
async def test_a_model_that_only_ever_asks_for_tools_is_stopped(new_server, rounds):
    def script(view):
        if view["response"].get("tool_choice") == "none":
            return "I give up."
        return ToolCall("a")

    server = await new_server(script)
    tools = Tools({"a": lambda _arguments, _say: "A"})
    turns = TurnSettings(silence_prompt_sec=0, tool_rounds=rounds)
    async with conversation(server, tools=tools, turns=turns) as line:
        await line.says("Go.")
        await line.until(lambda: line.said[-1:] == [("agent", "I give up.")])
        assert len(tools.asked) == rounds
        await line.says("Again.")
        await line.until(lambda: len(tools.asked) == 2 * rounds)


async def test_a_tool_that_nobody_knows_is_answered(new_server):
    server = await new_server([ToolCall("mystery"), "I cannot do that."])
    async with conversation(server) as line:
        await line.says("Go.")
        await line.until_quiet()
        assert json.loads(outputs(server)[0])["fallback"] is True
        assert line.said[-1] == ("agent", "I cannot do that.")


@pytest.mark.parametrize("accepted", [True, False])
async def test_strict_is_sent_and_withdrawn_if_the_service_does_not_know_it(
    new_server, caplog, accepted
):
    server = await new_server([ToolCall("a"), "Done."], accepts_strict=accepted)
    tools = Tools({"a": lambda _arguments, _say: "A"}, strict=True)
    with caplog.at_level(logging.WARNING):
        async with conversation(server, tools=tools, greeting="Hi.") as line:
            await line.until_quiet()
            await line.says("Go.")
            await line.until_quiet()
            assert line.said[-1] == ("agent", "Done.")
    updates = [
        event["session"]["tools"][0].get("strict")
        for event in of_type(server.received, "session.update")
        if "tools" in event["session"]
    ]
    assert updates == ([True] if accepted else [True, None])
    assert [record.message.count("strict") for record in caplog.records] == [1] * (not accepted)
    assert len(server.refusals) == (not accepted)
