"""The idempotency key of a tool call, from what a framework knows of its place in a run."""

from __future__ import annotations

import hashlib
import json


def derived_key(framework: str, *parts: object) -> str | None:
    """A key of all `parts`, or None when any is missing.

    Half a key would be worse than none: scripted and local models give every first call of a run
    the same id, and a call that somebody wants now would be taken for one that was made long ago.

    Args:
        framework: Keeps the keys of different frameworks apart.
        parts: Texts that together are unique to one tool call, and the same when it is resumed.
    """
    if not all(isinstance(part, str) and part for part in parts):
        return None
    text = json.dumps([framework, *parts])
    return f"{framework}:{hashlib.sha256(text.encode()).hexdigest()}"
