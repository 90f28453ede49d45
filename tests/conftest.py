"""What every test finds, and what is asked of it: that it leaves no thread of ours behind."""

from __future__ import annotations

import asyncio
import gc
import signal
import threading
import time

import pytest

# From now on asyncio makes no loop for whoever asks which one this thread has. pytest-asyncio did
# ask before 1.5, and left it to the collector, where a later test was blamed for it.
asyncio.set_event_loop(None)

# A shell that starts the tests in the background has them ignore Ctrl-C, and whatever they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

OURS = ("patter-", "phone-network", "scripted-")
FOR_GOOD = ("patter-voice-",)
"""The one synthesiser of the process stays."""


@pytest.fixture(autouse=True)
def no_thread_stays():
    """Whatever a test opens is closed with it, or it would run on beside all that follow."""
    before = set(threading.enumerate())
    yield
    added = [thread for thread in threading.enumerate() if thread not in before]
    added = [t for t in added if t.name.startswith(OURS) and not t.name.startswith(FOR_GOOD)]
    for patience_sec in (1, 29):
        give_up_at = time.monotonic() + patience_sec
        for thread in added:
            thread.join(max(0.0, give_up_at - time.monotonic()))
        added = [thread for thread in added if thread.is_alive()]
        if not added:
            return
        gc.collect()  # What has nothing to close goes with the last who refers to it.
    pytest.fail(f"threads were left behind: {[thread.name for thread in added]}")
