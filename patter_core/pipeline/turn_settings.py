"""How a conversation takes turns: every setting of it, a frozen value."""

from __future__ import annotations

from dataclasses import dataclass, fields

from patter_core.errors import ConfigError

_BACK_CHANNELS = (
    *("uh-huh", "uh huh", "mhm", "mm-hmm", "mmhm", "mm", "hm", "hmm", "aha", "ah", "oh", "okay"),
    *("ok", "right", "all right", "alright", "yes", "yeah", "yep", "sure", "I see", "got it"),
    *("go on", "of course"),
)
_PICK_UPS = (
    *("hello", "hello there", "hi", "hi there", "hey", "hallo", "allo", "pronto", "yes", "yeah"),
    *("yes please", "good morning", "good afternoon", "good evening", "good day", "speaking"),
    *("who is this", "who's this", "who is there", "who's there", "how can I help you"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnSettings:
    """When someone has finished, what interrupts, and what is said into silence.

    Attributes:
        interrupt_after_ms: How long the callee must go on speaking over the agent to interrupt it;
            0 interrupts at the first sound. Words that are understood interrupt at once.
        back_channels: What a listener says to show that they listen. While the agent speaks it
            interrupts nothing and is not answered; case and punctuation do not matter.
        pick_ups: What people say when they pick up; said into the greeting it is treated likewise.
        pick_up_ms: Whoever begins to speak so soon after the greeting began is picking up, not
            answering it: with a short utterance, as a name is, they do not interrupt it either.
        interruptible_greeting: Whether the greeting can be interrupted at all.
        greet_after_ms: How long the callee may be the first to speak before they are greeted; 0
            greets at once. Once they have spoken, they are greeted in any case.
        end_of_turn_ms: How long after an utterance more of it may follow; what does is answered
            together with it. 0 trusts the ears to know when someone has finished.
        text_wait_ms: How long the words of speech that paused may be waited for.
        longest_utterance_sec: How long someone may speak without a word that is understood; after
            that it is taken for noise.
        silence_prompt_sec: How long nobody may speak before the agent asks; 0 never asks.
        silence_prompt: What it asks.
        silence_prompts: How often it asks, without any words in return, before it gives up.
        goodbye: What it says then, before the conversation is over.
        tool_rounds: How often tools may be asked for before the callee speaks again; then the model
            is asked once more, without any.
        apology: What it says when speech or language failed for good; "" says nothing.
    """

    interrupt_after_ms: int = 400
    back_channels: tuple[str, ...] = _BACK_CHANNELS
    pick_ups: tuple[str, ...] = _PICK_UPS
    pick_up_ms: int = 600
    interruptible_greeting: bool = True
    greet_after_ms: int = 0
    end_of_turn_ms: int = 0
    text_wait_ms: int = 3_000
    longest_utterance_sec: float = 60.0
    silence_prompt_sec: float = 10.0
    silence_prompt: str = "Are you there?"
    silence_prompts: int = 2
    goodbye: str = "I cannot hear you, so I am hanging up. Goodbye."
    tool_rounds: int = 10
    apology: str = "I am sorry, I have to call back."

    def __post_init__(self) -> None:
        """Settings that make no sense are an error now.

        Raises:
            ConfigError: Which one, and what is wrong with it.
        """
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, int | float) and not 0 <= value < float("inf"):
                raise ConfigError(f"TurnSettings: {field.name} is 0 or more, not {value!r}")
        for name in ("back_channels", "pick_ups"):
            phrases = getattr(self, name)
            if isinstance(phrases, str):
                raise ConfigError(f"TurnSettings: {name} are a list of phrases, not one text")
            object.__setattr__(self, name, tuple(phrases))
        if self.longest_utterance_sec <= 0:
            raise ConfigError("TurnSettings: longest_utterance_sec is more than 0")
