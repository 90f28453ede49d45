"""Framework agents as the brain of a call: what `llm=` of an agent may be, one module each.

    from patter.brains.langchain import LangChainLLM

    phone.agent(stt=..., llm=LangChainLLM(create_agent(...)), tts=...)

The agent is given the whole conversation so far for every reply, the system prompt and the goal as
its first message, and the agent's own turns as they were heard: it should keep no memory itself.
"""
