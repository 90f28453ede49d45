"""What was said is forgotten in time; that a call took place is not."""

from __future__ import annotations

import sqlite3

import pytest

from patter_core.calls.result import CallResult
from patter_core.calls.transcript import Turn

SECRET = "the code is swordfish"


def result_of(call_id):
    turn = Turn(role="user", text=SECRET, started_ms=0)
    return CallResult(
        call_id=call_id, status="completed", transcript=(turn,), may_have_dialed=True, to="+1"
    )


async def closed_call(ledger, intent, call_id="call_1"):
    await ledger.intend(intent(ledger, call_id))
    await ledger.close_call(call_id, result_of(call_id))


async def test_a_transcript_past_its_time_is_not_given_out(ledger, intent, clock):
    await closed_call(ledger, intent)
    clock.advance(3599)
    assert (await ledger.read("call_1")).result == result_of("call_1")
    clock.advance(3601)
    row = await ledger.read("call_1")
    assert (row.turns, row.transcript_expired) == ((), True)
    assert (row.result.transcript, row.result.transcript_expired) == ((), True)
    assert (row.result.status, row.result.to) == ("completed", "+1")


@pytest.mark.parametrize("moment", ["open", "close_call"])
async def test_a_transcript_past_its_time_leaves_the_disk(opened, intent, clock, tmp_path, moment):
    path = tmp_path / "calls.db"
    ledger = await opened(path)
    await closed_call(ledger, intent)
    clock.advance(3601)
    if moment == "open":
        await ledger.aclose()
        assert SECRET.encode() in path.read_bytes()
        await (await opened(path)).aclose()
    else:
        await ledger.intend(intent(ledger, "call_2"))
        await ledger.close_call("call_2", CallResult(call_id="call_2", status="canceled"))
        await ledger.aclose()
    assert SECRET.encode() not in path.read_bytes()
    patient = await opened(path, retention_sec=10**9)
    assert (await patient.read("call_1")).transcript_expired


async def test_a_call_without_words_has_nothing_to_forget(ledger, intent, clock):
    await ledger.intend(intent(ledger))
    await ledger.close_call("call_1", CallResult(call_id="call_1", status="busy"))
    clock.advance(10_000)
    await closed_call(ledger, intent, "call_2")
    assert not (await ledger.read("call_1")).transcript_expired


async def test_a_call_under_way_keeps_its_words_however_long(ledger, intent, clock):
    turn = Turn(role="user", text="Hello?", started_ms=0)
    await ledger.intend(intent(ledger))
    ledger.note_turn("call_1", turn)
    clock.advance(10_000)
    await closed_call(ledger, intent, "call_2")
    assert (await ledger.read("call_1")).turns == (turn,)


@pytest.mark.parametrize("retention_sec", [1e12, float("inf")])
async def test_a_retention_without_end_is_possible(opened, intent, tmp_path, retention_sec, clock):
    ledger = await opened(tmp_path / "calls.db", retention_sec=retention_sec)
    await closed_call(ledger, intent)
    clock.advance(10**9)
    assert (await ledger.read("call_1")).turns


async def test_looking_for_what_to_forget_is_not_done_at_every_close(
    opened, intent, clock, tmp_path
):
    ledger = await opened(tmp_path / "calls.db")
    await closed_call(ledger, intent)
    clock.advance(3590)
    await closed_call(ledger, intent, "call_2")
    clock.advance(3700)
    await closed_call(ledger, intent, "call_3")
    with sqlite3.connect(tmp_path / "calls.db") as connection:
        count = connection.execute("SELECT count(*) FROM turns").fetchone()[0]
    connection.close()
    assert count == 3
    clock.advance(3590 + 600)
    await closed_call(ledger, intent, "call_4")
    assert (await ledger.read("call_1")).transcript_expired
