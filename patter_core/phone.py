"""`Patter`, the phone: composes the rooms, and is what developers hold."""

from __future__ import annotations

import asyncio
import re
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from patter_core.agent import Agent, make_agent
from patter_core.calls.arguments import E164_PATTERN, parse_arguments
from patter_core.calls.ledger import CallRow
from patter_core.calls.policy import DialPolicy
from patter_core.calls.result import CallResult, rejected
from patter_core.clock import Clock, SystemClock
from patter_core.config import Limits, default_port, setting, state_directory
from patter_core.errors import ArgumentError, ConfigError, PhoneClosed
from patter_core.guest_loop import GuestLoops
from patter_core.ledgers.sqlite import SqliteLedger
from patter_core.open_phone import OpenPhone, PhoneSettings
from patter_core.switchboard.live_call import LiveCall
from patter_core.switchboard.order import CallRequest, Order
from patter_core.telephony.twilio.account import Twilio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator
    from pathlib import Path
    from types import TracebackType

    from patter_core.calls.ledger import CallLedger
    from patter_core.telephony.carrier import Carrier

_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?", re.IGNORECASE)
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class Patter:
    """A phone with one number at one carrier.

    The constructor checks everything and touches nothing; `start`, `serve`, `async with` or the
    first call opens it.
    """

    def __init__(
        self,
        *,
        carrier: Carrier | None = None,
        phone_number: str = "",
        webhook_url: str = "",
        policy: DialPolicy | None = None,
        ledger: str | Path | CallLedger | None = None,
        max_concurrent_calls: int = 1,
        host: str | None = None,
        port: int | None = None,
        limits: Limits | None = None,
        clock: Clock | None = None,
        twilio_sid: str = "",
        twilio_token: str = "",
    ) -> None:
        """Describe the phone.

        Args:
            carrier: The account that rings people; None takes Twilio's from the environment.
            phone_number: The number that rings, E.164; "" takes $PATTER_PHONE_NUMBER.
            webhook_url: Where the carrier reaches this process: a public host, https assumed; ""
                takes $PATTER_WEBHOOK_URL. Not needed with an account of the phone network.
            policy: Who may be rung.
            ledger: Where calls are recorded: a path, ":memory:", or a ledger; None for
                `calls.sqlite` in the state directory.
            max_concurrent_calls: How many calls may be up at once; more wait for their turn.
            host: Where to listen; None for 127.0.0.1, or everywhere when there is a webhook_url.
            port: None for $PORT or 8000; 0 picks a free one.
            limits: Every timeout and bound.
            clock: Time; None for the system's.
            twilio_sid: With `twilio_token`, the same as carrier=Twilio(sid, token).
            twilio_token: See `twilio_sid`.

        Raises:
            ConfigError: Something is missing or contradicts itself; it says what to do.
        """
        self._carrier = _carrier(carrier, twilio_sid, twilio_token)
        self._limits = limits or Limits()
        self._clock = clock or SystemClock()
        simulated = self._carrier.simulated
        self._guests = GuestLoops()
        public_url = "" if simulated else _public_url(webhook_url or setting("PATTER_WEBHOOK_URL"))
        if not isinstance(max_concurrent_calls, int) or max_concurrent_calls < 1:
            raise ConfigError(
                f"max_concurrent_calls is {max_concurrent_calls!r}; it must be a whole number from "
                "1 up"
            )
        self._settings = PhoneSettings(
            carrier=self._carrier,
            phone_number=_phone_number(phone_number or setting("PATTER_PHONE_NUMBER")),
            public_url=public_url,
            host=host or ("0.0.0.0" if public_url else "127.0.0.1"),  # noqa: S104 - design: a public phone is reached from outside
            port=_port(port, simulated=simulated),
            policy=policy or (DialPolicy.simulation() if simulated else DialPolicy()),
            ledger=self._ledger(ledger),
            clock=self._clock,
            limits=self._limits,
            guests=self._guests,
            max_concurrent_calls=max_concurrent_calls,
        )
        self._lock = threading.Lock()
        self._open: OpenPhone | None = None
        self._closed = False

    # --- agents ------------------------------------------------------------------------------

    def agent(self, **parts: Any) -> Agent:
        """An agent for this phone's calls.

        Args:
            **parts: `system_prompt`, `first_message`, and either `engine` or all of `stt`, `llm`
                and `tts`: see `patter_core.agent.make_agent`.

        Raises:
            ConfigError: Parts are missing, unknown or contradict each other; it names them.
        """
        known = ("system_prompt", "first_message", "engine", "stt", "llm", "tts")
        unknown = [name for name in parts if name not in known]
        if unknown:
            raise ConfigError(
                f"agent: {', '.join(unknown)} unknown; the parts are {', '.join(known)}"
            )
        return make_agent(**parts)

    # --- open and close ----------------------------------------------------------------------

    @property
    def url(self) -> str:
        """Where this phone is reached: the webhook address, or where it listens once open."""
        address = self._open.address if self._open is not None else ""
        return self._settings.public_url or address

    @property
    def policy(self) -> DialPolicy:
        """Who may be rung."""
        return self._settings.policy

    async def start(self) -> None:
        """Open the phone; returns when it listens. Safe to repeat, and to call from many loops.

        The calling loop becomes the one where hooks run.

        Raises:
            ConfigError: It cannot listen, say; nothing stays open, and a later try is fine.
        """
        self._guests.adopt(asyncio.get_running_loop())
        await self._opened(reopen=True)

    async def _opened(self, *, reopen: bool = False) -> OpenPhone:
        phone = self._begin_opening(reopen=reopen)
        await asyncio.wrap_future(phone.opened)
        return phone

    def opened_blocking(self) -> OpenPhone:
        """Like `start`, for a thread that waits; adopts no loop."""
        phone = self._begin_opening(reopen=False)
        phone.opened.result()
        return phone

    def _begin_opening(self, *, reopen: bool) -> OpenPhone:
        with self._lock:
            if self._closed and not reopen:
                raise PhoneClosed("The phone is closed; call start() to open it again")
            self._closed = False
            if self._open is None or not self._open.usable:
                self._open = OpenPhone(self._settings)
                self._open.open()
            return self._open

    async def aclose(self) -> None:
        """End live calls (bounded by `Limits.drain_sec`) and close. Safe to repeat."""
        with self._lock:
            self._closed = True
            phone, self._open = self._open, None
        if phone is not None and phone.usable:
            over = phone.begin_closing()
            await asyncio.shield(asyncio.wrap_future(over))

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def serve(self, *, handle_signals: bool = False) -> None:
        """Open the phone and keep it open until cancelled, then close it.

        Args:
            handle_signals: Close on SIGINT and SIGTERM too; the handlers that were there before
                are put back.
        """
        stopped = asyncio.Event()
        async with self:
            with _signals(stopped.set) if handle_signals else _no_signals():
                await stopped.wait()

    # --- calls -------------------------------------------------------------------------------

    async def call(self, to: str, agent: Agent | dict[str, Any], **options: Any) -> CallResult:
        """Ring somebody and wait for the result; see `place_call` for the options.

        Cancelling ends the call.
        """
        live = await self.place_call(to, agent, **options)
        try:
            return await live.result()
        except BaseException:
            live.leave()
            raise

    async def place_call(
        self,
        to: str,
        agent: Agent | dict[str, Any],
        *,
        goal: str | None = None,
        first_message: str | None = None,
        max_duration_sec: int | None = None,
        ring_timeout_sec: int = 25,
        machine_detection: bool = True,
        idempotency_key: str | None = None,
    ) -> LiveCall:
        """Ring somebody; returns once the intent is written, or the call was rejected.

        Args:
            to: Whom, E.164.
            agent: Who speaks: an agent, or a dict of `agent` keywords.
            goal: What this call should achieve.
            first_message: The first thing said on answer; None for the agent's own.
            max_duration_sec: The whole call, ringing included; None for 180.
            ring_timeout_sec: How long it rings, 5 to 600.
            machine_detection: Whether the carrier tells who or what answered.
            idempotency_key: The same key joins or replays the same call.

        Raises:
            ConfigError: The agent cannot be made, or the phone cannot be opened.
        """
        order = self.order(
            {
                "to": to,
                "goal": goal,
                "first_message": first_message,
                "max_duration_sec": max_duration_sec,
            },
            agent,
            idempotency_key=idempotency_key,
            awaiting=asyncio.get_running_loop(),
            ring_timeout_sec=ring_timeout_sec,
            machine_detection=machine_detection,
        )
        if isinstance(order, CallResult):
            return LiveCall.finished(order)
        phone = await self._opened()
        live = LiveCall(order, phone.desk, phone.home)
        try:
            await live.settled()
        except BaseException:
            live.leave()
            raise
        return live

    def order(
        self,
        arguments: Any,  # noqa: ANN401 - a stranger's, checked here
        agent: Agent | dict[str, Any],
        *,
        idempotency_key: str | None,
        awaiting: asyncio.AbstractEventLoop | None,
        blocked: asyncio.AbstractEventLoop | None = None,
        approve: Callable[[CallRequest], Awaitable[bool | str] | bool | str] | None = None,
        default_duration_sec: int = 180,
        ring_timeout_sec: int = 25,
        machine_detection: bool = True,
    ) -> Order | CallResult:
        """Check what was asked for: an order, or the `rejected` result that names the field."""
        made = agent if isinstance(agent, Agent) else self.agent(**agent)
        try:
            checked = parse_arguments(arguments, default_duration_sec=default_duration_sec)
            key = _key(idempotency_key)
            if not 5 <= ring_timeout_sec <= 600:
                raise ArgumentError("ring_timeout_sec", "'ring_timeout_sec' must be from 5 to 600")
        except ArgumentError as error:
            to = arguments.get("to") if isinstance(arguments, dict) else None
            return rejected(to if isinstance(to, str) else "", "invalid_arguments", str(error))
        return Order(
            arguments=checked,
            agent=made,
            key=key,
            approve=approve,
            guest_loop=self._guests.choose(awaiting, blocked),
            ring_timeout_sec=ring_timeout_sec,
            machine_detection=machine_detection,
        )

    async def result(self, call: str) -> CallResult | None:
        """What became of an earlier call, by its call_id or its idempotency_key.

        Returns:
            None for a call that was never made; `in_progress` for one that is under way.

        Raises:
            LedgerError: The record cannot be read.
        """
        phone = await self._opened()
        return await asyncio.wrap_future(phone.home.submit(_look, phone, call))

    # --- inside ------------------------------------------------------------------------------

    @property
    def guests(self) -> GuestLoops:
        """Where hooks run."""
        return self._guests

    def _ledger(self, ledger: str | Path | CallLedger | None) -> CallLedger:
        retention_sec = self._limits.transcript_retention_sec
        if ledger is None:
            ledger = state_directory() / "calls.sqlite"
        if hasattr(ledger, "intend"):
            return ledger
        return SqliteLedger(ledger, clock=self._clock, retention_sec=retention_sec)


async def _look(phone: OpenPhone, call: str) -> CallResult | None:
    operator = phone.desk.find_id(call)
    if operator is not None:
        return operator.snapshot()
    exchange = phone.desk.exchange
    row = await exchange.ledger.read(call) or await exchange.ledger.find(exchange.scope, call)
    return None if row is None else _as_result(row)


def _as_result(row: CallRow) -> CallResult:
    if row.result is not None:
        return row.result
    return CallResult(
        call_id=row.call_id,
        status="in_progress",
        transcript=row.turns,
        to=row.to,
        may_have_dialed=True,
    )


def _carrier(carrier: Carrier | None, twilio_sid: str, twilio_token: str) -> Carrier:
    if carrier is not None and (twilio_sid or twilio_token):
        raise ConfigError("Pass either carrier= or twilio_sid= and twilio_token=, not both")
    chosen = carrier or Twilio(twilio_sid, twilio_token)
    chosen.check()
    return chosen


def _phone_number(number: str) -> str:
    if not number:
        raise ConfigError(
            "phone_number is missing: pass the number that rings people, as in "
            "phone_number='+14155550100', or set PATTER_PHONE_NUMBER"
        )
    if not (isinstance(number, str) and re.fullmatch(E164_PATTERN.strip("^$"), number)):
        raise ConfigError(
            f"phone_number is {number!r}; it must be in E.164 form, as in '+14155550100'"
        )
    return number


def _public_url(address: str) -> str:
    if not address:
        raise ConfigError(
            "webhook_url is missing: the carrier must be able to reach this process. Pass its "
            "public host, as in webhook_url='calls.example.com', or set PATTER_WEBHOOK_URL"
        )
    advice = "it must be a public host, as in 'calls.example.com' or 'https://calls.example.com'"
    scheme, separator, rest = address.partition("://")
    if not separator:
        scheme, rest = "https", address
    host = rest.removesuffix("/")
    if scheme not in ("https", "http") or not (_HOST.fullmatch(host) or host.startswith("[::1]")):
        raise ConfigError(f"webhook_url is {address!r}; {advice}")
    try:
        parsed = urlsplit(f"{scheme}://{host}")
        _ = parsed.port
    except ValueError as error:
        raise ConfigError(f"webhook_url is {address!r}; {advice}") from error
    if scheme == "http" and not host.startswith(_LOOPBACK):
        raise ConfigError(f"webhook_url is {address!r}; http:// is for this machine only, {advice}")
    return f"{scheme}://{host.lower()}"


def _port(port: int | None, *, simulated: bool) -> int:
    if port is None:
        return 0 if simulated else default_port()
    if not isinstance(port, int) or isinstance(port, bool) or not 0 <= port <= 65_535:
        raise ConfigError(f"port is {port!r}; it must be a whole number from 0 to 65535")
    return port


def _key(key: str | None) -> str | None:
    if key is None:
        return None
    if not (isinstance(key, str) and key.strip() and len(key) <= 500):
        raise ArgumentError(
            "idempotency_key", "'idempotency_key' must be text of 1 to 500 characters"
        )
    return key


@contextmanager
def _signals(stop: Callable[[], None]) -> Generator[None]:
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)


@contextmanager
def _no_signals() -> Generator[None]:
    yield
