"""What the engine asks of any telephone company, and what it is told by one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NewType, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import aiohttp

    from patter_core.calls.status import AnsweredBy
    from patter_core.clock import Clock
    from patter_core.config import Limits

CarrierCallId = NewType("CarrierCallId", str)

CarrierStatus = Literal[
    "queued",
    "initiated",
    "ringing",
    "in-progress",
    "completed",
    "busy",
    "no-answer",
    "failed",
    "canceled",
]
"""How far the carrier says a call is; the last five are final."""

FINAL_STATUSES: frozenset[str] = frozenset({"completed", "busy", "no-answer", "failed", "canceled"})


@dataclass(frozen=True, slots=True, kw_only=True)
class DialRequest:
    """One outbound call, as it is asked for.

    Attributes:
        to: E.164. Likewise `from_`.
        answer_url: What the carrier asks for instructions once somebody answers.
        status_url: What it tells about progress.
        machine_url: What it tells about who answered; None leaves that undetected.
        ring_timeout_sec: How long it rings before it gives up.
        await_beep: Whether the news that a machine answered should wait until it would record.
        time_limit_sec: After how long the carrier ends the call by itself.
    """

    to: str
    from_: str
    answer_url: str
    status_url: str
    machine_url: str | None
    ring_timeout_sec: int
    time_limit_sec: int
    await_beep: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrierCall:
    """A call as the carrier has it.

    Attributes:
        created_at: When the carrier made it, by the carrier's clock; None when it does not say.
        duration_sec: Seconds that were talked; None before the end.
        price_usd: What it costs, positive; None until the carrier has priced it.
    """

    id: CarrierCallId
    to: str
    from_: str
    status: CarrierStatus
    created_at: datetime | None = None
    duration_sec: float | None = None
    price_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallListing:
    """What the carrier answers when it is asked for calls.

    Attributes:
        calls: Newest first.
        carrier_now: The carrier's clock when it answered; None when it does not say.
    """

    calls: tuple[CarrierCall, ...]
    carrier_now: datetime | None


class Line(Protocol):
    """An open connection to a carrier account. Requests are bounded in time."""

    async def dial(self, request: DialRequest) -> CarrierCallId:
        """Start ringing, once, and return the carrier's id for the call.

        Never repeated inside, and redirects are not followed: either could ring twice.

        Raises:
            CarrierRefused: A final no; nobody was rung.
            CarrierBusy: Too many requests; nobody was rung. Says when to ask again.
            CarrierNotReached: Nothing was sent.
            CarrierUnclear: No usable answer came back; somebody may be being rung.
        """
        ...

    async def find(self, *, to: str, from_: str) -> CallListing:
        """The account's latest calls between two numbers.

        Raises:
            CarrierError: No usable answer.
        """
        ...

    async def fetch(self, call: CarrierCallId) -> CarrierCall:
        """One call as the carrier has it now.

        Raises:
            CarrierError: No usable answer.
        """
        ...

    async def hang_up(self, call: CarrierCallId) -> None:
        """End the call. Ending a call that is already over is not an error; safe to repeat.

        Raises:
            CarrierError: The carrier could not be told, after several attempts.
        """
        ...

    async def transfer(self, call: CarrierCallId, *, to: str, time_limit_sec: int) -> None:
        """Connect the other side of a live call to `to`; its media socket ends with that.

        Asked once, as it rings somebody. The carrier ends the call after `time_limit_sec` more.

        Raises:
            CarrierUnclear: No usable answer came back; it may have been done.
            CarrierError: It was refused, or the carrier could not be told.
        """
        ...


# --- what comes in at the door ---------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CallProgress:
    """The carrier tells how far a call is.

    Attributes:
        sequence: The carrier's own order of its messages; None when it gives none.
        duration_sec: Seconds that were talked, on the final message.
    """

    call: CarrierCallId
    status: CarrierStatus
    sequence: int | None = None
    duration_sec: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineVerdict:
    """The carrier tells who or what answered."""

    call: CarrierCallId
    answered_by: AnsweredBy


class Webhooks(Protocol):
    """How a carrier's requests are told from a stranger's, read and answered."""

    def verify(
        self, *, url: str, headers: Mapping[str, str], form: Mapping[str, list[str]]
    ) -> bool:
        """Whether the carrier signed this request to `url`, as it was written in what we sent.

        `form` is {} for a socket's upgrade. Constant time; a missing signature is no.
        """
        ...

    def read_progress(self, form: Mapping[str, list[str]]) -> CallProgress | None:
        """The progress that a status callback tells; None when it tells none that we know."""
        ...

    def read_machine(self, form: Mapping[str, list[str]]) -> MachineVerdict | None:
        """Who answered; None when the message does not say."""
        ...

    def read_call_id(self, form: Mapping[str, list[str]]) -> CarrierCallId | None:
        """The carrier's id of the call that a request is about."""
        ...

    def read_caller(self, form: Mapping[str, list[str]]) -> str:
        """The number, or name, that an inbound call comes from; "" when it is withheld."""
        ...

    def connect_answer(self, *, media_url: str, callref: str) -> str:
        """Instructions that connect the answered call to our media socket, then hang up."""
        ...

    def hang_up_answer(self) -> str:
        """Instructions that hang up at once."""
        ...

    @property
    def answer_content_type(self) -> str:
        """The content type of both."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaStarted:
    """The carrier's media socket says which call it carries."""

    call: CarrierCallId
    stream: str
    account: str
    callref: str


@dataclass(frozen=True, slots=True)
class MediaAudio:
    """Audio from the callee, mu-law 8 kHz, of any length."""

    audio: bytes


@dataclass(frozen=True, slots=True)
class MediaMark:
    """Everything that was sent before this mark has been played, or was cleared away."""

    name: str


@dataclass(frozen=True, slots=True)
class MediaDigit:
    """The callee pressed a key."""

    digit: str


@dataclass(frozen=True, slots=True)
class MediaStopped:
    """The carrier says that the audio is over: somebody hung up, or the call was redirected."""


MediaEvent = MediaStarted | MediaAudio | MediaMark | MediaDigit | MediaStopped


class MediaWire(Protocol):
    """One media socket's encoding of what goes in and out. A value of one socket."""

    def read(self, frame: str | bytes) -> MediaEvent | None:
        """What a text frame says; None for what we need not know, or cannot read.

        A `MediaStarted` also tells this wire its stream, which what we send must name.
        """
        ...

    def audio(self, audio: bytes) -> str:
        """The frame that plays mu-law audio after what was sent before."""
        ...

    def mark(self, name: str) -> str:
        """The frame that asks to be told when everything before it was played."""
        ...

    def clear(self) -> str:
        """The frame that drops everything that has not been played yet."""
        ...


class Carrier(Protocol):
    """An account at a telephone company: a value, which imports and touches nothing heavy."""

    @property
    def name(self) -> str:
        """The company's short name, which is also its part of our paths, as in "twilio"."""
        ...

    @property
    def account(self) -> str:
        """The account's public id."""
        ...

    @property
    def simulated(self) -> bool:
        """Whether this account is one of a phone network on loopback."""
        ...

    @property
    def usd_per_minute(self) -> float:
        """What a minute is assumed to cost until the carrier has priced the call."""
        ...

    @property
    def calls_per_second(self) -> float | None:
        """How many new calls the account may be asked for in a second; None for any number."""
        ...

    def check(self) -> None:
        """Raise `ConfigError` when credentials are missing, and say which."""
        ...

    def line(self, http: aiohttp.ClientSession, clock: Clock, limits: Limits) -> Line:
        """A connection for requests over `http`, which stays the phone's."""
        ...

    def webhooks(self) -> Webhooks:
        """How this account's webhooks are verified, read and answered."""
        ...

    def media_wire(self) -> MediaWire:
        """The encoding of one new media socket."""
        ...


def scope_of(carrier: Carrier, phone_number: str) -> str:
    """What a phone's calls are recorded under: within it keys mean one call, and caps count."""
    return f"{carrier.name}:{carrier.account}:{phone_number}"
