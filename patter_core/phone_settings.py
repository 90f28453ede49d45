"""What a phone is: checked when it is described, complete when it is opened."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from patter_core.calls.bounds import is_e164
from patter_core.calls.policy import DialPolicy
from patter_core.calls.redaction import Redaction, checked_secrets
from patter_core.clock import Clock, SystemClock
from patter_core.config import Limits, default_port, setting, state_directory
from patter_core.errors import ConfigError
from patter_core.guest_loop import GuestLoops
from patter_core.ledgers.sqlite import SqliteLedger
from patter_core.telephony.twilio.account import Twilio

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from patter_core.calls.ledger import CallLedger
    from patter_core.telephony.carrier import Carrier
    from patter_core.tools.url_guard import UrlGuard

_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?=[^:]{{1,253}}(:|$)){_LABEL}(\.{_LABEL})*(:[0-9]{{1,5}})?", re.IGNORECASE)
_IN_MEMORY = ":memory:"
_LOOPBACK_HOST = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneSettings:
    """What a phone is. Opening it needs nothing more.

    Attributes:
        phone_number: The number that rings people, E.164.
        public_url: Where the carrier reaches us; "" for the phone's own address.
        recordings: The folder of recordings; None for a temporary one.
        dependencies: What tools may need, by name.
        allow_hosts: Hosts that tools may reach though they are not public, as in "127.0.0.1:8000".
        allow_ports: Ports that tools may reach beside the usual ones.
        breaker_threshold: After how many failures in a row a tool rests; 0 is never.
        breaker_cooldown_sec: How long it rests.
        redaction: What must not get out.
    """

    carrier: Carrier
    phone_number: str
    public_url: str
    host: str
    port: int
    policy: DialPolicy
    ledger: CallLedger
    recordings: Path | None
    clock: Clock
    limits: Limits
    guests: GuestLoops
    max_concurrent_calls: int
    dependencies: Mapping[str, Any]
    allow_hosts: tuple[str, ...]
    allow_ports: tuple[int, ...]
    breaker_threshold: int
    breaker_cooldown_sec: float
    redaction: Redaction

    def url_guard(self) -> UrlGuard:
        """Judges the URLs of tools.

        Raises:
            ConfigError: An entry of `allow_hosts` is no host.
        """
        # Only now: it brings the HTTP client, which costs more than all of `import patter`.
        from patter_core.tools.url_guard import UrlGuard, UrlRefused

        try:
            return UrlGuard(allow_hosts=self.allow_hosts, allow_ports=self.allow_ports)
        except UrlRefused as error:
            raise ConfigError(f"allow_hosts: {error}") from error


def checked_settings(
    *,
    carrier: Carrier | None,
    twilio_sid: str,
    twilio_token: str,
    phone_number: str,
    webhook_url: str,
    policy: DialPolicy | None,
    ledger: str | Path | CallLedger | None,
    recordings: str | Path | None,
    max_concurrent_calls: int,
    host: str | None,
    port: int | None,
    limits: Limits | None,
    clock: Clock | None,
    dependencies: Mapping[str, Any] | None,
    allow_hosts: Collection[str],
    allow_ports: Collection[int],
    breaker_threshold: int,
    breaker_cooldown_sec: float,
    secrets: Collection[str] = (),
) -> PhoneSettings:
    """The settings that `Patter(...)` describes, the environment's filled in.

    Raises:
        ConfigError: Something is missing or contradicts itself; it says what to do.
    """
    account = _carrier(carrier, twilio_sid, twilio_token)
    limits = limits or Limits()
    clock = clock or SystemClock()
    public_url = (
        ""
        if account.simulated
        else checked_public_url(webhook_url or setting("PATTER_WEBHOOK_URL"))
    )
    # A public phone is reached from outside, by way of whatever stands before it.
    default_host = "0.0.0.0" if public_url else "127.0.0.1"  # noqa: S104
    return PhoneSettings(
        carrier=account,
        phone_number=checked_phone_number(phone_number or setting("PATTER_PHONE_NUMBER")),
        public_url=public_url,
        host=host or default_host,
        port=_port(port, simulated=account.simulated),
        policy=policy or (DialPolicy.simulation() if account.simulated else DialPolicy()),
        ledger=_ledger(ledger, clock, limits, simulated=account.simulated),
        recordings=_recordings(recordings, ledger, simulated=account.simulated),
        clock=clock,
        limits=limits,
        guests=GuestLoops(),
        max_concurrent_calls=_line_count(max_concurrent_calls),
        dependencies=dict(dependencies or {}),
        allow_hosts=_hosts(allow_hosts),
        allow_ports=_ports(allow_ports),
        breaker_threshold=_threshold(breaker_threshold),
        breaker_cooldown_sec=_cooldown(breaker_cooldown_sec),
        redaction=_redaction(secrets),
    )


def listening_at(settings: PhoneSettings, *, host: str | None, port: int | None) -> PhoneSettings:
    """The same phone, listening elsewhere; None keeps what it has.

    Raises:
        ConfigError: That is no port.
    """
    chosen = settings.port if port is None else _port(port, simulated=settings.carrier.simulated)
    return replace(settings, host=host or settings.host, port=chosen)


def _redaction(secrets: Collection[str]) -> Redaction:
    try:
        return Redaction(checked_secrets(secrets))
    except ValueError as error:
        raise ConfigError(f"secrets: {error}") from error


def _ledger(
    ledger: str | Path | CallLedger | None, clock: Clock, limits: Limits, *, simulated: bool
) -> CallLedger:
    if ledger is None:
        # Calls that never happened have no place among those that did.
        ledger = _IN_MEMORY if simulated else state_directory() / "calls.sqlite"
    if not isinstance(ledger, str | Path):
        return ledger
    return SqliteLedger(ledger, clock=clock, retention_sec=limits.transcript_retention_sec)


def _recordings(
    folder: str | Path | None, ledger: str | Path | CallLedger | None, *, simulated: bool
) -> Path | None:
    """The folder that was chosen, or one beside the ledger; None when nothing is to stay."""
    if folder is not None:
        return Path(folder).expanduser().absolute()
    if ledger == _IN_MEMORY or (ledger is None and simulated):
        return None
    if isinstance(ledger, str | Path):
        return Path(ledger).expanduser().absolute().parent / "recordings"
    return state_directory() / "recordings"


def _carrier(carrier: Carrier | None, twilio_sid: str, twilio_token: str) -> Carrier:
    if carrier is not None and (twilio_sid or twilio_token):
        raise ConfigError("Pass either carrier= or twilio_sid= and twilio_token=, not both")
    chosen = carrier or Twilio(twilio_sid, twilio_token)
    chosen.check()
    return chosen


def checked_phone_number(number: str) -> str:
    """`number`, when it can be a phone's own. Raises ConfigError otherwise."""
    if not number:
        raise ConfigError(
            "phone_number is missing: pass the number that rings people, as in "
            "phone_number='+14155550100', or set PATTER_PHONE_NUMBER"
        )
    if not is_e164(number):
        raise ConfigError(
            f"phone_number is {number!r}; it must be in E.164 form, as in '+14155550100'"
        )
    return number


def checked_public_url(address: str) -> str:
    """Where the carrier reaches us, as a URL. Raises ConfigError when that is no such place."""
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
    if scheme not in ("https", "http") or not (
        _HOST.fullmatch(host) or _LOOPBACK_HOST.fullmatch(host)
    ):
        raise ConfigError(f"webhook_url is {address!r}; {advice}")
    try:
        parsed = urlsplit(f"{scheme}://{host}")
        port = parsed.port
    except ValueError as error:
        raise ConfigError(f"webhook_url is {address!r}; {advice}") from error
    if port == 0:
        raise ConfigError(f"webhook_url is {address!r}; nobody listens on port 0, {advice}")
    if scheme == "http" and not _LOOPBACK_HOST.fullmatch(host):
        raise ConfigError(f"webhook_url is {address!r}; http:// is for this machine only, {advice}")
    return f"{scheme}://{host.lower()}"


def _port(port: int | None, *, simulated: bool) -> int:
    if port is None:
        return 0 if simulated else default_port()
    if not _is_whole(port) or not 0 <= port <= 65_535:
        raise ConfigError(f"port is {port!r}; it must be a whole number from 0 to 65535")
    return port


def _hosts(hosts: Collection[str]) -> tuple[str, ...]:
    given = tuple(hosts)
    if isinstance(hosts, str) or not all(isinstance(host, str) for host in given):
        raise ConfigError("allow_hosts is a list of hosts, as in ['127.0.0.1:8000']")
    return given


def _ports(ports: Collection[int]) -> tuple[int, ...]:
    given = tuple(ports)
    if not all(_is_whole(port) and 1 <= port <= 65_535 for port in given):
        raise ConfigError(f"allow_ports is {given!r}; it is a list of ports, 1 to 65535")
    return given


def _threshold(failures: int) -> int:
    if not _is_whole(failures) or failures < 0:
        raise ConfigError(f"breaker_threshold is {failures!r}; it is a whole number, 0 for never")
    return failures


def _cooldown(seconds: float) -> float:
    number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not (number and 0 < seconds < float("inf")):
        raise ConfigError(f"breaker_cooldown_sec is {seconds!r}; it is more than 0 seconds")
    return seconds


def _is_whole(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool)


def _line_count(count: int) -> int:
    if not _is_whole(count) or count < 1:
        raise ConfigError(f"max_concurrent_calls is {count!r}; it must be a whole number from 1 up")
    return count
