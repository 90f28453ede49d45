"""The ledger keeps what it is told, and gives it back whole."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest

from patter_core.calls.cost import Cost
from patter_core.calls.result import CallResult
from patter_core.calls.status import State
from patter_core.calls.transcript import Turn
from patter_core.errors import LedgerError
from patter_core.ledgers.sqlite import SqliteLedger

ANSWERED = datetime(2030, 1, 1, 12, 30, 20, tzinfo=UTC)
HELLO = Turn(role="user", text="Hello?", started_ms=0)
OFFER = Turn(role="agent", text="A table for four, please.", started_ms=900, cut=True)


def result_of(call_id="call_1", **fields):
    defaults = {"status": "completed", "may_have_dialed": True}
    return CallResult(call_id=call_id, **{**defaults, **fields})


async def test_an_intent_is_read_back_as_it_was_written(ledger, intent):
    row = intent(ledger, key="k1")
    assert await ledger.intend(row) is None
    assert await ledger.read("call_1") == row
    assert await ledger.find(row.scope, "k1") == row


async def test_what_was_never_written_is_not_found(ledger):
    assert await ledger.read("call_1") is None
    assert await ledger.find("scope", "k1") is None
    assert not await ledger.knows_carrier_call("CA1")


async def test_the_holder_of_a_key_is_returned_and_nothing_is_written(ledger, intent):
    holder = intent(ledger, "call_1", key="k1")
    await ledger.intend(holder)
    assert await ledger.intend(intent(ledger, "call_2", key="k1")) == holder
    assert await ledger.read("call_2") is None


async def test_a_key_is_taken_in_its_own_scope_only(ledger, intent):
    await ledger.intend(intent(ledger, "call_1", key="k1"))
    assert await ledger.intend(intent(ledger, "call_2", key="k1", scope="other")) is None


async def test_calls_without_a_key_never_meet(ledger, intent):
    assert await ledger.intend(intent(ledger, "call_1")) is None
    assert await ledger.intend(intent(ledger, "call_2")) is None


async def test_a_call_id_is_written_once(ledger, intent):
    await ledger.intend(intent(ledger))
    with pytest.raises(LedgerError):
        await ledger.intend(intent(ledger, to="+14155550000"))
    assert (await ledger.read("call_1")).to == "+14155552671"


async def test_moves_keep_what_they_do_not_mention(ledger, intent):
    await ledger.intend(intent(ledger))
    await ledger.move("call_1", State.DIALING, carrier_call_id="CA1")
    await ledger.move("call_1", State.LIVE, answered_at=ANSWERED)
    row = await ledger.read("call_1")
    assert (row.state, row.carrier_call_id, row.answered_at) == (State.LIVE, "CA1", ANSWERED)
    assert await ledger.knows_carrier_call("CA1")
    assert not await ledger.knows_carrier_call("CA2")


async def test_a_late_move_brings_its_news_but_not_its_state(ledger, intent):
    await ledger.intend(intent(ledger))
    await ledger.move("call_1", State.RINGING)
    await ledger.move("call_1", State.DIALING, carrier_call_id="CA1")
    row = await ledger.read("call_1")
    assert (row.state, row.carrier_call_id) == (State.RINGING, "CA1")


async def test_a_call_that_was_never_intended_cannot_move_or_close(ledger):
    with pytest.raises(LedgerError, match="call_1"):
        await ledger.move("call_1", State.DIALING)
    with pytest.raises(LedgerError, match="call_1"):
        await ledger.close_call("call_1", result_of())


async def test_a_result_comes_back_whole(ledger, intent):
    await ledger.intend(intent(ledger, key="k1"))
    result = result_of(
        duration_seconds=12.5,
        cost=Cost(stt=0.01, llm=0.002, telephony=0.014, provisional=True),
        transcript=(HELLO, OFFER),
        metrics={"p95_latency_ms": 640.5, "turns": {"agent": 1}},
        to="+14155552671",
        answered_by="human",
        ended_by="callee",
        started_at="2030-01-01T12:30:15.000Z",
        answered_at="2030-01-01T12:30:20.000Z",
        ended_at="2030-01-01T12:30:32.500Z",
        recording="https://example.com/r1",
    )
    assert await ledger.close_call("call_1", result)
    for row in (await ledger.read("call_1"), await ledger.find("AC1/+14155550100", "k1")):
        assert row.state is State.ENDED
        assert row.result == result
        assert row.turns == result.transcript


async def test_only_the_first_result_counts(ledger, intent):
    await ledger.intend(intent(ledger))
    assert await ledger.close_call("call_1", result_of(status="timeout"))
    assert not await ledger.close_call("call_1", result_of(status="completed", transcript=(HELLO,)))
    await ledger.move("call_1", State.LIVE, carrier_call_id="CA1")
    row = await ledger.read("call_1")
    assert (row.state, row.result.status, row.turns) == (State.ENDED, "timeout", ())
    assert row.carrier_call_id is None


async def test_the_key_of_a_call_that_may_have_dialled_stays_taken(ledger, intent):
    await ledger.intend(intent(ledger, "call_1", key="k1"))
    await ledger.close_call("call_1", result_of(status="failed", may_have_dialed=True))
    holder = await ledger.intend(intent(ledger, "call_2", key="k1"))
    assert (holder.call_id, holder.result.status) == ("call_1", "failed")


async def test_the_key_of_a_call_that_never_dialled_is_free_again(ledger, intent):
    await ledger.intend(intent(ledger, "call_1", key="k1"))
    await ledger.close_call("call_1", result_of(status="failed", may_have_dialed=False))
    assert (await ledger.read("call_1")).key is None
    assert await ledger.find("AC1/+14155550100", "k1") is None
    assert await ledger.intend(intent(ledger, "call_2", key="k1")) is None


async def test_turns_are_kept_in_the_order_in_which_they_were_noted(ledger, intent):
    await ledger.intend(intent(ledger, "call_1"))
    await ledger.intend(intent(ledger, "call_2"))
    turns = tuple(Turn(role="agent", text=f"turn {n}", started_ms=-n) for n in range(200))
    for turn in turns:
        ledger.note_turn("call_1", turn)
        ledger.note_turn("call_2", HELLO)
    assert (await ledger.read("call_1")).turns == turns
    assert len((await ledger.read("call_2")).turns) == 200


async def test_the_transcript_of_the_result_replaces_what_was_noted(ledger, intent):
    await ledger.intend(intent(ledger))
    for _ in range(5):
        ledger.note_turn("call_1", OFFER)
    await ledger.close_call("call_1", result_of(transcript=(HELLO,)))
    ledger.note_turn("call_1", OFFER)
    row = await ledger.read("call_1")
    assert row.turns == row.result.transcript == (HELLO,)


async def test_words_that_are_no_valid_unicode_are_kept_too(ledger, intent):
    odd = Turn(role="user", text="half \ud83d pair\0, naïve ☎", started_ms=0)
    await ledger.intend(intent(ledger))
    ledger.note_turn("call_1", odd)
    assert (await ledger.read("call_1")).turns == (odd,)
    result = result_of(transcript=(odd, odd), error="odd \ud83d")
    await ledger.close_call("call_1", result)
    assert (await ledger.read("call_1")).result == result


async def test_a_key_that_is_no_valid_unicode_is_refused_in_words(ledger, intent):
    with pytest.raises(LedgerError, match="Unicode"):
        await ledger.intend(intent(ledger, key="\ud83d"))
    assert await ledger.intend(intent(ledger, key="k1")) is None


async def test_a_turn_that_cannot_be_written_is_logged_with_its_call(ledger, intent, caplog):
    await ledger.intend(intent(ledger))
    ledger.note_turn("call_1", Turn(role=None, text="secret words", started_ms=0))
    ledger.note_turn("call_1", HELLO)
    assert (await ledger.read("call_1")).turns == (HELLO,)
    assert "call_1" in caplog.text
    assert "secret words" not in caplog.text


async def test_a_ledger_that_is_not_open_says_so(tmp_path, clock, caplog):
    ledger = SqliteLedger(tmp_path / "deep" / "calls.db", clock=clock, retention_sec=1)
    assert not (tmp_path / "deep").exists()
    with pytest.raises(LedgerError, match="not open"):
        await ledger.read("call_1")
    with pytest.raises(LedgerError, match="not open"):
        assert ledger.owner
    with pytest.raises(LedgerError, match="not open"):
        assert ledger.signing_key
    ledger.note_turn("call_1", HELLO)
    assert "call_1" in caplog.text
    await ledger.aclose()


async def test_closing_writes_what_was_noted_and_can_be_repeated(opened, intent, tmp_path):
    first = await opened(tmp_path / "calls.db")
    await first.intend(intent(first))
    first.note_turn("call_1", HELLO)
    await first.aclose()
    await first.aclose()
    with pytest.raises(LedgerError, match="not open"):
        await first.read("call_1")
    second = await opened(tmp_path / "calls.db")
    assert (await second.read("call_1")).turns == (HELLO,)


async def test_a_ledger_can_be_opened_again_as_another_owner(opened, intent, tmp_path):
    ledger = await opened(tmp_path / "calls.db")
    before, key = ledger.owner, ledger.signing_key
    await ledger.open()
    assert ledger.owner == before
    await ledger.aclose()
    await ledger.open()
    assert ledger.owner != before
    assert ledger.signing_key == key
    assert not await ledger.owner_lives(before)


async def test_the_signing_key_is_secret_and_each_ledgers_own(opened, tmp_path):
    ledgers = [await opened(path) for path in (tmp_path / "a.db", tmp_path / "b.db", ":memory:")]
    keys = {ledger.signing_key for ledger in ledgers}
    assert len(keys) == 3
    assert {len(key) for key in keys} == {32}


async def test_memory_has_no_recovery(opened, intent):
    ledger = await opened(":memory:")
    await ledger.intend(intent(ledger, owner="somebody else"))
    assert await ledger.abandoned() == []
    assert await ledger.owner_lives(ledger.owner)
    assert not await ledger.owner_lives("somebody else")


async def test_the_clock_is_held_while_the_disk_works(clock, tmp_path, intent):
    class Watched(type(clock)):
        seen = 0

        def wall(self):
            Watched.seen = max(Watched.seen, self.holds)
            return super().wall()

    watched = Watched()
    ledger = SqliteLedger(tmp_path / "calls.db", clock=watched, retention_sec=3600)
    await ledger.open()
    assert Watched.seen == 1
    Watched.seen = 0
    await ledger.intend(intent(ledger))
    await ledger.close_call("call_1", result_of())
    assert Watched.seen == 1
    await ledger.aclose()
    assert watched.holds == 0


async def test_a_wait_that_is_cancelled_leaves_the_ledger_usable(ledger, intent):
    waits = [asyncio.ensure_future(ledger.intend(intent(ledger, f"call_{n}"))) for n in range(50)]
    await asyncio.sleep(0)
    for wait in waits[::2]:
        wait.cancel()
    outcomes = await asyncio.gather(*waits, return_exceptions=True)
    assert sum(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes) == 25
    assert await ledger.read("call_1") is not None


async def test_an_opening_that_is_cancelled_leaves_nothing_open(tmp_path, clock, opened):
    ledger = SqliteLedger(tmp_path / "calls.db", clock=clock, retention_sec=1)
    opening = asyncio.ensure_future(ledger.open())
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    with pytest.raises(LedgerError, match="not open"):
        assert ledger.owner
    assert not list(tmp_path.glob("owners/*"))
    await ledger.open()
    await ledger.aclose()


async def test_times_come_back_in_utc(ledger, intent):
    local = datetime(2030, 1, 1, 9, 0, tzinfo=timezone(timedelta(hours=-5)))
    await ledger.intend(intent(ledger, intended_at=local))
    row = await ledger.read("call_1")
    assert row.intended_at == local
    assert row.intended_at.utcoffset() == timedelta(0)
