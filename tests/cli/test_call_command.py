"""`patter call` and `patter serve`: from the command line, and stopped by signals."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from patter.cli.main import main
from tests.calls.kit import CALLEE

ROOT = Path(__file__).parents[2]
ACCOUNT = {
    "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
    "TWILIO_AUTH_TOKEN": "token",
    "PATTER_PHONE_NUMBER": "+14155550100",
    "PATTER_WEBHOOK_URL": "calls.example.com",
    "OPENAI_API_KEY": "key",
}


async def patter(*arguments, **environment):
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "patter.cli.main",
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT / "integrations"), str(ROOT)]),
            **environment,
        },
    )


async def line_with(stream, words):
    async with asyncio.timeout(30):
        while words not in (line := (await stream.readline()).decode()):
            assert line, f"it ended and never said {words!r}"
        return line


def test_a_call_is_shown_and_its_result(capsys):
    assert main(["call", CALLEE, "--simulate", "--first-message", "Good evening!"]) == 0
    shown = capsys.readouterr().out
    for words in ("dialing", "ringing", "answered", "agent  Good evening!", "status", "completed"):
        assert words in shown


def test_json_is_the_result_and_nothing_else(capsys):
    assert main(["call", CALLEE, "--simulate", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["status"], result["to"]) == ("completed", CALLEE)


def test_a_number_that_is_none_is_rejected(capsys):
    assert main(["call", "911", "--simulate", "--json"]) == 1
    result = json.loads(capsys.readouterr().out)
    assert (result["status"], result["error_code"]) == ("rejected", "invalid_arguments")


def test_without_a_terminal_nobody_is_rung_unasked(capsys, monkeypatch, tmp_path):
    for name, value in {**ACCOUNT, "PATTER_STATE_DIR": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert main(["call", CALLEE]) == 1
    assert "--yes" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_call_in_good_order(number):
    process = await patter("call", CALLEE, "--simulate")
    await line_with(process.stdout, "answered")
    process.send_signal(number)
    await line_with(process.stdout, "interrupted")
    async with asyncio.timeout(30):
        assert await process.wait() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_serving_ends_by_a_signal(number, tmp_path):
    process = await patter("serve", "--port", "0", **ACCOUNT, PATTER_STATE_DIR=str(tmp_path))
    told = await line_with(process.stdout, "voice webhook")
    assert "https://calls.example.com/twilio/voice" in told
    await line_with(process.stderr, "The phone listens at")
    process.send_signal(number)
    async with asyncio.timeout(30):
        assert await process.wait() == 0
