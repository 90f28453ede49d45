"""What a session is set to, and what a change of it does."""

from __future__ import annotations

import time
from typing import Any

from patter_core.simulator.realtime.checks import BadEvent

_DEFAULT_DETECTION = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 500,
    "idle_timeout_ms": None,
    "create_response": True,
    "interrupt_response": True,
}


class Settings:
    """One session's settings.

    Attributes:
        session: All of them, as the service shows them.
    """

    def __init__(self, model: str) -> None:
        """Begin with what the service begins with."""
        self.session = _default_session(model)

    @property
    def input_kind(self) -> str:
        """The format of what is heard."""
        kind: str = self.session["audio"]["input"]["format"]["type"]
        return kind

    @property
    def output_kind(self) -> str:
        """The format of what is said."""
        kind: str = self.session["audio"]["output"]["format"]["type"]
        return kind

    @property
    def detection(self) -> dict[str, Any] | None:
        """How turns are noticed; None when they are not."""
        detection: dict[str, Any] | None = self.session["audio"]["input"].get("turn_detection")
        return detection

    @property
    def transcription_model(self) -> str | None:
        """What writes down the callee's words; None leaves that out."""
        transcription: dict[str, Any] | None = self.session["audio"]["input"].get("transcription")
        return None if transcription is None else transcription.get("model", "")

    def change(self, change: dict[str, Any], *, has_spoken: bool) -> None:
        """Take the fields that are given, and no others.

        Raises:
            BadEvent: It is too late for that: the agent `has_spoken`.
        """
        if has_spoken:
            voice = change.get("audio", {}).get("output", {}).get("voice")
            if voice not in (None, self.session["audio"]["output"]["voice"]):
                raise BadEvent(
                    "Cannot update a conversation's voice if assistant audio is present.",
                    "cannot_update_voice",
                    "session.audio.output.voice",
                )
        self.session = _merged(self.session, change)
        detection = self.detection
        if detection is not None and detection.get("type") == "server_vad":
            heard = self.session["audio"]["input"]
            heard["turn_detection"] = {**_DEFAULT_DETECTION, **detection}


def _merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """`old` with the fields of `new`: `audio` and its two sides field by field, others whole."""
    result = {**old, **new}
    if "audio" in new:
        result["audio"] = {
            side: {**old["audio"][side], **new["audio"].get(side, {})} for side in old["audio"]
        }
    return result


def _default_session(model: str) -> dict[str, Any]:
    return {
        "type": "realtime",
        "object": "realtime.session",
        "id": f"sess_{time.monotonic_ns()}",
        "expires_at": int(time.time()) + 3_600,
        "model": model,
        "output_modalities": ["audio"],
        "instructions": "You are helpful.",
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "truncation": "auto",
        "tracing": None,
        "prompt": None,
        "include": None,
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "transcription": None,
                "noise_reduction": None,
                "turn_detection": dict(_DEFAULT_DETECTION),
            },
            "output": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "voice": "marin",
                "speed": 1.0,
            },
        },
    }
