"""What tests of the local ears and voice share: whether they can run, and what is said."""

from __future__ import annotations

import contextlib
import importlib.util

import aiohttp
import pytest

from patter_core.audio.frames import SILENCE
from patter_core.clock import SystemClock
from patter_core.pipeline.resources import Resources


def _missing(*modules):
    return [module for module in modules if importlib.util.find_spec(module) is None]


needs_voice = pytest.mark.skipif(
    bool(_missing("espeakng_loader", "numpy")),
    reason="the extra `local` is not installed: pip install -e '.[local]'",
)
needs_ears = pytest.mark.skipif(
    bool(_missing("espeakng_loader", "numpy", "pocketsphinx")),
    reason="the extra `local` is not installed, or has no pocketsphinx for this Python",
)

PAUSE = SILENCE * 8_000  # A second.

PHRASES = (
    "Hello.",
    "Hello, this is the garden kitchen, how can I help you?",
    "Four people at eight, please.",
    "What name is it for?",
    "Under the name of Anna.",
    "Good bye.",
    "That works for me.",
    "Tomorrow at seven is fine.",
    "No, thank you.",
    "Yes, please.",
    "Can you call back later?",
    "We are fully booked tonight.",
    "Which day would you like?",
    "The doctor is not in.",
    "Please hold the line.",
    "I did not understand that.",
    "Could you repeat that, please?",
    "That will be forty dollars.",
    "See you on Friday.",
    "Thank you for calling, have a nice day.",
)


def plain(phrase):
    """How the ears write `phrase`."""
    return "".join(letter for letter in phrase.lower() if letter.isalpha() or letter == " ")


@contextlib.asynccontextmanager
async def resources(clock=None):
    """What a phone lends to its conversations."""
    async with aiohttp.ClientSession() as http:
        lent = Resources(http=http, clock=clock or SystemClock())
        try:
            yield lent
        finally:
            await lent.aclose()
