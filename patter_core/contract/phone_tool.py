"""`PatterTool`: arguments go in, one call is made, one result comes out. Never an exception."""

from __future__ import annotations

import asyncio
import inspect
import logging
import queue
from concurrent.futures import wait
from typing import TYPE_CHECKING, Any

from patter_core.agent import Agent
from patter_core.calls.bounds import DEFAULT_DURATION_SEC, LONGEST_DURATION_SEC
from patter_core.calls.events import CallEnded, ProgressEvent
from patter_core.calls.result import CallResult, rejected
from patter_core.contract import exports
from patter_core.errors import ConfigError, PatterError, PhoneClosed
from patter_core.guest_loop import is_async
from patter_core.phone import Patter
from patter_core.switchboard.live_call import LiveCall

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from patter_core.calls.request import CallRequest
    from patter_core.open_phone import OpenPhone
    from patter_core.switchboard.order import Order

    Approve = Callable[[CallRequest], Awaitable[bool | str] | bool | str]
    OnEvent = Callable[[ProgressEvent], Awaitable[None] | None]

_log = logging.getLogger(__name__)

DESCRIPTION = (
    "Make a real phone call: a voice agent rings the number, talks with whoever answers towards "
    "the goal, hangs up, and returns what was said and how it ended. It takes as long as the "
    "call. Somebody's phone rings and money is spent, so call once, with everything that the "
    "voice agent needs to know in the goal."
)


class PatterTool:
    """A phone as one tool for a text agent.

    Whatever happens, `execute` returns a `CallResult`; only cancellation leaves it, and ends the
    call.
    """

    def __init__(
        self,
        phone: Patter,
        agent: Agent | dict[str, Any] | None = None,
        *,
        name: str = "make_phone_call",
        description: str = DESCRIPTION,
        max_duration_sec: int = DEFAULT_DURATION_SEC,
        recording: bool = False,
        approve: Approve | None = None,
        on_event: OnEvent | None = None,
    ) -> None:
        """Describe the tool; nothing is opened.

        Args:
            phone: What rings.
            agent: Who speaks: an agent, or a dict of `phone.agent` keywords.
            name: The tool's name, as the model sees it.
            description: What the model reads about it.
            max_duration_sec: A call's duration when the model does not say; 1 to 1800.
            recording: Whether calls are recorded; `result.recording` says where.
            approve: Asked before each call; `CallRequest` in, yes, no or a reason for no out.
            on_event: Hears of everything that happens, in order, on the guest loop.

        Raises:
            ConfigError: The agent cannot be made, or a setting is out of range.
        """
        if not isinstance(phone, Patter):
            raise ConfigError(f"PatterTool needs a Patter, not {type(phone).__name__}")
        if (
            isinstance(max_duration_sec, bool)
            or not isinstance(max_duration_sec, int)
            or not 1 <= max_duration_sec <= LONGEST_DURATION_SEC
        ):
            raise ConfigError(
                f"max_duration_sec is {max_duration_sec!r}; it must be a whole number from 1 to "
                f"{LONGEST_DURATION_SEC}"
            )
        self.name = name
        self.description = description
        self._phone = phone
        self._agent = agent if isinstance(agent, Agent) else phone.agent(**(agent or {}))
        self._max_duration_sec = max_duration_sec
        self._recording = recording
        self._approve = approve
        self._on_event = on_event
        if not phone.policy.disclosure and not phone.simulated:
            _log.warning(
                "Callees are not told that an AI calls; DialPolicy(disclosure=...) says it first"
            )

    # --- schemas -----------------------------------------------------------------------------

    def schema(self, *, strict: bool = False) -> dict[str, Any]:
        """The arguments' JSON Schema, fresh."""
        return exports.strict_schema() if strict else exports.plain_schema(self._max_duration_sec)

    def openai_schema(self, *, strict: bool = False) -> dict[str, Any]:
        """The tool for OpenAI's Chat Completions."""
        return exports.openai_chat(
            self.name, self.description, self.schema(strict=strict), strict=strict
        )

    def openai_responses_schema(self, *, strict: bool = False) -> dict[str, Any]:
        """The tool for OpenAI's Responses."""
        return exports.openai_responses(
            self.name, self.description, self.schema(strict=strict), strict=strict
        )

    def anthropic_schema(self) -> dict[str, Any]:
        """The tool for Anthropic's Messages."""
        return exports.anthropic(self.name, self.description, self.schema())

    def hermes_schema(self) -> dict[str, Any]:
        """The tool for Hermes Agent's registry."""
        return exports.hermes(self.name, self.description, self.schema())

    # --- open and close ----------------------------------------------------------------------

    async def start(self) -> None:
        """Open the phone; returns when it listens. Safe to repeat.

        Raises:
            ConfigError: It cannot be opened; a later try is fine.
        """
        await self._phone.start()

    async def stop(self) -> None:
        """End live calls and close the phone. Safe to repeat."""
        await self._phone.aclose()

    # --- calls -------------------------------------------------------------------------------

    async def execute(
        self,
        arguments: Mapping[str, Any] | str | bytes | None = None,
        /,
        *,
        idempotency_key: str | None = None,
        on_event: OnEvent | None = None,
        **keywords: Any,
    ) -> CallResult:
        """Make one call and return what became of it.

        Args:
            arguments: A mapping, or the JSON text of an object; or pass the fields as keywords.
            idempotency_key: The same key joins or replays the same call.
            on_event: Hears of everything that happens to this call, in order, in the task and on
                the loop that awaits it.
            **keywords: The fields.
        """
        loop = asyncio.get_running_loop()
        order = self._order(arguments, keywords, idempotency_key, awaiting=loop)
        if isinstance(order, CallResult):
            return order
        try:
            phone = await self._phone.opened()
        except PatterError as error:
            return _not_opened(order.arguments.to, error)
        live = LiveCall(order.arguments.to, phone.home)
        live.place(order, phone.desk)
        live.leave_with(loop)
        try:
            return await self._watched(live, order, on_event)
        except BaseException:
            live.leave()
            raise

    def execute_blocking(
        self,
        arguments: Mapping[str, Any] | str | bytes | None = None,
        /,
        *,
        idempotency_key: str | None = None,
        on_event: OnEvent | None = None,
        **keywords: Any,
    ) -> CallResult:
        """Like `execute`, for plain code: blocks the calling thread until the call is over.

        Works inside a running loop as well, whose own hooks then run on a loop of ours.
        A plain `on_event` is called in the calling thread, an async one on the guest loop.
        """
        order = self._order(
            arguments, keywords, idempotency_key, awaiting=None, blocked=_running_loop()
        )
        if isinstance(order, CallResult):
            return order
        try:
            phone = self._phone.opened_blocking()
        except PatterError as error:
            return _not_opened(order.arguments.to, error)
        live = LiveCall(order.arguments.to, phone.home)
        live.place(order, phone.desk)
        try:
            return self._watched_blocking(live, order, on_event, phone)
        except BaseException:
            live.leave()
            raise

    async def submit(
        self,
        arguments: Mapping[str, Any] | str | bytes | None = None,
        /,
        *,
        idempotency_key: str | None = None,
        **keywords: Any,
    ) -> LiveCall:
        """Ask for one call and return a hand on it, once its intent is written or it is over.

        Raises:
            ConfigError: The phone cannot be opened.
        """
        loop = asyncio.get_running_loop()
        order = self._order(arguments, keywords, idempotency_key, awaiting=loop)
        return await self._phone.place(order)

    def _order(
        self,
        arguments: Mapping[str, Any] | str | bytes | None,
        keywords: dict[str, Any],
        idempotency_key: str | None,
        *,
        awaiting: asyncio.AbstractEventLoop | None,
        blocked: asyncio.AbstractEventLoop | None = None,
    ) -> Order | CallResult:
        if arguments is not None and keywords:
            names = ", ".join(keywords)
            sentence = f"Pass the fields in one object or as keywords, not both ({names})"
            return rejected("", "invalid_arguments", sentence)
        return self._phone.order(
            keywords if arguments is None else arguments,
            self._agent,
            idempotency_key=idempotency_key,
            awaiting=awaiting,
            blocked=blocked,
            approve=self._approve,
            default_duration_sec=self._max_duration_sec,
            recording=self._recording,
        )

    # --- telling hooks -----------------------------------------------------------------------

    async def _watched(self, live: LiveCall, order: Order, on_event: OnEvent | None) -> CallResult:
        """The result, once the hooks have heard of it, or have had their time to."""
        if on_event is None and self._on_event is None:
            return await live.result()
        async with asyncio.TaskGroup() as group:
            telling = group.create_task(self._tell_hooks(live, order, on_event))
            try:
                result = await live.result()
            except BaseException:
                live.leave()  # Now: the group waits for the hook, which may take its time.
                raise
            await asyncio.wait([telling], timeout=self._phone.limits.hooks_sec)
            telling.cancel()
        return result

    async def _tell_hooks(self, live: LiveCall, order: Order, on_event: OnEvent | None) -> None:
        async for event in live.events():
            if on_event is not None:
                await _heard(_call_here(on_event, event))
            if self._on_event is not None:
                await self._tell_guest(self._on_event, order, event)

    def _watched_blocking(
        self, live: LiveCall, order: Order, on_event: OnEvent | None, phone: OpenPhone
    ) -> CallResult:
        """The same for a thread that waits, and can hear of events itself."""
        plain = None if on_event is None or is_async(on_event) else on_event
        guests = [hook for hook in (on_event, self._on_event) if hook not in (None, plain)]
        telling = phone.home.submit(self._tell_guests, live, order, guests) if guests else None
        if plain is not None:
            _tell_here(live, plain)
        result = live.result_blocking()
        if telling is not None:
            _, late = wait([telling], self._phone.limits.hooks_sec)
            if late:
                telling.cancel()
        return result

    async def _tell_guests(
        self, live: LiveCall, order: Order, hooks: Sequence[OnEvent | None]
    ) -> None:
        async for event in live.events():
            for hook in hooks:
                if hook is not None:
                    await self._tell_guest(hook, order, event)

    async def _tell_guest(self, hook: OnEvent, order: Order, event: ProgressEvent) -> None:
        await _heard(self._phone.guests.call(order.guest_loop, hook, event))


def _tell_here(live: LiveCall, hook: OnEvent) -> None:
    events: queue.SimpleQueue[ProgressEvent] = queue.SimpleQueue()
    live.listen(events.put)
    while True:
        event = events.get()
        try:
            hook(event)
        except (Exception, asyncio.CancelledError):  # noqa: BLE001 - a user's hook, as below
            _log.exception("An on_event hook raised; the call goes on")
        if isinstance(event, CallEnded):
            return


async def _call_here(hook: OnEvent, event: ProgressEvent) -> None:
    answer = hook(event)
    if inspect.isawaitable(answer):
        await answer


async def _heard(telling: Awaitable[None]) -> None:
    try:
        await telling
    except Exception:  # noqa: BLE001 - a user's hook: what it raises changes nothing
        _log.exception("An on_event hook raised; the call goes on")


def _not_opened(to: str, error: PatterError) -> CallResult:
    if isinstance(error, PhoneClosed):
        return rejected(to, "phone_closed", str(error))
    return CallResult(
        call_id="",
        status="failed",
        to=to,
        error=f"The phone could not be opened, and nobody was rung: {error}",
        error_code="internal",
    )


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def as_phone_tool(
    phone: Patter | PatterTool, *, agent: Agent | dict[str, Any] | None = None, **options: Any
) -> PatterTool:
    """What every adapter wraps: a tool as it is, or one made of a phone.

    Raises:
        ConfigError: Options were given for a tool that is already made.
    """
    if isinstance(phone, PatterTool):
        if agent is not None or options:
            raise ConfigError("agent= and options go with a Patter; this PatterTool has its own")
        return phone
    return PatterTool(phone, agent, **options)
