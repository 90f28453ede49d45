"""`Patter`, the phone: composes the rooms, and is what developers hold."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar

from patter_core.agent import Agent
from patter_core.calls.bounds import is_e164
from patter_core.calls.number_facts import canonical, facts_of
from patter_core.calls.result import CallResult
from patter_core.calls.tally import DoNotCall
from patter_core.errors import ArgumentError, ConfigError
from patter_core.home_loop import HomeLoop
from patter_core.phone_opening import PhoneOpening
from patter_core.phone_settings import checked_settings
from patter_core.stop_signals import stop_signals
from patter_core.switchboard.live_call import LiveCall
from patter_core.switchboard.ordering import take_order

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping
    from pathlib import Path
    from types import TracebackType

    from patter_core.calls.ledger import CallLedger
    from patter_core.calls.policy import DialPolicy
    from patter_core.calls.request import CallRequest
    from patter_core.calls.transcript import Turn
    from patter_core.clock import Clock
    from patter_core.config import Limits
    from patter_core.guest_loop import GuestLoops
    from patter_core.open_phone import OpenPhone
    from patter_core.phone_settings import PhoneSettings
    from patter_core.switchboard.order import Order
    from patter_core.telephony.carrier import Carrier

P = ParamSpec("P")
T = TypeVar("T")

AGENT_PARTS = (
    "system_prompt",
    "first_message",
    "engine",
    "stt",
    "llm",
    "tts",
    "voice",
    "language",
    "variables",
    "turns",
    "tools",
    "toolset",
    "tenant",
    "transfer_to",
)
"""What `Patter.agent` takes."""


class Patter:
    """A phone with one number at one carrier.

    The constructor checks everything and touches nothing; `start`, `serve`, `async with` or the
    first call opens it.
    """

    def __init__(
        self,
        *,
        carrier: Carrier | None = None,
        phone_number: str = "",
        webhook_url: str = "",
        policy: DialPolicy | None = None,
        ledger: str | Path | CallLedger | None = None,
        recordings: str | Path | None = None,
        max_concurrent_calls: int = 1,
        host: str | None = None,
        port: int | None = None,
        limits: Limits | None = None,
        clock: Clock | None = None,
        twilio_sid: str = "",
        twilio_token: str = "",
        openai_key: str = "",
        dependencies: Mapping[str, Any] | None = None,
        allow_hosts: Collection[str] = (),
        allow_ports: Collection[int] = (),
        breaker_threshold: int = 5,
        breaker_cooldown_sec: float = 30.0,
        secrets: Collection[str] = (),
    ) -> None:
        """Describe the phone.

        Args:
            carrier: The account that rings people; None takes Twilio's from the environment.
            phone_number: The number that rings, E.164; "" takes $PATTER_PHONE_NUMBER.
            webhook_url: Where the carrier reaches this process: a public host, https assumed; ""
                takes $PATTER_WEBHOOK_URL. Not needed with an account of the phone network.
            policy: Who may be rung; None for `DialPolicy()`, or `DialPolicy.simulation()` with an
                account of the phone network.
            ledger: Where calls are recorded: a path, ":memory:", or a ledger; None for
                `calls.sqlite` in the state directory, or ":memory:" on the phone network.
            recordings: The folder of recordings; None for `recordings` beside the ledger, or, with
                a ledger in memory, a temporary one.
            max_concurrent_calls: How many calls may be up at once; more wait for their turn.
            host: Where to listen; None for 127.0.0.1, or everywhere when there is a webhook_url.
            port: None for $PORT or 8000; 0 picks a free one.
            limits: Every timeout and bound.
            clock: Time; None for the system's.
            twilio_sid: With `twilio_token`, the same as carrier=Twilio(sid, token).
            twilio_token: See `twilio_sid`.
            openai_key: The key of OpenAI providers that were made without one.
            dependencies: What tools may need, by the names that they declare.
            allow_hosts: Hosts that tools' webhooks may be at though they are not public, as in
                "127.0.0.1:8000"; for tests and for services of one's own.
            allow_ports: Ports that they may use beside 80, 443, 8080 and 8443.
            breaker_threshold: After how many failed uses in a row a tool rests; 0 is never.
            breaker_cooldown_sec: How long it rests.
            secrets: Texts of prompts and context that must not get out: hidden in what the agent
                says, in results and in logs.

        Raises:
            ConfigError: Something is missing or contradicts itself; it says what to do.
        """
        settings = checked_settings(
            carrier=carrier,
            twilio_sid=twilio_sid,
            twilio_token=twilio_token,
            phone_number=phone_number,
            webhook_url=webhook_url,
            policy=policy,
            ledger=ledger,
            recordings=recordings,
            max_concurrent_calls=max_concurrent_calls,
            host=host,
            port=port,
            limits=limits,
            clock=clock,
            dependencies=dependencies,
            allow_hosts=allow_hosts,
            allow_ports=allow_ports,
            breaker_threshold=breaker_threshold,
            breaker_cooldown_sec=breaker_cooldown_sec,
            secrets=secrets,
        )
        self._opening = PhoneOpening(settings)
        self._openai_key = openai_key

    # --- agents ------------------------------------------------------------------------------

    def agent(self, **parts: Any) -> Agent:
        """An agent for this phone's calls.

        Args:
            **parts: Any of `AGENT_PARTS`: see `patter_core.agent_parts.make_agent`.

        Raises:
            ConfigError: Parts are missing, unknown or contradict each other; it names them.
        """
        unknown = [name for name in parts if name not in AGENT_PARTS]
        if unknown:
            raise ConfigError(
                f"agent: {', '.join(unknown)} unknown; the parts are {', '.join(AGENT_PARTS)}"
            )
        # Engines and tools cost more to import than the phone, so not before an agent needs them.
        from patter_core.agent_parts import make_agent

        return make_agent(
            **parts,
            guard=self._settings.url_guard(),
            dependencies=self._settings.dependencies,
            openai_key=self._openai_key,
            region=facts_of(self._settings.phone_number).region,
        )

    @staticmethod
    def tool(*parts: Any, **fields: Any) -> Any:  # noqa: ANN401 - a Tool, or a decorator
        """Something that an agent may use, or a decorator that makes it: the same as `tool`."""
        from patter_core.tools.definition import tool

        return tool(*parts, **fields)

    # --- open and close ----------------------------------------------------------------------

    @property
    def url(self) -> str:
        """Where this phone is reached: the webhook address, or where it listens once open."""
        return self._settings.public_url or self._opening.address

    @property
    def policy(self) -> DialPolicy:
        """Who may be rung."""
        return self._settings.policy

    async def start(self) -> None:
        """Open the phone; returns when it listens. Safe to repeat, and to call from many loops.

        The calling loop becomes the one where hooks run.

        Raises:
            ConfigError: It cannot listen, say; nothing stays open, and a later try is fine.
        """
        self.guests.adopt(asyncio.get_running_loop())
        await self.opened(reopen=True)

    async def opened(self, *, reopen: bool = False) -> OpenPhone:
        """The open phone, opened now if it was not. Adopts no loop.

        Raises:
            ConfigError: It cannot be opened.
            PhoneClosed: It was closed, and `reopen` is not set.
        """
        return await self._opening.opened(reopen=reopen)

    def opened_blocking(self) -> OpenPhone:
        """Like `opened`, for a thread that waits."""
        return self._opening.opened_blocking()

    async def drain(self, timeout_sec: float) -> bool:
        """Take no more calls and end the live ones; for a shutdown handler of one's own.

        Returns:
            Whether all of them had ended after `timeout_sec`. The phone stays open for the
            carrier's last words; `aclose` closes it.
        """
        return await self._opening.drain(timeout_sec)

    async def aclose(self) -> None:
        """End live calls (bounded by `Limits.drain_sec`) and close. Safe to repeat."""
        await self._opening.close()

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except asyncio.CancelledError:
            await self.aclose()  # It goes on opening, and nobody would close it.
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def serve(
        self,
        agent: Agent | dict[str, Any] | None = None,
        port: int | None = None,
        host: str | None = None,
        *,
        handle_signals: bool = False,
    ) -> None:
        """Open the phone and keep it open until cancelled, then close it.

        Args:
            agent: Who speaks with people that ring the number, once its voice webhook at the
                carrier is `{webhook_url}/twilio/voice`; None turns them away.
            port: Where to listen from now on; None for the phone's own.
            host: Likewise.
            handle_signals: Close on SIGINT and SIGTERM too; the handlers that were there before
                are put back.

        Raises:
            ConfigError: The agent cannot be made, it cannot listen, or it listens elsewhere.
        """
        made = None if agent is None else self._made(agent)
        self._opening.listen_at(host, port)
        stopped = asyncio.Event()
        with stop_signals(stopped.set) if handle_signals else nullcontext():
            async with self:
                phone = await self.opened()
                phone.home.post(phone.desk.receive_with, made)
                await stopped.wait()

    # --- calls -------------------------------------------------------------------------------

    async def call(
        self, to: str, agent: Agent | dict[str, Any] | None = None, **options: Any
    ) -> CallResult:
        """Ring somebody and wait for the result; see `place_call` for the options.

        Cancelling ends the call.
        """
        live = await self.place_call(to, agent, **options)
        try:
            return await live.result()
        except BaseException:
            live.leave()
            raise

    async def place_call(
        self,
        to: str,
        agent: Agent | dict[str, Any] | None = None,
        *,
        goal: str | None = None,
        first_message: str | None = None,
        max_duration_sec: int | None = None,
        ring_timeout_sec: int = 25,
        machine_detection: bool = True,
        recording: bool = False,
        voicemail_message: str | None = None,
        idempotency_key: str | None = None,
    ) -> LiveCall:
        """Ring somebody; returns once the intent is written, or the call was rejected.

        Args:
            to: Whom, E.164.
            agent: Who speaks: an agent, or a dict of `agent` keywords; None for OpenAI Realtime
                with nothing but the goal.
            goal: What this call should achieve.
            first_message: The first thing said on answer; None for the agent's own.
            max_duration_sec: The whole call, ringing included; None for 180.
            ring_timeout_sec: How long it rings, 5 to 600.
            machine_detection: Whether the carrier tells who or what answered.
            recording: Whether the call is recorded; `result.recording` says where.
            voicemail_message: What is said, after the beep, to a machine that answers; the call
                is ended then. None has the agent talk to whoever, or whatever, answers.
            idempotency_key: The same key joins or replays the same call.

        Raises:
            ConfigError: The agent cannot be made, or the phone cannot be opened.
        """
        order = self.order(
            {
                "to": to,
                "goal": goal,
                "first_message": first_message,
                "max_duration_sec": max_duration_sec,
            },
            agent,
            idempotency_key=idempotency_key,
            awaiting=asyncio.get_running_loop(),
            ring_timeout_sec=ring_timeout_sec,
            machine_detection=machine_detection,
            recording=recording,
            voicemail_message=voicemail_message,
        )
        return await self.place(order)

    async def place(self, order: Order | CallResult) -> LiveCall:
        """A hand on the call that was ordered, once its intent is written or it is over.

        Raises:
            ConfigError: The phone cannot be opened.
        """
        if isinstance(order, CallResult):
            live = LiveCall(order.to, HomeLoop())
            live.finish(order)
            return live
        phone = await self.opened()
        live = LiveCall(order.arguments.to, phone.home)
        live.place(order, phone.desk)
        try:
            await live.settled()
        except BaseException:
            live.leave()
            raise
        return live

    def order(
        self,
        arguments: Any,  # noqa: ANN401 - a stranger's
        agent: Agent | dict[str, Any] | None,
        *,
        idempotency_key: str | None,
        awaiting: asyncio.AbstractEventLoop | None,
        blocked: asyncio.AbstractEventLoop | None = None,
        approve: Callable[[CallRequest], Awaitable[bool | str] | bool | str] | None = None,
        default_duration_sec: int = 180,
        ring_timeout_sec: int = 25,
        machine_detection: bool = True,
        recording: bool = False,
        voicemail_message: str | None = None,
    ) -> Order | CallResult:
        """Check what was asked for; see `take_order`."""
        return take_order(
            arguments,
            self._made(agent),
            from_=self._settings.phone_number,
            guest=self.guests.guest(awaiting, blocked),
            idempotency_key=idempotency_key,
            approve=approve,
            default_duration_sec=default_duration_sec,
            ring_timeout_sec=ring_timeout_sec,
            machine_detection=machine_detection,
            recording=recording,
            voicemail_message=voicemail_message,
        )

    def _made(self, agent: Agent | dict[str, Any] | None) -> Agent:
        return agent if isinstance(agent, Agent) else self.agent(**(agent or {}))

    async def test(
        self,
        agent: Agent | dict[str, Any] | None = None,
        *,
        goal: str | None = None,
        first_message: str | None = None,
        read: Callable[[], Awaitable[str | None] | str | None] | None = None,
        write: Callable[[str], None] | None = None,
    ) -> tuple[Turn, ...]:
        """Talk to `agent` in writing, in the terminal: nobody is rung, and nothing is opened.

        It has the model, the prompt and the tools of its calls; tools are really used. Its words,
        and what its tools are asked and answer, are shown. `/quit`, or the end of the input, ends
        it, and so does the agent when it hangs up. For `goal` and the rest, and for what is raised,
        see `rehearse`.

        Returns:
            Who said what.
        """
        from patter_core.rehearsal.rehearsal import rehearse

        return await rehearse(
            self._made(agent),
            self._settings,
            goal=goal,
            first_message=first_message,
            read=read,
            write=write,
        )

    async def result(self, call: str) -> CallResult | None:
        """What became of an earlier call, by its call_id or its idempotency_key.

        Returns:
            None for a call that was never made; `in_progress` for one that is under way.

        Raises:
            LedgerError: The record cannot be read.
        """
        phone = await self.opened()
        return await _on(phone, phone.desk.result_of, call)

    # --- who is not to be rung ---------------------------------------------------------------

    async def do_not_call(self, number: str) -> bool:
        """Put `number`, E.164, on the do-not-call list, which `DialPolicy(do_not_call=)` is about.

        The list is the ledger's: one for all phones that share it.

        Returns:
            Whether it was not on the list yet.

        Raises:
            ArgumentError: It is no number in E.164 form.
            LedgerError: It could not be written.
        """
        phone, number = await self.opened(), _listed(number)
        entry = DoNotCall(number=number, added_at=self._settings.clock.wall())
        return await _on(phone, phone.desk.exchange.ledger.add_do_not_call, entry)

    async def remove_do_not_call(self, number: str) -> bool:
        """Take `number` off the list again; whether it was there. Raises like `do_not_call`."""
        phone, number = await self.opened(), _listed(number)
        return await _on(phone, phone.desk.exchange.ledger.remove_do_not_call, number)

    async def do_not_call_list(self) -> list[DoNotCall]:
        """Everybody who is on the list, in the order of adding.

        Raises:
            LedgerError: It could not be read.
        """
        phone = await self.opened()
        return await _on(phone, phone.desk.exchange.ledger.do_not_call_list)

    @property
    def _settings(self) -> PhoneSettings:
        return self._opening.settings

    @property
    def guests(self) -> GuestLoops:
        """Where hooks run."""
        return self._settings.guests

    @property
    def simulated(self) -> bool:
        """Whether it rings simulated callees only."""
        return self._settings.carrier.simulated

    @property
    def limits(self) -> Limits:
        """Every timeout and bound."""
        return self._settings.limits


async def _on(
    phone: OpenPhone,
    function: Callable[P, Coroutine[Any, Any, T]],
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """Await `function` on the engine's loop, from whichever loop this is."""
    return await asyncio.wrap_future(phone.home.submit(function, *args, **kwargs))


def _listed(number: str) -> str:
    if not is_e164(number):
        raise ArgumentError("number", "'number' must be in E.164 form, as in +14155552671")
    # The one spelling in which the policy lets it be rung.
    return canonical(number)
