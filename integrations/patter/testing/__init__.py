"""What every adapter is held to, for whoever writes one: a pytest class to subclass.

    class TestMyFramework(AdapterSuite):
        module, package, extra = "patter.my_framework", "my_framework", "my-framework"

        def make_tool(self, phone, **options):
            return phone_call_tool(phone, **options)

        def shown(self, tool):
            return {"name": ..., "description": ..., "parameters": ...}

        async def run(self, tool, *calls):
            ...  # the real framework, its model scripted: one turn with these calls, then ANSWER
            return Run(answer=..., contents=[...])

The tests make real calls on the phone network, and need pytest and no plugin of it. What a
framework does not have (a blocking path, a channel for progress, approvals) is skipped and named.
"""

from __future__ import annotations

from patter.testing.scene import (
    ANSWER,
    BAD_ARGUMENTS,
    BARBER,
    BOOK,
    EVERY_STAGE,
    FOREVER,
    HAIRCUT,
    NOBODY,
    REQUEST,
    RESTAURANT,
    SAID,
    Run,
)
from patter.testing.suite import AdapterSuite
from patter.testing.threads import in_plain_code

__all__ = [
    "ANSWER",
    "BAD_ARGUMENTS",
    "BARBER",
    "BOOK",
    "EVERY_STAGE",
    "FOREVER",
    "HAIRCUT",
    "NOBODY",
    "REQUEST",
    "RESTAURANT",
    "SAID",
    "AdapterSuite",
    "Run",
    "in_plain_code",
]
