"""`PatterTool`: arguments go in, one call is made, one result comes out. Never an exception."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from patter_core.agent import Agent
from patter_core.calls.bounds import DEFAULT_DURATION_SEC, LONGEST_DURATION_SEC
from patter_core.calls.result import CallResult, rejected
from patter_core.contract import exports
from patter_core.contract.dispatch import read_tool_call
from patter_core.contract.hermes_handler import hermes_handler, register_hermes
from patter_core.contract.hooks import Hooks
from patter_core.errors import ConfigError, PatterError, PhoneClosed
from patter_core.phone import Patter
from patter_core.switchboard.live_call import LiveCall
from patter_core.switchboard.ordering import refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from patter_core.calls.request import CallRequest
    from patter_core.contract.dispatch import Api
    from patter_core.contract.hooks import OnEvent
    from patter_core.guest_loop import Guest
    from patter_core.switchboard.order import Order

    Approve = Callable[[CallRequest], Awaitable[bool | str] | bool | str]

_log = logging.getLogger(__name__)

DESCRIPTION = (
    "Make a real phone call: a voice agent rings the number, talks with whoever answers towards "
    "the goal, hangs up, and returns what was said and how it ended. Somebody's phone rings and "
    "money is spent, so call once, with all that the voice agent needs to know."
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
        voicemail_message: str | None = None,
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
            voicemail_message: What is said, after the beep, to a machine that answers; None has
                the agent talk to it.
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
        self._voicemail_message = voicemail_message
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
        live = await self.begin(arguments, idempotency_key=idempotency_key, **keywords)
        if isinstance(live, CallResult):
            return live
        live.leave_with(asyncio.get_running_loop())
        return await self.follow(live, on_event=on_event)

    async def begin(
        self,
        arguments: Mapping[str, Any] | str | bytes | None = None,
        /,
        *,
        idempotency_key: str | None = None,
        **keywords: Any,
    ) -> LiveCall | CallResult:
        """Ask for one call and return at once: a hand on it, or the result when it cannot be made.

        No hook hears of it before `follow`; approval and a free line are waited for meanwhile.
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
        return live

    async def follow(self, live: LiveCall, *, on_event: OnEvent | None = None) -> CallResult:
        """The result of a call that was begun, the hooks told meanwhile. Cancelling leaves it."""
        guest = self._phone.guests.guest(asyncio.get_running_loop())
        try:
            return await self._hooks(guest, on_event).result(live)
        except BaseException:
            live.leave()
            raise

    async def result(self, call: str) -> CallResult | None:
        """What became of an earlier call; see `Patter.result`."""
        return await self._phone.result(call)

    def execute_blocking(
        self,
        arguments: Mapping[str, Any] | str | bytes | None = None,
        /,
        *,
        idempotency_key: str | None = None,
        on_event: OnEvent | None = None,
        watch: Callable[[], bool] | None = None,
        **keywords: Any,
    ) -> CallResult:
        """Like `execute`, for plain code: blocks the calling thread until the call is over.

        Works inside a running loop as well, whose own hooks then run on a loop of ours.

        Args:
            arguments: As for `execute`, and so are the others that are not told of here.
            idempotency_key: See `execute`.
            on_event: Hears of everything that happens, in order: a plain one in the calling
                thread, an async one on the guest loop.
            watch: Called in the calling thread every 0.2 s; the call is ended when it returns
                True, for frameworks that cannot interrupt a thread.
            **keywords: The fields.
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
            limits = self._phone.limits
            return self._hooks(order.guest, on_event).result_blocking(
                live, phone.home, watch=watch, ending_sec=limits.ending_sec + limits.hooks_sec
            )
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

    async def dispatch(self, tool_call: object, *, api: Api | None = None) -> dict[str, Any]:
        """Answer a model's tool call with the message to append, for loops without a framework.

        Args:
            tool_call: A tool call of OpenAI's Chat Completions, Responses or Assistants, or a
                `tool_use` block of Anthropic's: the SDK's object, or the same as a mapping.
            api: Where it comes from; only a mapping from the Assistants API needs it.

        Raises:
            ConfigError: It is no tool call that we know.
        """
        asked = read_tool_call(tool_call, api)
        return asked.answer(asked.refused(self.name) or await self.execute(asked.arguments))

    def dispatch_blocking(self, tool_call: object, *, api: Api | None = None) -> dict[str, Any]:
        """Like `dispatch`, for plain code."""
        asked = read_tool_call(tool_call, api)
        return asked.answer(asked.refused(self.name) or self.execute_blocking(asked.arguments))

    def check(self, arguments: Mapping[str, Any] | str | bytes) -> CallResult | None:
        """The rejection that `arguments` would get for their form; None when they are fine.

        For frameworks that ask a person first: nobody should be asked about a call that cannot be
        made.
        """
        return refusal(arguments)

    # --- Hermes ------------------------------------------------------------------------------

    def hermes_handler(self) -> Callable[..., str]:
        """A handler for Hermes Agent's registry: `handler(args, **kwargs)` returns JSON text.

        It is synchronous, ends the call when Hermes is interrupted, and shows that it lives.
        """
        return hermes_handler(self)

    def register_hermes(self, registry: Any, toolset: str = "patter") -> None:  # noqa: ANN401 - Hermes'
        """Register with Hermes' `tools.registry.registry`, or with a plugin's context."""
        register_hermes(self, registry, toolset)

    # --- within ------------------------------------------------------------------------------

    def _hooks(self, guest: Guest, on_event: OnEvent | None) -> Hooks:
        return Hooks(
            caller=on_event,
            owner=self._on_event,
            guest=guest,
            patience_sec=self._phone.limits.hooks_sec,
        )

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
            voicemail_message=self._voicemail_message,
        )


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
