"""The demo's scene: who says what when an agent books a table at a restaurant."""

from __future__ import annotations

import json
import re
from typing import Any

from patter import LocalSTT, LocalTTS, ScriptedSTT, ScriptedTTS
from patter.simulator import Callee, ToolCall

RESTAURANT_NUMBER = "+14155552671"
OWN_NUMBER = "+14155550100"

REQUEST = (
    f"Please ring Casa Roma, {RESTAURANT_NUMBER}, and book a table for four at eight tonight, "
    "under the name Ada."
)
GOAL = "Book a table for four people at eight tonight, under the name Ada."

ASSISTANT_PROMPT = (
    "You are Ada's assistant. You can make phone calls. Call once, put everything that is needed "
    "into the goal, and then tell Ada in a sentence or two what came of it."
)
VOICE_PROMPT = "You are an assistant who calls on behalf of Ada. Be brief and friendly."

RESTAURANT_SAYS = (
    "Good evening, Casa Roma.",
    "With pleasure. For how many people?",
    "And at what time?",
    "Eight is fine. What name shall I write down?",
    "So that is four people, tonight at eight, for Ada. Is that right?",
    "Wonderful, your table is booked. See you tonight!",
)
VOICE_SAYS = (
    "Good evening! I am an automated assistant, calling for Ada. I would like to book a table.",
    "For four, please.",
    "Tonight at eight, if you still have something.",
    "Ada, please: A, D, A.",
    "Yes, that is right.",
    "Thank you very much. Goodbye!",
)
PARDON = "Sorry, could you say that again?"
_CONFIRMED = "your table is booked"

VOICE_MODEL = "scripted-voice"
ASSISTANT_MODEL = "scripted-assistant"
OPENAI_MODEL = "gpt-4.1-mini"

_RESTAURANT_VOICE = "en-us+f3"
_AGENT_VOICE = "en-us"
_SENTENCE_ENDS = re.compile(r"(?<=[.!?])\s+")
_WORDS = re.compile(r"\w+")


def restaurant(*, audible: bool) -> Callee:
    """Who answers: says what fits what was understood, and hangs up after the goodbye.

    An audible one speaks and listens; its ears know the agent's lines, and nothing else.
    """
    if not audible:
        return Callee(says=_restaurant_reply)
    hears = [sentence for line in (*VOICE_SAYS, PARDON) for sentence in _sentences(line)]
    return Callee(says=_restaurant_reply, voice=_RESTAURANT_VOICE, hears=hears)


def voice(*, audible: bool) -> dict[str, Any]:
    """The ears and the voice of the agent on the phone. Audible ears know what is asked there."""
    if not audible:
        return {"stt": ScriptedSTT(), "tts": ScriptedTTS()}
    expected = LocalSTT(phrases=(*RESTAURANT_SAYS, PARDON))
    return {"stt": expected, "tts": LocalTTS(voice=_AGENT_VOICE)}


def scripted_reply(request: dict[str, Any]) -> str | ToolCall:
    """What the models say: the one on the phone and, without a key, the assistant's."""
    messages: list[dict[str, Any]] = request["messages"]
    if request["model"] == VOICE_MODEL:
        return _voice_reply(messages)
    if messages[-1]["role"] != "tool":
        return ToolCall("make_phone_call", {"to": RESTAURANT_NUMBER, "goal": GOAL})
    return _report(json.loads(messages[-1]["content"]))


def realtime_reply(view: dict[str, Any]) -> str:
    """What the speech model on the phone says: the same as the other one."""
    said: list[str] = view["said"]
    return _answer_to(said[-1]) if said else VOICE_SAYS[0]


def _restaurant_reply(heard: list[str]) -> str | None:
    if not heard:
        return RESTAURANT_SAYS[0]
    everything = _words(" ".join(heard))
    for line, answer in zip(VOICE_SAYS, (*RESTAURANT_SAYS[1:], None), strict=True):
        # The end of what was said is enough: whoever listens asks about what comes last.
        if everything.endswith(_words(_sentences(line)[-1])):
            return answer
    if everything.endswith(_words(PARDON)):
        return RESTAURANT_SAYS[0]
    return PARDON


def _voice_reply(messages: list[dict[str, Any]]) -> str:
    asked = next(m["content"] for m in reversed(messages) if m["role"] == "user")
    said = [message["content"] for message in messages if message["role"] == "assistant"]
    return said[-1] if said and _words(asked) == _words(PARDON) else _answer_to(asked)


def _answer_to(asked: str) -> str:
    for line, answer in zip(RESTAURANT_SAYS, VOICE_SAYS, strict=True):
        if _words(asked) == _words(line):
            return answer
    return PARDON


def _report(result: dict[str, Any]) -> str:
    if any(_CONFIRMED in turn["text"] for turn in result["transcript"]):
        return (
            "Your table is booked: four people tonight at eight at Casa Roma, under the name Ada."
        )
    reason = result["error"] or f"the call ended as {result['status']}."
    return f"I could not book the table: {reason}"


def _sentences(line: str) -> list[str]:
    return _SENTENCE_ENDS.split(line)


def _words(text: str) -> str:
    """`text` as ears write it."""
    return " ".join(_WORDS.findall(text.lower()))
