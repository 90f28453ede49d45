"""What is asked of every test: that it leaves no thread of ours behind."""

from __future__ import annotations

import threading
import time

import pytest

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
    give_up_at = time.monotonic() + 30
    for thread in added:
        thread.join(max(0.0, give_up_at - time.monotonic()))
    assert [thread.name for thread in added if thread.is_alive()] == []
