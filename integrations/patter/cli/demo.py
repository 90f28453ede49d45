"""`patter demo`: a LangChain agent books a table by phone, on a phone network on this machine."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from patter import Limits, OpenAILLM, OpenAIRealtime, Patter
from patter.cli import keepsakes, loudspeaker, scene
from patter.cli.screen import Screen
from patter.cli.tool_times import ToolTimes
from patter.extras import needs_extra
from patter.simulator import PhoneNetwork, ScriptedChatServer, ScriptedRealtimeServer
from patter_core.config import setting
from patter_core.errors import ConfigError, PatterError
from patter_core.simulator.audible import need_wheels

if TYPE_CHECKING:
    from pathlib import Path

    from langchain_core.messages import BaseMessage
    from langchain_core.tools import BaseTool
    from langchain_openai import ChatOpenAI

_READABLE_SPEED = 2.0
_SPEECH_MODEL_SPEED = 10.0
"""So much slower than the machine could that ten silent seconds are one of a busy machine's."""
_OPEN_SEC = 10.0
_INTRODUCTION = (
    "An agent books a table by phone. Agent, tool and engine are the real ones; the phone "
    "network and the restaurant are simulated on this machine."
)
_AUDIBLE = (
    "Both sides speak with a robot's voice, and understand what they expect to hear, nothing else."
)
_TEXT = "Their words travel as tones that carry text: nothing is spoken, nothing recognised."
_REALTIME = (
    "The agent's voice is one speech model, over OpenAI Realtime's protocol: a scripted one, here. "
)


class AssistantFailed(PatterError):
    """The agent's own model gave no answer, so there is nothing to show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """How the demo is to be.

    Attributes:
        as_json: Print the result's envelope on standard output and nothing else.
        speed: How many times real time the call runs; None for real time (or, as text, as fast as
            one can read); when nobody reads along, as fast as the machine can, or the speech model.
        audible: Both sides speak and listen; else words travel as text.
        play: Play the recording aloud in the end.
        realtime: What speaks on the phone is a speech model, not a pipeline. Not audible: the
            scripted one speaks and hears text.
    """

    as_json: bool = False
    speed: float | None = None
    audible: bool = True
    play: bool = False
    realtime: bool = False


def run_demo(options: DemoOptions) -> int:
    """Run the demo and return the exit code: 0 when the call was completed.

    Raises:
        MissingExtra: The packages of the `demo` extra are not installed.
        AssistantFailed: The real model cannot be used.
    """
    logging.getLogger("patter_core").setLevel(logging.ERROR)  # The screen is the log here.
    console = Console(quiet=options.as_json, highlight=False)
    _load_packages(console)
    _reach_this_machine_directly()
    options = _possible(options)
    console.print(Text(f"{_INTRODUCTION} {_how(options)}", style="dim"))
    folder = keepsakes.writable_folder() if options.audible or not options.as_json else None
    results, tools = asyncio.run(_book_a_table(console, options, folder))
    if not results:
        print("patter: the agent answered without ringing anybody", file=sys.stderr)
        return 1
    if options.as_json:
        print(json.dumps(results[-1], indent=2))
    elif folder is not None:
        _show_keepsakes(console, results, tools, folder)
    if options.play:
        _play(results)
    return 0 if results[-1]["status"] == "completed" else 1


def _how(options: DemoOptions) -> str:
    """How the two sides speak and listen."""
    if options.realtime:
        return _REALTIME + _TEXT
    return _AUDIBLE if options.audible else _TEXT


def _possible(options: DemoOptions) -> DemoOptions:
    """What this machine can do of it; one line says what it cannot."""
    if not options.audible:
        return options
    try:
        need_wheels(scene.restaurant(audible=True))
    except ConfigError as error:
        print(f"patter: nothing can be spoken here, so it goes as text: {error}", file=sys.stderr)
        return replace(options, audible=False)
    return options


def _show_keepsakes(
    console: Console, results: list[dict[str, Any]], tools: ToolTimes, folder: Path
) -> None:
    """Draw the calls, and say where to look and to listen."""
    pictures = keepsakes.draw(results, tools, folder, goal=scene.GOAL)
    left = [("Look:", path) for path in pictures]
    left += [
        ("Listen (the restaurant left, the agent right):", path)
        for path in keepsakes.recordings(results)
    ]
    console.print()
    for what, path in left:
        console.print(Text(what, style="dim"))
        console.print(Text(f"  {keepsakes.shown(path)}"), soft_wrap=True)


def _play(results: list[dict[str, Any]]) -> None:
    recordings = keepsakes.recordings(results)
    if not recordings:
        print("patter: there is no recording to play", file=sys.stderr)
    for path in recordings:
        if (reason := loudspeaker.play(path)) is not None:
            print(f"patter: not played aloud: {reason}", file=sys.stderr)


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


def _speed(options: DemoOptions) -> float | None:
    if options.speed is not None:
        return options.speed
    if options.as_json:
        # Between turns nothing tells the network's time that the speech model has yet to answer.
        return _SPEECH_MODEL_SPEED if options.realtime else None
    return 1.0 if options.audible else _READABLE_SPEED


async def _book_a_table(
    console: Console, options: DemoOptions, folder: Path | None
) -> tuple[list[dict[str, Any]], ToolTimes]:
    """Set the scene, play it on `console`; the envelopes of its calls, and their tools' times."""
    from patter.langchain import phone_call_tool

    async with AsyncExitStack() as stage:
        network = await stage.enter_async_context(PhoneNetwork(speed=_speed(options)))
        network.add(scene.RESTAURANT_NUMBER, scene.restaurant(audible=options.audible))
        chat = await stage.enter_async_context(ScriptedChatServer(scene.scripted_reply))
        voice = await _voice(stage, options, chat)
        account = network.twilio()
        phone = Patter(
            carrier=account,
            phone_number=scene.OWN_NUMBER,
            ledger=":memory:",
            recordings=folder,
            clock=network.clock,
            # A connection takes as long as it takes, however fast the call's own time runs.
            limits=Limits(voice_open_sec=_OPEN_SEC * (_speed(options) or 1.0)),
        )
        await stage.enter_async_context(phone)
        tool = phone_call_tool(phone, agent=voice, recording=options.audible)
        screen = stage.enter_context(Screen(console, network.clock, account.usd_per_minute))
        tools = ToolTimes(network.clock)
        results = await _ask(_assistant_model(chat), tool, screen, tools)
        return results, tools


async def _voice(
    stage: AsyncExitStack, options: DemoOptions, chat: ScriptedChatServer
) -> dict[str, Any]:
    """The parts of the agent on the phone."""
    if options.realtime:
        server = ScriptedRealtimeServer(scene.realtime_reply)
        await stage.enter_async_context(server)
        # Never a real one, whose words nobody here would understand.
        engine = OpenAIRealtime(base_url=server.base_url, api_key="none")
        return {"engine": engine, "system_prompt": scene.VOICE_PROMPT}
    model = OpenAILLM(scene.VOICE_MODEL, base_url=chat.base_url, api_key="none")
    ears_and_voice = scene.voice(audible=options.audible)
    return {**ears_and_voice, "llm": model, "system_prompt": scene.VOICE_PROMPT}


def _assistant_model(chat: ScriptedChatServer) -> ChatOpenAI:
    """OpenAI's model where there is a key, else the scripted one: all else is the same."""
    from langchain_openai import ChatOpenAI
    from pydantic import SecretStr

    if setting("OPENAI_API_KEY"):
        return ChatOpenAI(model=scene.OPENAI_MODEL)
    return ChatOpenAI(
        model=scene.ASSISTANT_MODEL, base_url=chat.base_url, api_key=SecretStr("none")
    )


async def _ask(
    model: ChatOpenAI, tool: BaseTool, screen: Screen, tools: ToolTimes
) -> list[dict[str, Any]]:
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
                tools.told(data)
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
