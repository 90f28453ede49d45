"""Agents of each kind that follow one script: of the pipeline, with OpenAI's model, Realtime."""

from __future__ import annotations

from patter import OpenAILLM, OpenAIRealtime, ScriptedLLM, ScriptedToolCall, TurnSettings
from patter.simulator import ScriptedChatServer, ScriptedRealtimeServer, ToolCall
from tests.calls.kit import scripted
from tests.realtime.realtime_kit import check_client_events

KINDS = ["scripted", "openai", "realtime"]


class Speaking:
    """Makes agents of one kind, and knows which answers of tools their models were given."""

    def __init__(self, kind, stack):
        self.kind = kind
        self._stack = stack
        self._server = None
        self._asked = []

    async def agent(self, *replies, **parts):
        """The parts of an agent that says `replies`, or asks for tools."""
        if self.kind == "scripted":
            self._script = ScriptedLLM(replies)
            return scripted(llm=self, **parts)
        served = [_served(reply) for reply in replies]
        if self.kind == "openai":
            self._server = await self._stack.enter_async_context(ScriptedChatServer(served))
            model = OpenAILLM("gpt-4.1-mini", base_url=self._server.base_url, api_key="k")
            return scripted(llm=model, **parts)
        self._server = await self._stack.enter_async_context(ScriptedRealtimeServer(served))
        self._stack.callback(lambda: check_client_events(self._server.received))
        engine = OpenAIRealtime(base_url=self._server.base_url, api_key="sk-test")
        return {"engine": engine, "turns": TurnSettings(silence_prompt_sec=0), **parts}

    def reply(self, messages, resources, tools=()):
        """A `LanguageModel` that remembers what it was asked with."""
        self._asked.append(messages)
        return self._script.reply(messages, resources, tools)

    @property
    def answers(self):
        """What tools answered, as the model got it."""
        if self.kind == "realtime":
            items = [event.get("item", {}) for event in self._server.received]
            return [item["output"] for item in items if item.get("type") == "function_call_output"]
        if self.kind == "openai":
            messages = self._server.requests[-1]["messages"]
            return [message["content"] for message in messages if message["role"] == "tool"]
        return [message.text for message in self._asked[-1] if message.role == "tool"]


def _served(reply):
    if isinstance(reply, str):
        return reply
    parts = [reply] if isinstance(reply, ScriptedToolCall) else reply
    calls = [ToolCall(part.name, part.arguments) for part in parts if not isinstance(part, str)]
    text = " ".join(part for part in parts if isinstance(part, str))
    return {"content": text, "tool_calls": calls} if text else calls
