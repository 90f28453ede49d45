"""What the tests of whole calls share: numbers, agents, people who wait, and what they check."""

from __future__ import annotations

import asyncio
import re
import threading

from patter import ScriptedLLM, ScriptedSTT, ScriptedTTS, Tool, TurnSettings

CALLEE = "+14155552671"
OTHER_CALLEE = "+14155552672"
PHONE = "+14155550100"
ISO_Z = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def scripted(*replies, **parts):
    """An agent's parts: it says `replies`, one after each thing that it hears.

    Without any it has the same to say to everything, so that every callee gets to their end. It
    does not mind silence: simulated minutes of it pass while a test looks elsewhere.
    """
    script = list(replies) or (lambda _messages: "I see.")
    if len(replies) == 1 and callable(replies[0]):
        script = replies[0]
    return {
        "stt": ScriptedSTT(),
        "tts": ScriptedTTS(),
        "llm": ScriptedLLM(script),
        "turns": TurnSettings(silence_prompt_sec=0),
        **parts,
    }


def look_up(handler, **fields):
    """A tool around `handler(arguments, context)`."""
    return Tool(name="look_up", description="Looks it up.", handler=handler, **fields)


async def bounded(awaitable, seconds=30.0):
    """Wait, but not for ever: a call that gives no answer fails its test here.

    It is no measure of how fast anything is: the machine may be busy with something else.
    """
    async with asyncio.timeout(seconds):
        return await awaitable


def said(result):
    """A transcript as pairs of role and text."""
    return [(turn.role, turn.text) for turn in result.transcript]


class Events:
    """An on_event hook that remembers what it heard, and where it ran."""

    def __init__(self):
        self.heard = []
        self.threads = []

    def __call__(self, event):
        self.threads.append(threading.current_thread())
        self.heard.append(event)

    @property
    def types(self):
        return [event.type for event in self.heard]

    def heard_of(self, kind):
        return lambda: kind in self.types


class CountingEars:
    """Ears that count how often somebody opened them."""

    def __init__(self):
        self.opened = 0

    def listen(self, report, resources):
        self.opened += 1
        return ScriptedSTT().listen(report, resources)


class CountingVoice:
    """A voice that counts how often somebody had it speak."""

    def __init__(self):
        self.spoken = 0

    def speak(self, text, resources):
        self.spoken += 1
        return ScriptedTTS().speak(text, resources)


def creates(network):
    """The requests that asked for a call."""
    return [
        request
        for request in network.requests
        if request.method == "POST" and request.path.endswith("/Calls.json")
    ]


def hang_ups(network):
    """The requests that ended a call."""
    return [
        request
        for request in network.requests
        if request.method == "POST" and request.form.get("Status") == ["completed"]
    ]


def most_at_once(legs):
    """How many of these legs, all of them over, were up at the same time."""
    changes = sorted(
        [(leg.created_at, 1) for leg in legs] + [(leg.ended_at, -1) for leg in legs],
        key=lambda change: (change[0], change[1]),
    )
    up = most = 0
    for _, change in changes:
        up += change
        most = max(most, up)
    return most
