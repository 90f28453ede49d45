"""A framework's tools as tools of the in-call agent, one module for each framework.

from patter.in_call.langchain import in_call_tool

phone.agent(tools=[in_call_tool(search)], ...)
"""
