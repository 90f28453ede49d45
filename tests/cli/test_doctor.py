"""`patter doctor`: what is missing, and what to do about it."""

from __future__ import annotations

import asyncio

import pytest

from patter.cli import doctor
from patter.cli.main import main
from patter.simulator import PhoneNetwork
from tests.cli.test_call_command import ACCOUNT


@pytest.fixture
def account(monkeypatch, tmp_path):
    for name, value in {**ACCOUNT, "PATTER_STATE_DIR": str(tmp_path / "new")}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("PORT", raising=False)
    return tmp_path


def verdicts(shown):
    rows = [line.split(maxsplit=2) for line in shown.splitlines() if line[:2] in ("ok", "no", "- ")]
    return {subject: (verdict, sentence) for verdict, subject, sentence in rows}


def test_a_whole_environment_is_fine_and_nothing_is_made(account, capsys):
    assert main(["doctor"]) == 0
    shown = capsys.readouterr().out
    assert {verdicts(shown)[name][0] for name in ("Twilio", "number", "webhook", "port")} == {"ok"}
    assert "A phone can ring from here" in shown
    assert ACCOUNT["TWILIO_AUTH_TOKEN"] not in shown.replace("TWILIO_AUTH_TOKEN", "")
    assert list(account.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "value", "subject", "words"),
    [
        ("TWILIO_AUTH_TOKEN", "", "Twilio", "set TWILIO_AUTH_TOKEN"),
        ("TWILIO_ACCOUNT_SID", "SK1", "Twilio", "32 hexadecimal digits"),
        ("PATTER_PHONE_NUMBER", "4155550100", "number", "E.164"),
        ("PATTER_WEBHOOK_URL", "http://calls.example.com", "webhook", "this machine only"),
        ("PORT", "eight", "port", "from 0 to 65535"),
        ("PATTER_STATE_DIR", __file__, "state", "PATTER_STATE_DIR"),
    ],
)
def test_what_is_wrong_is_named_with_what_to_do(
    account, capsys, monkeypatch, name, value, subject, words
):
    monkeypatch.setenv(name, value)
    assert main(["doctor"]) == 1
    shown = capsys.readouterr().out
    verdict, sentence = verdicts(shown)[subject]
    assert verdict == "no"
    assert words in sentence
    assert f"Missing: {subject}" in shown


@pytest.mark.parametrize("fault", [None, "400"])
async def test_the_carrier_is_asked_when_that_is_wanted(account, capsys, monkeypatch, fault):
    async with PhoneNetwork() as network:
        monkeypatch.setattr(doctor, "Twilio", network.twilio)
        if fault:
            network.faults.lists(fault, times=None)
        code = await asyncio.to_thread(main, ["doctor", "--online"])
        verdict, _ = verdicts(capsys.readouterr().out)["carrier"]
        assert (code, verdict) == ((1, "no") if fault else (0, "ok"))
        assert {request.method for request in network.requests} == {"GET"}
