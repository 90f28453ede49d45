"""LangChain's and LangGraph's agents, held to what every adapter is held to."""

from __future__ import annotations

import secrets

from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.utils.function_calling import convert_to_openai_tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from patter.langchain import phone_call_tool
from patter.testing import ANSWER, REQUEST, AdapterSuite, Run

ASK = {"messages": [HumanMessage(REQUEST)]}
SAVED = InMemorySaver()


class ScriptedChatModel(GenericFakeChatModel):
    """LangChain's fake model, which agents can give tools to."""

    def bind_tools(self, tools, **_options):
        return self


def calling(*calls):
    asked = [
        {"name": "make_phone_call", "args": args, "id": f"call_{number}", "type": "tool_call"}
        for number, args in enumerate(calls, 1)
    ]
    messages = iter([AIMessage("", tool_calls=asked), AIMessage(ANSWER)])
    return ScriptedChatModel(messages=messages, disable_streaming=True)


def as_run(state, told=None):
    messages = state["messages"]
    contents = [message.content for message in messages if isinstance(message, ToolMessage)]
    return Run(answer=messages[-1].content, contents=contents, told=told)


class TestLangChain(AdapterSuite):
    module, package, extra = "patter.langchain", "langchain_core", "langchain"

    def make_tool(self, phone, **options):
        return phone_call_tool(phone, **options)

    def shown(self, tool):
        return convert_to_openai_tool(tool)["function"]

    async def run(self, tool, *calls):
        agent = create_agent(calling(*calls), tools=[tool])
        told, state = [], {}
        async for mode, data in agent.astream(ASK, stream_mode=["custom", "values"]):
            if mode == "custom":
                told.append(data)
            else:
                state = data
        return as_run(state, told)

    def run_blocking(self, tool, *calls):
        return as_run(create_agent(calling(*calls), tools=[tool]).invoke(ASK))

    def make_asking_tool(self, phone):
        return phone_call_tool(phone)

    def asking_agent(self, tool, model):
        asking = HumanInTheLoopMiddleware(
            interrupt_on={"make_phone_call": {"allowed_decisions": ["approve", "reject"]}}
        )
        return create_agent(model, tools=[tool], middleware=[asking], checkpointer=SAVED)

    async def run_until_asked(self, tool, *calls):
        thread = {"configurable": {"thread_id": secrets.token_hex(4)}}
        waiting = await self.asking_agent(tool, calling(*calls)).ainvoke(ASK, thread)
        (asked,) = waiting["__interrupt__"]
        # The checkpointer has the state, serialised.
        return thread, len(asked.value["action_requests"])

    async def resume(self, tool, saved, *, approve):
        model = ScriptedChatModel(messages=iter([AIMessage(ANSWER)]), disable_streaming=True)
        thread, asked = saved
        decisions = [{"type": "approve" if approve else "reject"}] * asked
        agent = self.asking_agent(tool, model)
        return as_run(await agent.ainvoke(Command(resume={"decisions": decisions}), thread))
