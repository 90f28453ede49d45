"""A Twilio account, as a value: cheap to import, cheap to make."""

from __future__ import annotations

import ipaddress
import math
import re
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from patter_core.config import setting
from patter_core.errors import ConfigError

if TYPE_CHECKING:
    import aiohttp

    from patter_core.clock import Clock
    from patter_core.config import Limits
    from patter_core.telephony.twilio.media import TwilioMediaWire
    from patter_core.telephony.twilio.rest import TwilioLine
    from patter_core.telephony.twilio.webhooks import TwilioWebhooks

_ACCOUNT_SID = re.compile(r"AC[0-9a-fA-F]{32}")


@dataclass(frozen=True, slots=True)
class Twilio:
    """An account at Twilio. See `Carrier`.

    Attributes:
        account_sid: `AC` and 32 hexadecimal digits; left out, `$TWILIO_ACCOUNT_SID` as it is when
            this value is made.
        auth_token: The account's secret; left out, `$TWILIO_AUTH_TOKEN`. API keys will not do,
            because webhooks are signed with the token.
        api_base_url: Where the REST API is; https, or http on this machine.
        usd_per_minute: What a minute is assumed to cost until Twilio has priced the call.
        calls_per_second: How many new calls the account may make in a second: 1 unless Twilio has
            agreed to more; None for any number.
        simulated: Whether a phone network on this machine made the account.
    """

    account_sid: str = ""
    auth_token: str = field(default="", repr=False)
    _: KW_ONLY
    api_base_url: str = "https://api.twilio.com"
    usd_per_minute: float = 0.014
    calls_per_second: float | None = 1.0
    simulated: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        # Read once, so that a value stays the same account for as long as it lives.
        for name, variable in _VARIABLES.items():
            given: str = getattr(self, name)
            object.__setattr__(self, name, given.strip() or setting(variable))
        object.__setattr__(self, "api_base_url", self.api_base_url.strip().rstrip("/"))

    @property
    def name(self) -> str:
        """See `Carrier.name`."""
        return "twilio"

    @property
    def account(self) -> str:
        """See `Carrier.account`."""
        return self.account_sid

    def check(self) -> None:
        """See `Carrier.check`."""
        for name, variable in _VARIABLES.items():
            if not getattr(self, name):
                raise ConfigError(f"Twilio needs {name}: pass it to Twilio(), or set {variable}")
        if not _ACCOUNT_SID.fullmatch(self.account_sid):
            raise ConfigError(
                "Twilio's account_sid is AC and 32 hexadecimal digits; this one is not "
                "(an API key, SK..., cannot stand in for it)"
            )
        _check_base_url(self.api_base_url)
        if not (math.isfinite(self.usd_per_minute) and self.usd_per_minute >= 0):
            raise ConfigError(f"usd_per_minute is {self.usd_per_minute}; it is a price, 0 or more")
        rate = self.calls_per_second
        if rate is not None and not (math.isfinite(rate) and rate > 0):
            raise ConfigError(f"calls_per_second is {rate}; it is more than 0, or None for any")

    # What these three import is heavy, or brings what is. `import patter` must stay cheap, and
    # makes this value's class known; nothing is needed of them before a phone is opened.

    def line(self, http: aiohttp.ClientSession, clock: Clock, limits: Limits) -> TwilioLine:
        """See `Carrier.line`."""
        from patter_core.telephony.twilio.rest import TwilioLine

        self.check()
        return TwilioLine(self, http, clock, limits)

    def webhooks(self) -> TwilioWebhooks:
        """See `Carrier.webhooks`."""
        from patter_core.telephony.twilio.webhooks import TwilioWebhooks

        self.check()  # Anybody can sign with an empty token.
        return TwilioWebhooks(self.auth_token)

    def media_wire(self) -> TwilioMediaWire:
        """See `Carrier.media_wire`."""
        from patter_core.telephony.twilio.media import TwilioMediaWire

        return TwilioMediaWire()


_VARIABLES = {"account_sid": "TWILIO_ACCOUNT_SID", "auth_token": "TWILIO_AUTH_TOKEN"}


def simulated_account(*, account_sid: str, auth_token: str, api_base_url: str) -> Twilio:
    """An account of a phone network on this machine: `simulated`, which nothing else can be.

    It may make any number of calls in a second.

    Raises:
        ConfigError: `api_base_url` is not on this machine, where calls would be real.
    """
    if not _is_loopback(urlsplit(api_base_url).hostname or ""):
        raise ConfigError("A simulated account's api_base_url is on this machine (127.0.0.1)")
    account = Twilio(account_sid, auth_token, api_base_url=api_base_url, calls_per_second=None)
    object.__setattr__(account, "simulated", True)
    return account


def _check_base_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname or "", parts.port
    except ValueError as error:
        raise ConfigError("Twilio's api_base_url cannot be read as a URL") from error
    if not host or parts.username is not None or parts.query or parts.fragment:
        raise ConfigError("Twilio's api_base_url is a scheme, a host and, if need be, a port")
    if not (parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))):
        raise ConfigError("Twilio's api_base_url is https; http is for this machine only")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
