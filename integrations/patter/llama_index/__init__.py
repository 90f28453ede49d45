"""`make_phone_call` for LlamaIndex agents and workflows.

    from patter.llama_index import phone_call_tool

    agent = FunctionAgent(llm=llm, tools=[phone_call_tool(phone, agent={...})])

It needs llama-index-core and nothing else of LlamaIndex.
"""

from __future__ import annotations

from patter.extras import needs_extra

with needs_extra("llama_index", "llama_index"):
    from patter.llama_index.approval import PhoneCallApprovalEvent
    from patter.llama_index.tool import PhoneCallEvent, PhoneCallTool, phone_call_tool
    from patter.llama_index.tool_spec import PatterToolSpec

__all__ = [
    "PatterToolSpec",
    "PhoneCallApprovalEvent",
    "PhoneCallEvent",
    "PhoneCallTool",
    "phone_call_tool",
]
