"""The phone that a command uses: the environment's, or one on a phone network of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse
    from contextlib import ExitStack

    from patter_core.phone import Patter

CALLEE = "+14155552671"
"""Whom a simulated phone can ring."""

FROM_ENVIRONMENT = (
    "The phone comes from the environment: TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN, "
    "PATTER_PHONE_NUMBER, PATTER_WEBHOOK_URL; its voice is OpenAI Realtime, with OPENAI_API_KEY."
)


def add_simulate(command: argparse.ArgumentParser) -> None:
    """Let `command` do without a carrier."""
    command.add_argument(
        "--simulate",
        action="store_true",
        help=f"ring a simulated restaurant, {CALLEE}, on a phone network on this machine",
    )


def phone_and_agent(
    stack: ExitStack, *, simulate: bool, speed: float | None = 1.0
) -> tuple[Patter, dict[str, Any]]:
    """A phone and the parts of who speaks on it; `stack` closes the network of a simulated one.

    Raises:
        ConfigError: The environment does not describe a phone; it says what to do.
    """
    from patter_core.phone import Patter

    if not simulate:
        return Patter(), {}
    from patter.simulator import Callee, PhoneNetwork
    from patter_core.pipeline.providers.scripted import ScriptedLLM, ScriptedSTT, ScriptedTTS

    network = stack.enter_context(PhoneNetwork(speed=speed))
    says = ["Good evening, Trattoria Roma.", "With pleasure. See you then!"]
    network.add(CALLEE, Callee(says=says))
    phone = Patter(
        carrier=network.twilio(),
        phone_number="+14155550100",
        ledger=":memory:",
        clock=network.clock,
    )
    agent: dict[str, Any] = {
        "stt": ScriptedSTT(),
        "llm": ScriptedLLM(["Good evening! A table for four at eight, please."]),
        "tts": ScriptedTTS(),
    }
    return phone, agent
