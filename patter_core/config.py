"""What is set from outside: the environment, and every timeout and bound of the engine."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from patter_core.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Every timeout and bound of the engine. Times are seconds on the phone's clock."""

    queue_timeout_sec: float = 300.0
    """How long a call may wait for a free line."""
    queue_length: int = 1_000
    """How many calls may wait for a free line; one more is refused at once."""
    approve_timeout_sec: float = 120.0
    """How long an approval may take before it counts as no."""

    voice_open_sec: float = 10.0
    """How long ears, model and voice may take to get ready, before anybody is rung."""

    dial_request_sec: float = 15.0
    """How long the carrier may take to answer the one request that dials."""
    carrier_request_sec: float = 3.0
    """How long any other request to the carrier may take; hang-ups are tried three times, within
    `ending_sec`."""
    look_up_sec: float = 60.0
    """How long an unclear dial is looked for at the carrier."""
    look_up_every_sec: float = 2.0
    carrier_busy_wait_sec: float = 10.0
    """How long a carrier that is too busy may ask us to wait before the one other attempt."""
    inbound_sec: float = 1_800.0
    """How long a call that somebody makes to us may last."""
    carrier_margin_sec: float = 15.0
    """What the carrier's own time limit grants beyond ours."""

    media_wait_sec: float = 15.0
    """How long an answered call may stay without audio."""
    media_start_sec: float = 10.0
    """How long a media socket may take to say which call it belongs to."""
    media_lost_sec: float = 2.0
    """How long a call whose audio stopped may wait for the carrier's word on why."""

    transferred_sec: float = 3_600.0
    """How long a call that was handed over may last, by the carrier's own limit."""
    ending_sec: float = 10.0
    """How long the one ending of a call may take, hang-up included."""
    recovery_sec: float = 20.0
    """How long an opening phone takes to settle what dead owners left."""
    hooks_sec: float = 2.0
    """How long a finished call waits for hooks that have not heard everything yet."""
    drain_sec: float = 10.0
    """How long closing, or the interpreter's exit, waits for live calls to end."""

    recording_behind_sec: float = 60.0
    """How much audio of one call may wait for the disk before its recording ends."""
    recording_close_sec: float = 5.0
    """How long the end of a call waits for its recording to be written."""
    stall_sec: float = 2.0
    """How long the engine's loop may stand still before that is logged, with its stack."""

    tool_argument_bytes: int = 256 * 1024
    """How long the arguments of a tool may be, as text."""
    tool_result_bytes: int = 1024 * 1024
    """How long a tool's answer may be; a longer one is refused, never cut."""
    tool_uses_per_call: int = 200
    """How often one call may use the developer's tools; those that every agent has still work."""

    transcript_retention_sec: float = 24 * 3600.0
    """How long the ledger keeps what was said."""
    transcript_chars: int = 200_000
    """How much of a transcript a result holds."""
    webhook_bytes: int = 64 * 1024
    """The largest body that a webhook may have."""
    frame_bytes: int = 64 * 1024
    """The largest frame that a media socket may send."""
    frames_per_sec: float = 200.0
    """How many frames a media socket may send in the long run; speech has 50."""
    frames_at_once: int = 1_000
    """How many more than that it may send in one go."""
    unsent_chars: int = 2 * 1024 * 1024
    """How much may wait for a media socket that takes nothing, before it counts as lost."""
    heartbeat_sec: float = 10.0
    """How long a media socket may be silent before it is asked whether it is still there; it has
    half as long to answer."""
    request_sec: float = 10.0
    """How long a connection at the door may take to send one whole request."""
    idle_connection_sec: float = 75.0
    """How long a connection at the door may stay open between requests."""
    unproven_connections: int = 256
    """How many connections may be open that have not proven that they are the carrier's."""


def setting(name: str) -> str:
    """The environment variable `name`, without surrounding blanks; "" when it is not set."""
    return os.environ.get(name, "").strip()


def state_directory() -> Path:
    """Where calls are recorded: `$PATTER_STATE_DIR`, or `patter` under the user's state folder."""
    if chosen := setting("PATTER_STATE_DIR"):
        return Path(chosen).expanduser()
    base = setting("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "patter"


def default_port() -> int:
    """`$PORT`, or 8000.

    Raises:
        ConfigError: It is set to something that is no port.
    """
    text = setting("PORT")
    if not text:
        return 8000
    if not (text.isascii() and text.isdigit() and int(text) <= 65_535):
        raise ConfigError(f"The environment's PORT is {text!r}; a port is a number from 0 to 65535")
    return int(text)
