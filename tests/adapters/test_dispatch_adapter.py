"""Agent loops without a framework, on each vendor's API, held to what every adapter is held to."""

from __future__ import annotations

import json

import pytest
from anthropic import Anthropic, AsyncAnthropic
from openai import AsyncOpenAI, OpenAI

from patter import Patter, PatterError, PatterTool, ScriptedLLM, ScriptedSTT, ScriptedTTS
from patter.simulator import Callee, PhoneNetwork, ScriptedChatServer, ScriptedModelServer, ToolCall
from patter.testing import ANSWER, BOOK, REQUEST, AdapterSuite, Run

pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")  # Assistants.


def asked(calls):
    return [[ToolCall("make_phone_call", call) for call in calls], ANSWER]


class _RawLoop(AdapterSuite):
    """No framework: the tool is a `PatterTool`, and the loop the developer's own."""

    module = "patter"
    side_by_side = False

    def make_tool(self, phone, **options):
        assert options == {}
        return phone


class TestChatCompletions(_RawLoop):
    def shown(self, tool):
        return tool.openai_schema()["function"]

    async def run(self, tool, *calls):
        messages = [{"role": "user", "content": REQUEST}]
        async with ScriptedChatServer(asked(calls)) as server:
            async with AsyncOpenAI(base_url=server.base_url, api_key="none") as client:
                while True:
                    completion = await client.chat.completions.create(
                        model="scripted", messages=messages, tools=[tool.openai_schema()]
                    )
                    message = completion.choices[0].message
                    if not message.tool_calls:
                        break
                    messages.append(message)
                    messages += [await tool.dispatch(call) for call in message.tool_calls]
            assert server.refusals == []
        contents = [each["content"] for each in messages[2:]]
        return Run(answer=message.content, contents=contents)

    def run_blocking(self, tool, *calls):
        with ScriptedChatServer(asked(calls)) as server:
            client = OpenAI(base_url=server.base_url, api_key="none")
            messages = [{"role": "user", "content": REQUEST}]
            options = {"model": "scripted", "tools": [tool.openai_schema(strict=True)]}
            with client:
                first = client.chat.completions.create(messages=messages, **options)
                message = first.choices[0].message
                results = [tool.dispatch_blocking(call) for call in message.tool_calls]
                messages += [message, *results]
                last = client.chat.completions.create(messages=messages, **options)
        contents = [result["content"] for result in results]
        return Run(answer=last.choices[0].message.content, contents=contents)


class TestResponses(_RawLoop):
    strict = True

    def shown(self, tool):
        return tool.openai_responses_schema(strict=True)

    async def run(self, tool, *calls):
        items = [{"role": "user", "content": REQUEST}]
        contents = []
        async with ScriptedModelServer(asked(calls)) as server:
            async with AsyncOpenAI(base_url=f"{server.url}/v1", api_key="none") as client:
                while True:
                    response = await client.responses.create(
                        model="scripted", input=items, tools=[self.shown(tool)]
                    )
                    made = [item for item in response.output if item.type == "function_call"]
                    if not made:
                        break
                    items += [item.to_dict() for item in response.output]
                    for call in made:
                        items.append(await tool.dispatch(call))
                        contents.append(items[-1]["output"])
            assert server.refusals == []
        return Run(answer=response.output_text, contents=contents)

    def run_blocking(self, tool, *calls):
        items = [{"role": "user", "content": REQUEST}]
        options = {"model": "scripted", "tools": [self.shown(tool)]}
        with (
            ScriptedModelServer(asked(calls)) as server,
            OpenAI(base_url=f"{server.url}/v1", api_key="none") as client,
        ):
            made = client.responses.create(input=items, **options).output
            results = [tool.dispatch_blocking(call) for call in made]
            items += [*(item.to_dict() for item in made), *results]
            last = client.responses.create(input=items, **options)
        return Run(answer=last.output_text, contents=[result["output"] for result in results])


class TestAssistants(_RawLoop):
    def shown(self, tool):
        return tool.openai_schema()["function"]

    async def run(self, tool, *calls):
        contents = []
        async with ScriptedModelServer(asked(calls)) as server:
            async with AsyncOpenAI(base_url=f"{server.url}/v1", api_key="none") as client:
                assistant = await client.beta.assistants.create(
                    model="scripted", tools=[tool.openai_schema()]
                )
                thread = await client.beta.threads.create()
                runs = client.beta.threads.runs
                run = await runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)
                while run.status == "requires_action":
                    made = run.required_action.submit_tool_outputs.tool_calls
                    outputs = [await tool.dispatch(call) for call in made]
                    contents += [output["output"] for output in outputs]
                    run = await runs.submit_tool_outputs_and_poll(
                        run_id=run.id, thread_id=thread.id, tool_outputs=outputs
                    )
                said = await client.beta.threads.messages.list(thread.id)
            assert server.refusals == []
        return Run(answer=said.data[0].content[0].text.value, contents=contents)

    def run_blocking(self, tool, *calls):
        with (
            ScriptedModelServer(asked(calls)) as server,
            OpenAI(base_url=f"{server.url}/v1", api_key="none") as client,
        ):
            tools = [tool.openai_schema()]
            assistant = client.beta.assistants.create(model="scripted", tools=tools)
            thread = client.beta.threads.create().id
            runs = client.beta.threads.runs
            run = runs.create_and_poll(thread_id=thread, assistant_id=assistant.id)
            made = run.required_action.submit_tool_outputs.tool_calls
            outputs = [tool.dispatch_blocking(call) for call in made]
            runs.submit_tool_outputs_and_poll(run_id=run.id, thread_id=thread, tool_outputs=outputs)
            said = client.beta.threads.messages.list(thread).data[0].content[0].text.value
        return Run(answer=said, contents=[output["output"] for output in outputs])


class TestMessages(_RawLoop):
    def shown(self, tool):
        shown = tool.anthropic_schema()
        return shown | {"parameters": shown["input_schema"]}

    async def run(self, tool, *calls):
        messages = [{"role": "user", "content": REQUEST}]
        contents = []
        async with ScriptedModelServer(asked(calls)) as server:
            async with AsyncAnthropic(base_url=server.url, api_key="none") as client:
                while True:
                    message = await client.messages.create(
                        model="claude-scripted",
                        max_tokens=100,
                        messages=messages,
                        tools=[tool.anthropic_schema()],
                    )
                    if message.stop_reason != "tool_use":
                        break
                    results = [
                        await tool.dispatch(block)
                        for block in message.content
                        if block.type == "tool_use"
                    ]
                    contents += [result["content"] for result in results]
                    messages.append({"role": "assistant", "content": message.content})
                    messages.append({"role": "user", "content": results})
            assert server.refusals == []
        return Run(answer=message.content[0].text, contents=contents)

    def run_blocking(self, tool, *calls):
        messages = [{"role": "user", "content": REQUEST}]
        options = {
            "model": "claude-scripted",
            "max_tokens": 100,
            "tools": [tool.anthropic_schema()],
        }
        with (
            ScriptedModelServer(asked(calls)) as server,
            Anthropic(base_url=server.url, api_key="none") as client,
        ):
            made = client.messages.create(messages=messages, **options).content
            results = [tool.dispatch_blocking(block) for block in made if block.type == "tool_use"]
            messages.append({"role": "assistant", "content": made})
            messages.append({"role": "user", "content": results})
            last = client.messages.create(messages=messages, **options)
        contents = [result["content"] for result in results]
        return Run(answer=last.content[0].text, contents=contents)


FUNCTION = {"name": "make_phone_call", "arguments": json.dumps(BOOK)}
SHAPES = [
    ({"id": "c1", "type": "function", "function": FUNCTION}, None, "tool_call_id", "content"),
    ({"id": "c1", "function": FUNCTION}, "assistants", "tool_call_id", "output"),
    ({"type": "function_call", "call_id": "c1", **FUNCTION}, None, "call_id", "output"),
    (
        {"type": "tool_use", "id": "c1", "name": "make_phone_call", "input": BOOK},
        None,
        "tool_use_id",
        "content",
    ),
]


@pytest.fixture
def network():
    with PhoneNetwork() as network:
        network.add(BOOK["to"], Callee(says=["Hello?", "Gladly. Bye!"]))
        yield network


@pytest.fixture
async def tool(network):
    phone = Patter(
        carrier=network.twilio(),
        phone_number="+14155550100",
        ledger=":memory:",
        clock=network.clock,
    )
    voice = {"stt": ScriptedSTT(), "tts": ScriptedTTS(), "llm": ScriptedLLM(["Four, please."])}
    yield PatterTool(phone, voice)
    await phone.aclose()


@pytest.mark.parametrize(("tool_call", "api", "id_field", "content_field"), SHAPES)
def test_a_mapping_is_answered_in_its_apis_shape(tool, tool_call, api, id_field, content_field):
    message = tool.dispatch_blocking(tool_call, api=api)
    assert message[id_field] == "c1"
    assert json.loads(message[content_field])["status"] == "completed"


async def test_another_tools_call_is_refused_and_nobody_is_rung(network, tool):
    message = await tool.dispatch({"id": "c1", "function": FUNCTION | {"name": "send_email"}})
    assert "no tool 'send_email'" in json.loads(message["content"])["error"]
    assert network.dials == []


@pytest.mark.parametrize("call", [{}, None, {"function": {}}, {"id": 1, "function": FUNCTION}])
async def test_what_is_no_tool_call_is_the_developers_mistake(tool, call):
    with pytest.raises(PatterError, match="no tool call"):
        await tool.dispatch(call)


async def test_an_unknown_api_is_the_developers_mistake(tool):
    with pytest.raises(PatterError, match="one of chat"):
        await tool.dispatch(SHAPES[0][0], api="telegraph")
