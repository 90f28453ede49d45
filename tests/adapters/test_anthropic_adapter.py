"""The tool runners of Anthropic's SDK, held to what every adapter is held to."""

from __future__ import annotations

import json

from anthropic import Anthropic, AsyncAnthropic

from patter.anthropic import blocking_phone_call_tool, phone_call_tool
from patter.simulator import ScriptedModelServer, ToolCall
from patter.testing import ANSWER, BOOK, REQUEST, AdapterSuite, Run

ASK = {
    "model": "claude-scripted",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": REQUEST}],
}


def calling(*calls):
    return ScriptedModelServer([[ToolCall("make_phone_call", call) for call in calls], ANSWER])


def as_run(message, server, expected):
    assert server.refusals == []
    blocks = server.requests[-1][1]["messages"][-1]["content"]
    contents = [block["content"] for block in blocks]
    assert len(contents) == expected
    for block in blocks:
        failed = json.loads(block["content"])["error"] is not None
        assert block.get("is_error", False) is failed
    return Run(answer=message.content[0].text, contents=contents)


class TestAnthropic(AdapterSuite):
    module, package, extra = "patter.anthropic", "anthropic", "anthropic"
    side_by_side = False

    def make_tool(self, phone, **options):
        return phone_call_tool(phone, **options)

    def shown(self, tool):
        shown = tool.to_dict()
        return shown | {"parameters": shown["input_schema"]}

    async def run(self, tool, *calls):
        async with (
            calling(*calls) as server,
            AsyncAnthropic(base_url=server.url, api_key="none") as client,
        ):
            runner = client.beta.messages.tool_runner(tools=[tool], **ASK)
            return as_run(await runner.until_done(), server, len(calls))

    def run_blocking(self, tool, *calls):
        with calling(*calls) as server, Anthropic(base_url=server.url, api_key="none") as client:
            blocking = blocking_phone_call_tool(tool.phone_tool)
            runner = client.beta.messages.tool_runner(tools=[blocking], **ASK)
            return as_run(runner.until_done(), server, len(calls))

    def test_the_blocking_tool_looks_the_same(self, network):
        with self.phone_tool(network) as everybodys:
            shown = blocking_phone_call_tool(everybodys).to_dict()
            assert shown == phone_call_tool(everybodys).to_dict()
            assert BOOK.keys() <= shown["input_schema"]["properties"].keys()
