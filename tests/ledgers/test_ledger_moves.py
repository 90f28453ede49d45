"""Whatever the order of news, a call only moves forward, and ends once."""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from patter_core.calls.ledger import CallRow
from patter_core.calls.result import CallResult
from patter_core.calls.status import State
from patter_core.clock import SystemClock
from patter_core.ledgers.sqlite import SqliteLedger

WRITTEN = [State.DIALING, State.RINGING, State.LIVE, State.ENDING]
MOVES = st.tuples(st.just("move"), st.sampled_from(WRITTEN))
CLOSES = st.tuples(st.just("close"), st.sampled_from(["completed", "timeout", "failed", "busy"]))


@settings(max_examples=60, deadline=None)
@given(news=st.lists(MOVES | CLOSES, max_size=12), at_once=st.booleans())
def test_the_furthest_state_and_the_first_result_win(news, at_once):
    async def scenario():
        ledger = SqliteLedger(":memory:", clock=SystemClock(), retention_sec=3600)
        await ledger.open()
        try:
            await ledger.intend(
                CallRow(
                    call_id="c",
                    owner=ledger.owner,
                    scope="s",
                    key="k",
                    fingerprint="f",
                    state=State.INTENT,
                    to="+1",
                    from_="+2",
                    intended_at=datetime.now(UTC),
                )
            )
            asked = [
                ledger.move("c", what)
                if kind == "move"
                else ledger.close_call(
                    "c", CallResult(call_id="c", status=what, may_have_dialed=True)
                )
                for kind, what in news
            ]
            answers = await asyncio.gather(*asked) if at_once else [await each for each in asked]
            return answers, await ledger.read("c")
        finally:
            await ledger.aclose()

    answers, row = asyncio.run(scenario())
    closes = [what for kind, what in news if kind == "close"]
    assert [answer for answer in answers if answer is not None] == [
        position == 0 for position in range(len(closes))
    ]
    moved = [what for kind, what in itertools.takewhile(lambda each: each[0] == "move", news)]
    if closes:
        assert (row.state, row.result.status) == (State.ENDED, closes[0])
    else:
        assert row.state is max([State.INTENT, *moved], key=lambda state: state.rank)
        assert row.result is None
