"""`patter demo`: a LangChain agent books a table by phone, on a phone network on this machine."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from contextlib import AsyncExitStack
from importlib import import_module
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from patter import OpenAILLM, Patter, ScriptedSTT, ScriptedTTS
from patter.cli import scene
from patter.cli.screen import Screen
from patter.extras import needs_extra
from patter.simulator import PhoneNetwork, ScriptedChatServer
from patter_core.config import setting
from patter_core.errors import PatterError

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage
    from langchain_core.tools import BaseTool
    from langchain_openai import ChatOpenAI

_READABLE_SPEED = 2.0
_INTRODUCTION = (
    "An agent books a table by phone. Agent, tool and engine are the real ones; the phone "
    "network, the restaurant and the voices are simulated on this machine."
)


class AssistantFailed(PatterError):
    """The agent's own model gave no answer, so there is nothing to show."""


def run_demo(*, as_json: bool, speed: float | None) -> int:
    """Run the demo and return the exit code: 0 when the call was completed.

    Args:
        as_json: Print the result's envelope on standard output and nothing else.
        speed: How many times real time the call runs; None for as fast as one can read, or as
            the machine can compute when nobody reads along.

    Raises:
        MissingExtra: The packages of the `demo` extra are not installed.
        AssistantFailed: The real model cannot be used.
    """
    logging.getLogger("patter_core").setLevel(logging.ERROR)  # The screen is the log here.
    console = Console(quiet=as_json, highlight=False)
    console.print(Text(_INTRODUCTION, style="dim"))
    _load_packages(console)
    _reach_this_machine_directly()
    if speed is None and not as_json:
        speed = _READABLE_SPEED
    results = asyncio.run(_book_a_table(console, speed))
    if not results:
        print("patter: the agent answered without ringing anybody", file=sys.stderr)
        return 1
    if as_json:
        print(json.dumps(results[-1], indent=2))
    return 0 if results[-1]["status"] == "completed" else 1


def _load_packages(console: Console) -> None:
    """Import what the demo alone needs: it takes seconds where the disk is slow."""
    with console.status("loading LangChain", spinner="line"):
        for module in ("langchain_core.messages", "langchain.agents", "langchain_openai"):
            with needs_extra("demo", module.partition(".")[0]):
                import_module(module)


def _reach_this_machine_directly() -> None:
    """A proxy that the environment names is for the world outside; the scripted models are here."""
    for name in ("no_proxy", "NO_PROXY"):
        os.environ[name] = ",".join(filter(None, (os.environ.get(name), "127.0.0.1")))


async def _book_a_table(console: Console, speed: float | None) -> list[dict[str, Any]]:
    """Set the scene, play it on `console`, and return the envelopes of the calls made in it."""
    from patter.langchain import phone_call_tool

    async with AsyncExitStack() as stage:
        network = await stage.enter_async_context(PhoneNetwork(speed=speed))
        network.add(scene.RESTAURANT_NUMBER, scene.restaurant())
        chat = await stage.enter_async_context(ScriptedChatServer(scene.scripted_reply))
        account = network.twilio()
        phone = Patter(
            carrier=account,
            phone_number=scene.OWN_NUMBER,
            ledger=":memory:",
            clock=network.clock,
        )
        await stage.enter_async_context(phone)
        voice = {
            "system_prompt": scene.VOICE_PROMPT,
            "stt": ScriptedSTT(),
            "tts": ScriptedTTS(),
            "llm": OpenAILLM(scene.VOICE_MODEL, base_url=chat.base_url, api_key="none"),
        }
        tool = phone_call_tool(phone, agent=voice)
        screen = stage.enter_context(Screen(console, network.clock, account.usd_per_minute))
        return await _ask(_assistant_model(chat), tool, screen)


def _assistant_model(chat: ScriptedChatServer) -> ChatOpenAI:
    """OpenAI's model where there is a key, else the scripted one: all else is the same."""
    from langchain_openai import ChatOpenAI
    from pydantic import SecretStr

    if setting("OPENAI_API_KEY"):
        return ChatOpenAI(model=scene.OPENAI_MODEL)
    return ChatOpenAI(
        model=scene.ASSISTANT_MODEL, base_url=chat.base_url, api_key=SecretStr("none")
    )


async def _ask(model: ChatOpenAI, tool: BaseTool, screen: Screen) -> list[dict[str, Any]]:
    """Have an agent do what is asked, show it, and return the envelopes of its calls."""
    import langchain.agents
    import openai

    make: Any = langchain.agents  # Its types have parameters that nobody can name.
    agent = make.create_agent(model, tools=[tool], system_prompt=scene.ASSISTANT_PROMPT)
    asked = {"messages": [{"role": "user", "content": scene.REQUEST}]}
    results: list[dict[str, Any]] = []
    screen.said("You", scene.REQUEST)
    try:
        async for mode, data in agent.astream(asked, stream_mode=["custom", "updates"]):
            if mode == "custom":
                screen.told(data)
                continue
            for update in data.values():
                results += _show(update["messages"], screen)
    except openai.OpenAIError as error:
        sentence = f"the agent's model gave no answer ({type(error).__name__})"
        if setting("OPENAI_API_KEY"):
            sentence += "; without OPENAI_API_KEY in the environment the demo needs no service"
        raise AssistantFailed(sentence) from error
    return results


def _show(messages: list[BaseMessage], screen: Screen) -> list[dict[str, Any]]:
    """Show what the agent and its tool said; the envelopes among it."""
    from langchain_core.messages import AIMessage, ToolMessage

    results: list[dict[str, Any]] = []
    for message in messages:
        if isinstance(message, ToolMessage):
            if message.artifact is None:  # Not from our tool: LangChain knows of no such tool.
                continue
            results.append(message.artifact)
            screen.returned(message.artifact)
        elif isinstance(message, AIMessage):
            if message.text:
                screen.said("Agent", message.text)
            for call in message.tool_calls:
                screen.asked_for_tool(call["name"], call["args"])
    return results
