"""Carries one call: feeds its machine with events, and performs the effects that come out."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

from patter_core.calls import call_effects as effects
from patter_core.calls import call_events as news
from patter_core.calls.call import Call
from patter_core.calls.events import Answered, CallEnded, Dialing, Queued, Ringing
from patter_core.calls.result import CallResult
from patter_core.calls.status import State
from patter_core.errors import LedgerError, PatterError, ProviderError, TransferRefused
from patter_core.switchboard import end, gates, place
from patter_core.switchboard.audience import Audience
from patter_core.switchboard.connect import Conversation, MediaLink, TalkAccount
from patter_core.switchboard.control import LineControl
from patter_core.switchboard.keys import earlier_result
from patter_core.switchboard.look_up import ask_after, look_up
from patter_core.switchboard.minutes import Minutes
from patter_core.switchboard.planning import plan_of
from patter_core.telephony.callref import new_call_id

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from patter_core.calls.call_effects import Effect
    from patter_core.calls.call_events import CallEvent
    from patter_core.switchboard.exchange import Exchange
    from patter_core.switchboard.late_results import LateResults
    from patter_core.switchboard.order import Order
    from patter_core.switchboard.tape import Tape

_log = logging.getLogger(__name__)


class Operator:
    """One call, from the order to the result. Lives on the engine's loop; `result` everywhere.

    Attributes:
        call_id: Patter's id for the call.
        order: What was asked for.
        result: Done exactly once, whatever happens; cannot be cancelled.
        settled: Done once the intent is written, or it is certain that it never will be.
        audience: Who hears of the call.
    """

    def __init__(
        self, order: Order, exchange: Exchange, *, endings: asyncio.TaskGroup, late: LateResults
    ) -> None:
        """Take the order; `carry` does the rest. `endings` outlives the call's own tasks."""
        self.call_id = new_call_id()
        self.order = order
        self.result: Future[CallResult] = Future()
        self.result.set_running_or_notify_cancel()
        self.settled: Future[None] = Future()
        self.settled.set_running_or_notify_cancel()
        self.audience = Audience()
        self._exchange = exchange
        self._endings = endings
        self._late = late
        self._call = Call(
            max_duration_sec=order.arguments.max_duration_sec,
            media_wait_sec=exchange.limits.media_wait_sec,
            media_lost_sec=exchange.limits.media_lost_sec,
        )
        self._inbox: asyncio.Queue[CallEvent] = asyncio.Queue()
        self._group: asyncio.TaskGroup | None = None
        self._children: set[asyncio.Task[None]] = set()
        self._conversation: Conversation | None = None
        self._link: MediaLink | None = None
        self._tape: Tape | None = None
        self._earlier: CallResult | None = None
        self._holds_slot = False
        self._row_written = False
        self._waiters = 0
        self._minutes = Minutes(self.call_id, exchange, tell=self.audience.tell)
        self._control = LineControl(
            exchange,
            destinations=order.agent.kit.destinations.all_numbers,
            tell=self.tell,
            note=self._minutes.note,
            call_id=self.call_id,
            rung=order.arguments.to if order.arriving is None else None,
        )
        self._message_left = False

    # --- for those who wait ------------------------------------------------------------------

    def join(self) -> None:
        """One more waits for this call."""
        self._waiters += 1

    def leave(self) -> None:
        """One wants it no more; with the last one it is cancelled."""
        self._waiters -= 1
        if self._waiters <= 0:
            self.cancel()

    def cancel(self) -> None:
        """End the call, whoever waits for it."""
        self.tell(news.CancelAsked())

    def snapshot(self) -> CallResult:
        """The call as it is now, `in_progress` unless it is over."""
        if self.result.done():
            return self.result.result()
        talk = self._minutes.account()
        return CallResult(
            call_id=self.call_id,
            status="in_progress",
            transcript=talk.turns,
            metrics=talk.metrics,
            cost=end.cost_so_far(self._call, talk.cost, self._exchange),
            to=self.order.arguments.to,
            may_have_dialed=self._call.may_have_dialed,
        )

    def say(self, text: str) -> bool:
        """Have the agent say `text`; whether the call was live to hear it."""
        if self._conversation is None or self.ending:
            return False
        return self._conversation.say(text)

    def send_digits(self, digits: str) -> bool:
        """Press `digits`; whether the call was live to press them on."""
        if self._conversation is None or self._conversation.link is None or self.ending:
            return False
        self._control.send_digits(digits)
        return True

    async def transfer(self, target: str) -> None:
        """Hand the call over; see `CallControl.transfer`. A call that is not live refuses."""
        if self._call.state not in (State.LIVE, State.TRANSFERRING) or self.ending:
            raise TransferRefused("The call is not live, so there is nothing to hand over")
        await self._control.transfer(target)

    # --- for the door ------------------------------------------------------------------------

    def tell(self, event: CallEvent) -> None:
        """Report an event; it is dealt with after those before it."""
        self._inbox.put_nowait(event)

    def adopt(self, carrier_call_id: str) -> bool:
        """Take a carrier's word, which bore our reference, for the id of our leg.

        Returns:
            False when this call has another leg: then that one is a stranger.
        """
        known = self._call.carrier_call_id or self.order.arriving
        if known is None:
            self.tell(news.Adopted(carrier_call_id=carrier_call_id))
        return known in (None, carrier_call_id)

    def connect(self, carrier_call_id: str, link: MediaLink) -> Conversation | None:
        """Connect the call's audio, once; None when it has some, or is not up."""
        if self._link is not None or self._conversation is None or self.ending:
            return None
        if not self.adopt(carrier_call_id):
            return None
        self._link = link
        self.tell(news.MediaOpened())
        return self._conversation

    @property
    def ending(self) -> bool:
        """Whether the call is over, or nearly, so that nothing may begin any more."""
        return self._call.outcome is not None or self._call.state.rank >= State.ENDING.rank

    # --- the call's own task -----------------------------------------------------------------

    async def carry(self) -> None:
        """Carry the call to its end. Always gives a result, and raises nothing of the call."""
        self.audience.tell(Queued(call_id=self.call_id, to=self.order.arguments.to))
        try:
            async with asyncio.TaskGroup() as self._group:
                self._start(self._pass_gates())
                await self._pump()
                # What is still running must not hold up the hang-up, however it takes its
                # cancellation: the ending is not its sibling.
                self._begin_ending()
                for child in tuple(self._children):
                    child.cancel()
        except Exception:  # noqa: BLE001 - our own mistake in one call must not touch the others
            _log.exception("Call %s failed inside the engine", self.call_id)
            if self._call.state.rank < State.ENDING.rank:
                sentence = "The call failed inside the engine"
                self._apply(news.EngineFailed(code="internal", sentence=sentence))
                self._begin_ending()

    async def _pump(self) -> None:
        while self._call.state.rank < State.ENDING.rank:
            event = await self._inbox.get()
            before = (self._call.state, self._call.carrier_call_id)
            wanted = self._apply(event)
            if (self._call.state, self._call.carrier_call_id) != before:
                await self._record_move()
            if self._call.state is not before[0]:
                self._announce()
            for effect in wanted:
                self._perform(effect)
            self._leave_message()

    def _leave_message(self) -> None:
        """A machine answered, and records by now: say the message to it, once, and nothing else.

        The verdict may be there before the audio.
        """
        message = self.order.voicemail_message
        if message is None or self._message_left or self._call.answered_by != "machine":
            return
        if self._conversation is not None and not self.ending:
            reason = "It left a message on the voicemail"
            self._message_left = self._conversation.leave_message(message, reason)

    def _apply(self, event: CallEvent) -> tuple[Effect, ...]:
        return self._call.apply(event, self._exchange.clock.now())

    def _perform(self, effect: Effect) -> None:
        match effect:
            case effects.WriteIntent():
                self._start(self._write_intent())
            case effects.Dial():
                self._start(self._report(place.dial(self.order, self.call_id, self._exchange)))
            case effects.LookUp():
                row = place.intent_row(self.order, self.call_id, self._exchange)
                seconds = self._exchange.limits.look_up_sec
                self._start(self._report(look_up(row, self._exchange, seconds=seconds)))
            case effects.StartTimer(timer=timer, seconds=seconds):
                self._start(self._wait(timer, seconds))
            case effects.AskAfterLeg():
                self._start(self._report(ask_after(self._call.carrier_call_id, self._exchange)))
            case effects.Converse():
                if self._conversation is not None and self._link is not None:
                    self._conversation.begin(self._link)
            case effects.HandOver(target=target):
                hand_over = self._control.hand_over(self._call.carrier_call_id, target)
                self._start(self._report(hand_over))
            case effects.End():
                pass  # The pump stops at this state; what comes next is the ending.
            case _:
                assert_never(effect)

    def _start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        if self._group is not None:
            child = self._group.create_task(coroutine)
            self._children.add(child)
            child.add_done_callback(self._children.discard)

    # --- effects -----------------------------------------------------------------------------

    async def _pass_gates(self) -> None:
        try:
            self.tell(await self._gates())
        except PatterError as error:
            self.tell(place.unforeseen(error, self.call_id))

    async def _gates(self) -> CallEvent:
        order, exchange = self.order, self._exchange
        if order.arriving is not None:
            return await self._take_in(order.arriving)
        self._earlier = await earlier_result(order, exchange)
        if self._earlier is not None:
            return news.AlreadyMade(status=self._earlier.status)
        refused = gates.judge(order, exchange) or await gates.ask_consent(order, exchange)
        refused = refused or await gates.ask_approval(order, exchange)
        refused = refused or await gates.rehearse(order, exchange)
        refused = refused or await gates.take_slot(exchange)
        if refused is not None:
            return refused
        self._holds_slot = True
        refused = await self._open_voice()
        if refused is not None:
            return refused
        await exchange.pace.wait(exchange.carrier.calls_per_second)
        return news.GatesPassed()

    async def _take_in(self, carrier_call_id: str) -> CallEvent:
        """Somebody rings us: a free line and a voice are all that it takes."""
        self._holds_slot = self._exchange.slots.take_now()
        if not self._holds_slot:
            sentence = "Every line is in use, so the call was turned away"
            return news.Refused(status="rejected", code="queue_full", sentence=sentence)
        return await self._open_voice() or news.CallArrived(carrier_call_id=carrier_call_id)

    async def _open_voice(self) -> news.Refused | None:
        plan = plan_of(
            self.order,
            self.call_id,
            self._exchange,
            control=self._control,
            announce=self.audience.tell,
        )
        if self.order.recording:
            self._tape = self._exchange.recordings.begin(self.call_id)
        self._conversation = Conversation(
            plan,
            self.order.agent,
            on_turn=self._minutes.turn_finished,
            on_over=self._talked_out,
            tape=self._tape,
        )
        self._control.attach(self._conversation)
        self._minutes.attach(self._conversation)
        self._start(self._converse(self._conversation))
        clock, seconds = self._exchange.clock, self._exchange.limits.voice_open_sec
        try:
            async with clock.timeout(seconds):
                with clock.hold():
                    await self._conversation.opened
        except Exception as error:  # noqa: BLE001 - a stranger's code: nobody is rung without it
            # Only an error of ours is known to say nothing that does not belong into a log.
            shown = error if isinstance(error, ProviderError) else type(error).__name__
            _log.warning("Call %s: the voice could not be had: %s", self.call_id, shown)
            sentence = "The agent's voice or model could not be reached, so nobody was rung"
            return news.Refused(status="failed", code="provider_failed", sentence=sentence)
        return None

    async def _converse(self, conversation: Conversation) -> None:
        try:
            await conversation.hold(self._exchange.resources)
        except ProviderError as error:
            _log.warning("Call %s: the conversation broke off: %s", self.call_id, error)
            sentence = "The agent's voice or model failed during the call, so it was hung up"
            self.tell(news.EngineFailed(code="provider_failed", sentence=sentence))

    async def _write_intent(self) -> None:
        try:
            holder = await place.intend(self.order, self.call_id, self._exchange)
            if holder is None:
                self._row_written = True
                self.tell(news.IntentWritten())
                return
            if isinstance(holder, news.Refused):
                self.tell(holder)
                return
            # Another phone took the key since we looked: its call is ours.
            self._earlier = await earlier_result(self.order, self._exchange)
        except PatterError as error:
            self.tell(place.unforeseen(error, self.call_id))
            return
        if self._earlier is not None:
            self.tell(news.AlreadyMade(status=self._earlier.status))
        else:  # And that call came to nothing, so that the key is free again.
            await self._write_intent()

    async def _report(self, coroutine: Coroutine[Any, Any, CallEvent]) -> None:
        self.tell(await coroutine)

    async def _wait(self, timer: effects.Timer, seconds: float) -> None:
        await self._exchange.clock.sleep(seconds)
        self.tell(news.TimerFired(timer=timer))

    # --- telling others ----------------------------------------------------------------------

    async def _record_move(self) -> None:
        """Write where the call is, before anything is done about it."""
        call = self._call
        if not self._row_written or call.state in (State.INTENT, State.ENDED):
            return
        answered_at = self._exchange.clock.wall() if call.state is State.LIVE else None
        try:
            await self._exchange.ledger.move(
                self.call_id,
                call.state,
                carrier_call_id=call.carrier_call_id,
                answered_at=answered_at,
            )
        except LedgerError:
            # The intent is on disk; a live call goes on and ends properly without the rest.
            _log.warning("Call %s: a move could not be written", self.call_id, exc_info=True)

    def _announce(self) -> None:
        if self._call.state is not State.QUEUED:
            self._settle()
        match self._call.state:
            case State.INTENT:
                self.audience.tell(Dialing(call_id=self.call_id, to=self.order.arguments.to))
            case State.RINGING:
                self.audience.tell(Ringing(call_id=self.call_id))
            case State.LIVE:
                self.audience.tell(Answered(call_id=self.call_id))
            case _:
                pass

    def _talked_out(self, reason: str) -> None:
        """The agent is done: why belongs into the transcript, and the call is ended."""
        self._minutes.note(f"The agent ended the call: {reason}")
        self.tell(news.AgentDone())

    def _settle(self) -> None:
        if not self.settled.done():
            self.settled.set_result(None)

    # --- the ending --------------------------------------------------------------------------

    def _begin_ending(self) -> None:
        self._endings.create_task(self._end(self._minutes.account()))

    async def _end(self, talk: TalkAccount) -> None:
        """Outside of the call's own tasks: nothing that ends them can end this."""
        await end.hang_up(self._call, self.call_id, self._exchange)
        self._control.close()
        if self._link is not None:
            self._link.close()
        if self._tape is not None:
            await end.finish_recording(self._tape, self.call_id, self._exchange)
        result = self._result_now(talk)
        if self._row_written and not await end.close_record(result, self._exchange):
            self._late.keep(result)  # Whoever waits for it gets it all the same.
        self._apply(news.Settled())
        if self._holds_slot:
            self._exchange.slots.give_back()
        self._answer(result)

    def give_up(self) -> None:
        """Answer those who wait although the call is not over: the phone closes without it.

        Its row stays open, so that the next start ends what may be left of it.
        """
        self._apply(news.EngineStopping())
        self._minutes.write()
        self._answer(self._result_now(self._minutes.account()))

    def _result_now(self, talk: TalkAccount) -> CallResult:
        if self._earlier is not None:
            return self._earlier
        call, to = self._call, self.order.arguments.to
        result = end.result_of(call, self.call_id, to, talk, self._exchange)
        return result if self._tape is None else replace(result, recording=self._tape.path)

    def _answer(self, result: CallResult) -> None:
        if not self.result.done():
            self._settle()
            self.audience.tell(CallEnded(call_id=self.call_id, result=result))
            self.result.set_result(result)
            self._minutes.close()
