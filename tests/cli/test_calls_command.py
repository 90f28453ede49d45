"""`patter calls`: earlier calls, listed and shown."""

from __future__ import annotations

import json

from patter import Patter, PatterTool
from patter.cli.main import main
from patter.simulator import Callee, PhoneNetwork
from tests.calls.kit import CALLEE, PHONE, bounded, scripted


async def one_call(ledger):
    async with PhoneNetwork() as network:
        network.add(CALLEE, Callee(says=["Hello?", "Bye."]))
        phone = Patter(
            carrier=network.twilio(), phone_number=PHONE, ledger=ledger, clock=network.clock
        )
        tool = PatterTool(phone, agent=scripted())
        try:
            return await bounded(tool.execute(to=CALLEE, idempotency_key="table"))
        finally:
            await bounded(tool.stop())


async def test_calls_are_listed_and_shown(tmp_path, capsys):
    ledger = tmp_path / "calls.sqlite"
    result = await one_call(ledger)
    assert main(["calls", "--ledger", str(ledger)]) == 0
    listed = capsys.readouterr().out
    assert result.call_id in listed
    assert "completed" in listed
    assert "Hello?" not in listed
    for name in (result.call_id, "table"):
        assert main(["calls", name, "--ledger", str(ledger)]) == 0
        assert "Hello?" in capsys.readouterr().out
    assert main(["calls", "table", "--json", "--ledger", str(ledger)]) == 0
    assert json.loads(capsys.readouterr().out) == result.to_dict()


async def test_what_is_not_there_is_said(tmp_path, capsys):
    ledger = tmp_path / "calls.sqlite"
    assert main(["calls", "--ledger", str(ledger)]) == 1
    assert "no calls" in capsys.readouterr().err
    assert not ledger.exists(), "looking makes no ledger"
    await one_call(ledger)
    assert main(["calls", "nothing", "--ledger", str(ledger)]) == 1
    assert "no call nothing" in capsys.readouterr().err


def test_what_is_no_ledger_is_said(tmp_path, capsys):
    path = tmp_path / "calls.sqlite"
    path.write_bytes(b"nonsense" * 1_000)
    assert main(["calls", "--ledger", str(path)]) == 1
    assert "cannot be read" in capsys.readouterr().err
