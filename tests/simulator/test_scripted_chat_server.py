from __future__ import annotations

import openai
import pytest

from patter_core.simulator import ScriptedChatServer, ToolCall

TOOL = {
    "type": "function",
    "function": {
        "name": "look_up",
        "parameters": {"type": "object", "properties": {"q": {"type": "string"}}},
    },
}
ASK = [{"role": "user", "content": "Hello?"}]


def client(server: ScriptedChatServer) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(
        base_url=server.base_url, api_key="sk-test", max_retries=0, timeout=30
    )


async def test_the_official_client_reads_streamed_text_and_usage():
    async with ScriptedChatServer(["A table for four, please."]) as server, client(server) as ai:
        stream = await ai.chat.completions.create(
            model="m", messages=ASK, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
        pieces = [c.choices[0].delta.content for c in chunks if c.choices]
        assert len(pieces) > 4
        assert "".join(piece or "" for piece in pieces) == "A table for four, please."
        assert chunks[-1].choices == []
        assert chunks[-1].usage.total_tokens > 0
        assert chunks[-2].choices[0].finish_reason == "stop"
        assert server.requests[0]["messages"] == ASK


async def test_a_streamed_tool_call_comes_in_fragments_that_add_up():
    script = [[ToolCall("look_up", {"q": "opening hours"}), ToolCall("look_up", "{broken")]]
    async with ScriptedChatServer(script) as server, client(server) as ai:
        async with ai.chat.completions.stream(model="m", messages=ASK, tools=[TOOL]) as stream:
            fragments = 0
            async for event in stream:
                fragments += event.type == "tool_calls.function.arguments.delta"
            message = (await stream.get_final_completion()).choices[0].message
        first, second = message.tool_calls
        assert fragments > 3
        assert first.function.arguments == '{"q":"opening hours"}'
        assert second.function.arguments == "{broken"
        assert first.id != second.id


async def test_a_whole_answer_and_the_follow_up_with_a_tool_result():
    script = [ToolCall("look_up", {"q": "x"}), {"content": "Found it."}]
    async with ScriptedChatServer(script) as server, client(server) as ai:
        first = await ai.chat.completions.create(model="m", messages=ASK, tools=[TOOL])
        assert first.choices[0].finish_reason == "tool_calls"
        said = first.choices[0].message.model_dump(exclude_none=True)
        answer = {"role": "tool", "tool_call_id": said["tool_calls"][0]["id"], "content": "42"}
        second = await ai.chat.completions.create(
            model="m", messages=[*ASK, said, answer], tools=[TOOL]
        )
        assert second.choices[0].message.content == "Found it."
        assert second.usage.prompt_tokens > 0
        assert server.refusals == []


def _calls(*ids: str) -> dict:
    calls = [
        {"id": i, "type": "function", "function": {"name": "look_up", "arguments": "{}"}}
        for i in ids
    ]
    return {"role": "assistant", "content": None, "tool_calls": calls}


@pytest.mark.parametrize(
    "wrong",
    [
        {"messages": []},
        {"messages": [{"role": "robot", "content": "x"}]},
        {"messages": [{"role": "user", "content": None}]},
        {"messages": [*ASK, {"role": "assistant", "content": None}]},
        {"messages": [*ASK, {"role": "tool", "tool_call_id": "a", "content": "x"}]},
        {"messages": [*ASK, _calls("a")]},
        {"messages": [*ASK, _calls("a"), {"role": "user", "content": "Well?"}]},
        {
            "messages": [
                *ASK,
                _calls("a", "b"),
                {"role": "tool", "tool_call_id": "a", "content": ""},
            ]
        },
        {"tools": []},
        {"tools": [TOOL, TOOL]},
        {"tools": [{"type": "function", "function": {"name": "two words"}}]},
        {
            "tools": [
                {"type": "function", "function": {"name": "f", "parameters": {"type": "string"}}}
            ]
        },
        {"tools": [{"type": "function", "function": {**TOOL["function"], "strict": True}}]},
        {"tool_choice": "auto"},
        {"stream_options": {"include_usage": True}},
        {"temperature": 3},
        {"extra_body": {"goal": "x"}},
    ],
)
async def test_what_the_service_would_refuse_is_refused(wrong):
    async with ScriptedChatServer(["never said"]) as server, client(server) as ai:
        with pytest.raises(openai.BadRequestError) as refused:
            await ai.chat.completions.create(**{"model": "m", "messages": ASK} | wrong)
        assert refused.value.body["type"] == "invalid_request_error"
        assert len(server.refusals) == 1


async def test_failures_and_an_exhausted_script_are_answered_as_errors():
    async with (
        ScriptedChatServer([{"status": 429, "error": "slow down"}]) as server,
        client(server) as ai,
    ):
        with pytest.raises(openai.RateLimitError, match="slow down"):
            await ai.chat.completions.create(model="m", messages=ASK)
        with pytest.raises(openai.BadRequestError, match="no reply left"):
            await ai.chat.completions.create(model="m", messages=ASK)


def test_a_function_can_be_the_script_and_with_will_do():
    with (
        ScriptedChatServer(lambda asked: f"{len(asked['messages'])} messages") as server,
        openai.OpenAI(base_url=server.base_url, api_key="sk-test", max_retries=0) as ai,
    ):
        answer = ai.chat.completions.create(model="m", messages=ASK)
    assert answer.choices[0].message.content == "1 messages"


async def test_hanging_up_in_the_middle_leaves_the_server_well():
    async with ScriptedChatServer(["word " * 5_000, "Still here."]) as server, client(server) as ai:
        stream = await ai.chat.completions.create(model="m", messages=ASK, stream=True)
        async for _ in stream:
            break
        await stream.close()
        answer = await ai.chat.completions.create(model="m", messages=ASK)
        assert answer.choices[0].message.content == "Still here."
