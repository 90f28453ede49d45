"""A Twilio account as a value."""

from __future__ import annotations

import copy
import subprocess
import sys
from dataclasses import FrozenInstanceError, replace
from typing import TYPE_CHECKING

import aiohttp
import pytest

from patter_core.clock import SystemClock
from patter_core.config import Limits
from patter_core.errors import ConfigError
from patter_core.telephony.twilio.account import Twilio, simulated_account
from tests.telephony.raw_http import ACCOUNT, TOKEN

if TYPE_CHECKING:
    from patter_core.telephony.carrier import Carrier


@pytest.fixture(autouse=True)
def _no_account_in_the_environment(monkeypatch):
    monkeypatch.delenv("TWILIO_ACCOUNT_SID", raising=False)
    monkeypatch.delenv("TWILIO_AUTH_TOKEN", raising=False)


def test_an_account_is_a_carrier():
    account: Carrier = Twilio(ACCOUNT, TOKEN)
    account.check()
    assert (account.name, account.account, account.simulated) == ("twilio", ACCOUNT, False)
    assert account.usd_per_minute == 0.014


def test_credentials_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("TWILIO_ACCOUNT_SID", f" {ACCOUNT} ")
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", TOKEN)
    account = Twilio()
    account.check()
    assert account == Twilio(ACCOUNT, TOKEN)
    assert Twilio("AC" + "f" * 32).account == "AC" + "f" * 32


def test_an_account_stays_what_it_was_made_as(monkeypatch):
    monkeypatch.setenv("TWILIO_ACCOUNT_SID", ACCOUNT)
    account = Twilio(auth_token=TOKEN)
    monkeypatch.setenv("TWILIO_ACCOUNT_SID", "AC" + "f" * 32)
    assert account.account == ACCOUNT
    with pytest.raises(FrozenInstanceError):
        account.account_sid = "AC" + "f" * 32


@pytest.mark.parametrize(
    ("account", "variable"),
    [
        (lambda: Twilio(), "TWILIO_ACCOUNT_SID"),
        (lambda: Twilio(ACCOUNT), "TWILIO_AUTH_TOKEN"),
        (lambda: Twilio(auth_token=TOKEN), "TWILIO_ACCOUNT_SID"),
        (lambda: Twilio(ACCOUNT, "  "), "TWILIO_AUTH_TOKEN"),
    ],
)
def test_what_is_missing_is_named(account, variable):
    with pytest.raises(ConfigError, match=variable):
        account().check()


@pytest.mark.parametrize(
    "sid", ["AC123", "SK" + "0" * 32, ACCOUNT + "0", "AC" + "g" * 32, "AC" + "٣" * 32]
)
def test_an_account_sid_that_is_none_is_refused(sid):
    with pytest.raises(ConfigError, match="AC and 32"):
        Twilio(sid, TOKEN).check()


@pytest.mark.parametrize(
    "url",
    [
        "https://api.dublin.ie1.twilio.com",
        "https://proxy.example.com:8443/twilio/",
        "http://127.0.0.1:4010",
        "http://localhost:4010",
        "http://[::1]:4010",
    ],
)
def test_an_api_may_be_elsewhere(url):
    Twilio(ACCOUNT, TOKEN, api_base_url=url).check()


@pytest.mark.parametrize(
    "url",
    [
        "http://api.twilio.com",
        "http://127.0.0.1.example.com",
        "http://localhost.example.com",
        "http://localhost@example.com",
        "ftp://127.0.0.1",
        "api.twilio.com",
        "https://",
        "https://user:secret@api.twilio.com",
        "https://api.twilio.com/?x=1",
        "https://api.twilio.com#x",
        "https://api.twilio.com:port",
        "https://[::1",
        "",
    ],
)
def test_credentials_do_not_travel_in_the_clear(url):
    with pytest.raises(ConfigError, match="api_base_url"):
        Twilio(ACCOUNT, TOKEN, api_base_url=url).check()


@pytest.mark.parametrize("price", [-0.01, float("nan"), float("inf")])
def test_a_price_that_is_none_is_refused(price):
    with pytest.raises(ConfigError, match="usd_per_minute"):
        Twilio(ACCOUNT, TOKEN, usd_per_minute=price).check()


def test_the_token_does_not_show():
    token = "a-very-secret-token"
    account = Twilio(ACCOUNT, token)
    assert token not in repr(account)
    assert token not in repr(account.webhooks())


def test_nothing_is_verified_with_an_empty_token():
    with pytest.raises(ConfigError):
        Twilio(ACCOUNT).webhooks()


async def test_no_line_is_opened_with_an_account_that_fails_the_check():
    async with aiohttp.ClientSession() as http:
        with pytest.raises(ConfigError):
            Twilio(ACCOUNT, TOKEN, api_base_url="http://api.twilio.com").line(
                http, SystemClock(), Limits()
            )


def test_only_a_network_makes_a_simulated_account():
    account = simulated_account(
        account_sid=ACCOUNT, auth_token=TOKEN, api_base_url="http://127.0.0.1:4010"
    )
    account.check()
    assert account.simulated
    assert copy.deepcopy(account).simulated
    with pytest.raises(TypeError):
        Twilio(ACCOUNT, TOKEN, simulated=True)


def test_a_simulated_account_cannot_be_turned_towards_real_telephones():
    account = simulated_account(
        account_sid=ACCOUNT, auth_token=TOKEN, api_base_url="http://127.0.0.1:4010"
    )
    assert not replace(account, api_base_url="https://api.twilio.com").simulated
    with pytest.raises(ConfigError):
        simulated_account(
            account_sid=ACCOUNT, auth_token=TOKEN, api_base_url="https://api.twilio.com"
        )


def test_making_an_account_loads_nothing_heavy():
    code = (
        "import sys; from patter_core.telephony.twilio.account import Twilio; Twilio();"
        "print(*{'aiohttp', 'twilio', 'stamina', 'orjson'} & set(sys.modules))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=True
    )
    assert run.stdout.split() == []
