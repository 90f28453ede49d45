"""`make_phone_call` for LangChain and LangGraph agents.

    from patter.langchain import phone_call_tool

    agent = create_agent(model, tools=[phone_call_tool(phone, agent={...})])

It needs langchain-core and nothing else of LangChain.
"""

from __future__ import annotations

from patter.extras import needs_extra

with needs_extra("langchain", "langchain_core"):
    from patter.langchain.tool import EVENT_NAME, PhoneCallTool, phone_call_tool

__all__ = ["EVENT_NAME", "PhoneCallTool", "phone_call_tool"]
