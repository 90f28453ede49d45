"""One phone's calls, a carrier that garbles everything, crashes, recovery and time, in any order.

The machine is real, and so are the ledger on disk and recovery; the carrier is a model of one.
`test_mutants` shows which mistakes of the engine this finds.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from patter_core.calls import call_effects as effects
from patter_core.calls import call_events as news
from patter_core.calls.call import Call
from patter_core.calls.ledger import CallRow
from patter_core.calls.result import CallResult
from patter_core.calls.status import State
from patter_core.clock import SimulatedClock
from patter_core.config import Limits
from patter_core.ledgers.sqlite import SqliteLedger
from patter_core.switchboard.recover import recover

# Hundreds of ledgers are made here, and no disk is under test.
IN_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - mkdtemp is safe
NUMBER, OWN = "+14155552671", "+14155550100"
FINAL = ("completed", "busy", "no-answer", "failed", "canceled")


@dataclass
class CarrierLeg:
    """A leg as the carrier has it."""

    id: str
    key: str
    status: str = "queued"
    created_at: datetime = datetime.min

    @property
    def up(self):
        return self.status not in FINAL

    @property
    def duration_sec(self):
        return None


class ModelCarrier:
    """What recovery asks of a carrier."""

    def __init__(self):
        self.legs: dict[str, CarrierLeg] = {}

    async def fetch(self, leg):
        return self.legs[leg]

    async def hang_up(self, leg):
        if self.legs[leg].up:
            self.legs[leg].status = "completed"

    async def find(self, *, to, from_):
        return SimpleNamespace(calls=list(self.legs.values()), carrier_now=None)


class NoRecordings:
    async def left_by(self, call_id):
        return None


def exchange_of(ledger, line, clock):
    """What recovery needs of an exchange."""
    return SimpleNamespace(
        ledger=ledger,
        line=line,
        clock=clock,
        limits=Limits(),
        recordings=NoRecordings(),
        carrier=SimpleNamespace(usd_per_minute=0.014),
    )


class Attempt:
    """One call of one key: its machine, and what is under way for it."""

    def __init__(self, call_id, key):
        self.call_id, self.key = call_id, key
        self.call = Call(max_duration_sec=60, media_wait_sec=15, media_lost_sec=2)
        self.pending: list[effects.Effect] = []
        self.told: list[news.CallEvent] = []
        self.timers: list[tuple[float, effects.Timer]] = []
        self.moves: list[State] = []
        self.rank = self.call.state.rank
        self.outcome = None
        self.result: CallResult | None = None


class CallsThroughCrashes(RuleBasedStateMachine):
    """At most one call under way, any number one after another, each with a key of its own."""

    @initialize()
    def open(self):
        self.folder = Path(tempfile.mkdtemp(dir=IN_MEMORY))
        self.loop = asyncio.new_event_loop()
        self.clock = SimulatedClock(wall=datetime(2026, 1, 1, tzinfo=UTC))
        self.carrier = ModelCarrier()
        self.attempt: Attempt | None = None
        self.intents: dict[str, str] = {}
        self.made = 0
        self._open_ledger()

    def _open_ledger(self):
        self.ledger = SqliteLedger(
            self.folder / "calls.sqlite", clock=self.clock, retention_sec=3_600
        )
        self.do(self.ledger.open())

    def do(self, awaitable):
        return self.loop.run_until_complete(asyncio.wait_for(awaitable, 30))

    def teardown(self):
        if not hasattr(self, "loop"):
            return
        try:
            self.crash_and_recover()
            assert not [leg for leg in self.carrier.legs.values() if leg.up]
        finally:
            self.do(self.ledger.aclose())
            self.loop.close()
            shutil.rmtree(self.folder)

    # --- the engine's side -------------------------------------------------------------------

    @precondition(lambda self: self.attempt is None)
    @rule()
    def execute(self):
        self.made += 1
        self.attempt = Attempt(f"call_{self.made:032}", f"key {self.made}")
        self.apply(news.GatesPassed())

    def apply(self, event):
        attempt = self.attempt
        before = (attempt.call.state, attempt.call.carrier_call_id)
        wanted = attempt.call.apply(event, self.clock.now())
        call = attempt.call
        moved = (call.state, call.carrier_call_id) != before and attempt.call_id in self.intents
        if moved and call.state not in (State.INTENT, State.ENDED):
            attempt.moves.append(call.state)
            self.do(
                self.ledger.move(attempt.call_id, call.state, carrier_call_id=call.carrier_call_id)
            )
        for effect in wanted:
            if isinstance(effect, effects.Dial):
                assert call.outcome is None, "dialled for nobody"
            if isinstance(effect, effects.StartTimer):
                attempt.timers.append((self.clock.now() + effect.seconds, effect.timer))
            elif isinstance(effect, effects.End):
                # What is under way is stopped; but a write goes on, on the ledger's own thread.
                if effects.WriteIntent() in attempt.pending:
                    self._write_intent()
                attempt.pending = [effect]
            else:
                attempt.pending.append(effect)

    def _write_intent(self):
        attempt = self.attempt
        row = CallRow(
            call_id=attempt.call_id, owner=self.ledger.owner, scope="model",
            key=attempt.key, fingerprint="f", state=State.INTENT, to=NUMBER, from_=OWN,
            intended_at=self.clock.wall(),
        )  # fmt: skip
        assert self.do(self.ledger.intend(row)) is None

    @precondition(lambda self: self.attempt and self.attempt.pending)
    @rule(answer=st.sampled_from(["ok", "unclear", "unclear, made", "refused"]))
    def perform(self, answer):
        attempt = self.attempt
        effect = attempt.pending.pop(0)
        match effect:
            case effects.WriteIntent():
                self._write_intent()
                self.intents[attempt.call_id] = attempt.key
                self.apply(news.IntentWritten())
            case effects.Dial():
                assert attempt.call_id in self.intents, "intent comes before the dial"
                self._dial(answer)
            case effects.LookUp():
                known = [leg for leg in self.carrier.legs.values() if leg.key == attempt.key]
                if known and answer != "refused":
                    self.apply(news.Adopted(carrier_call_id=known[0].id))
                elif not known:
                    self.apply(news.LookUpFailed())
                else:
                    attempt.pending.append(effect)
            case effects.AskAfterLeg():
                self._ask_after(answer)
            case effects.End():
                self._end()
            case _:
                pass

    def _dial(self, answer):
        attempt = self.attempt
        if answer == "refused":
            self.apply(news.DialFailed(code="carrier_refused", sentence="No"))
            return
        if answer in ("ok", "unclear, made"):
            leg = CarrierLeg(f"CA{self.made}.{len(self.carrier.legs)}", attempt.key)
            leg.created_at = self.clock.wall()
            self.carrier.legs[leg.id] = leg
            if answer == "ok":
                self.apply(news.Adopted(carrier_call_id=leg.id))
        if answer != "ok":
            self.apply(news.DialUnclear())

    def _ask_after(self, answer):
        leg = self.carrier.legs[self.attempt.call.carrier_call_id]
        if leg.up or answer == "refused":
            self.apply(news.LegNotOver())
        else:
            self.apply(news.CarrierEnded(status=leg.status))

    def _end(self):
        attempt, call = self.attempt, self.attempt.call
        assert call.outcome is not None
        if call.hang_up_needed:
            self.do(self.carrier.hang_up(call.carrier_call_id))
        result = CallResult(
            call_id=attempt.call_id, status=call.outcome.status, to=NUMBER,
            may_have_dialed=call.may_have_dialed,
        )  # fmt: skip
        if attempt.call_id in self.intents:
            assert self.do(self.ledger.close_call(attempt.call_id, result))
        call.apply(news.Settled(), self.clock.now())
        attempt.result = result
        legs = [leg for leg in self.carrier.legs.values() if leg.key == attempt.key]
        assert call.may_have_dialed or not legs, "a leg that nobody may know of"
        assert not [leg for leg in legs if leg.up], "left up by an ending"
        row = self.do(self.ledger.read(attempt.call_id))
        assert row is None or row.result == result, "left open by an ending"
        if row is not None:
            late = replace(result, status="interrupted", duration_seconds=9.0)
            assert not self.do(self.ledger.close_call(attempt.call_id, late))
            assert self.do(self.ledger.read(attempt.call_id)).result == result
        self.attempt = None

    # --- the carrier's side ------------------------------------------------------------------

    @precondition(lambda self: any(leg.up for leg in self.carrier.legs.values()))
    @rule(status=st.sampled_from(["ringing", "in-progress", "completed", "busy", "failed"]))
    def carrier_moves(self, status):
        for leg in self.carrier.legs.values():
            if leg.up:
                leg.status = status
                if self.attempt is not None and self.attempt.key == leg.key:
                    self.attempt.told += _events(leg.id, status)

    @precondition(lambda self: self.attempt and self.attempt.told)
    @rule(index=st.integers(0, 20), what=st.sampled_from(["deliver", "duplicate", "drop"]))
    def callback(self, index, what):
        """Any of those under way: so they are reordered as well."""
        told = self.attempt.told
        event = told[index % len(told)]
        if what != "duplicate":
            told.remove(event)
        if what != "drop":
            self.apply(event)

    @precondition(lambda self: self.attempt)
    @rule(event=st.sampled_from([
        news.MediaOpened(), news.MediaClosed(announced=True), news.CancelAsked(),
        news.MediaClosed(announced=False), news.AgentDone(), news.EngineStopping(),
        news.EngineFailed(code="internal", sentence="Oh"),
        news.Adopted(carrier_call_id="CAstray"),
    ]))  # fmt: skip
    def something_happens(self, event):
        stray = isinstance(event, news.Adopted) and self.attempt.call.carrier_call_id is None
        if not stray:  # The door lets in signed references only.
            self.apply(event)

    @precondition(lambda self: self.attempt and self.attempt.moves)
    @rule(index=st.integers(0, 5))
    def a_move_is_written_late(self, index):
        attempt = self.attempt
        self.do(
            self.ledger.move(attempt.call_id, attempt.moves[min(index, len(attempt.moves) - 1)])
        )
        row = self.do(self.ledger.read(attempt.call_id))
        assert row.state.rank >= attempt.moves[-1].rank

    @precondition(lambda self: self.attempt)
    @rule(seconds=st.sampled_from([0.1, 2.0, 15.0, 60.0]))
    def time_passes(self, seconds):
        self.clock.advance(self.clock.now() + seconds)
        if self.attempt is not None:
            due = [t for t in self.attempt.timers if t[0] <= self.clock.now()]
            self.attempt.timers = [t for t in self.attempt.timers if t not in due]
            for _, timer in due:
                self.apply(news.TimerFired(timer=timer))

    @precondition(lambda self: self.attempt)
    @rule(now=st.sampled_from([True, False, False, False]))
    def crash(self, now):
        """Seldom, or no call would come far."""
        if now:
            self.crash_and_recover()

    def crash_and_recover(self):
        """Whatever of the journal was written is all that is left; it must be enough."""
        self.attempt = None
        self.do(self.ledger.aclose())  # The owner's lock goes, and nothing else is said.
        legs = len(self.carrier.legs)
        self._open_ledger()
        self.do(recover(exchange_of(self.ledger, self.carrier, self.clock)))
        assert len(self.carrier.legs) == legs, "recovery dialled"
        assert not [leg for leg in self.carrier.legs.values() if leg.up], "left up by recovery"
        for call_id in self.intents:
            row = self.do(self.ledger.read(call_id))
            assert row.result is not None, "not closed by recovery"
            assert row.state is State.ENDED

    # --- always ------------------------------------------------------------------------------

    @invariant()
    def it_moves_forward_and_decides_once(self):
        attempt = getattr(self, "attempt", None)
        if attempt is None:
            return
        assert attempt.pending or attempt.timers, "nothing will ever end it"
        assert attempt.call.state.rank >= attempt.rank
        attempt.rank = attempt.call.state.rank
        assert attempt.outcome in (None, attempt.call.outcome)
        attempt.outcome = attempt.call.outcome

    @invariant()
    def nobody_is_rung_twice(self):
        keys = [leg.key for leg in getattr(self, "carrier", ModelCarrier()).legs.values()]
        assert len(keys) == len(set(keys))
        attempt = getattr(self, "attempt", None)
        assert attempt is None or attempt.call.carrier_call_id in (None, *self.carrier.legs)


def _events(leg_id, status):
    adopted = news.Adopted(carrier_call_id=leg_id)
    match status:
        case "ringing":
            return [adopted, news.RingingHeard()]
        case "in-progress":
            return [adopted, news.AnswerHeard()]
        case _:
            return [adopted, news.CarrierEnded(status=status)]


CallsThroughCrashes.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestCallsThroughCrashes = CallsThroughCrashes.TestCase


def test_any_prefix_of_the_journal_recovers_to_a_legal_state(tmp_path):
    """The journal of one whole call, cut after each of its writes."""
    row = CallRow(
        call_id="call_" + "0" * 32, owner="", scope="model", key="k", fingerprint="f",
        state=State.INTENT, to=NUMBER, from_=OWN, intended_at=datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    closed = CallResult(call_id=row.call_id, status="completed", to=NUMBER, may_have_dialed=True)

    async def recovered(written):
        clock = SimulatedClock(wall=row.intended_at)
        path = tmp_path / str(written) / "calls.sqlite"
        first = SqliteLedger(path, clock=clock, retention_sec=3_600)
        await first.open()
        journal = [
            lambda: first.intend(replace(row, owner=first.owner)),
            *(
                lambda state=state: first.move(row.call_id, state, carrier_call_id="CA1")
                for state in (State.DIALING, State.RINGING, State.LIVE, State.ENDING)
            ),
            lambda: first.close_call(row.call_id, closed),
        ]
        for write in journal[:written]:
            await write()
        await first.aclose()
        carrier = ModelCarrier()
        if written:
            carrier.legs["CA1"] = CarrierLeg("CA1", "k", "in-progress", row.intended_at)
            if written == len(journal):
                carrier.legs["CA1"].status = "completed"
        second = SqliteLedger(path, clock=clock, retention_sec=3_600)
        await second.open()
        await recover(exchange_of(second, carrier, clock))
        found = await second.read(row.call_id)
        await second.aclose()
        assert not [leg for leg in carrier.legs.values() if leg.up]
        return found, len(journal)

    _, writes = asyncio.run(recovered(0))
    for written in range(1, writes + 1):
        found, _ = asyncio.run(recovered(written))
        assert found.state is State.ENDED
        expected = "completed" if written == writes else "interrupted"
        assert (found.result.status, found.result.may_have_dialed) == (expected, True)
