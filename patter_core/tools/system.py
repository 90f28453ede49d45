"""The tools that every agent has: hand the call over, end it, press keys, never ring again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from patter_core.errors import LedgerError, TransferRefused
from patter_core.tools.answers import failure
from patter_core.tools.arguments import ArgumentCheck
from patter_core.tools.checked_tool import CheckedTool
from patter_core.tools.definition import Tool

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from patter_core.calls.control import CallControl
    from patter_core.tools.destinations import Destinations
    from patter_core.tools.executor import ToolExecutor
    from patter_core.tools.invocation import ToolInvocation, ToolResult

CALL_CONTROL = "call_control"
"""The dependency by which a tool gets the `CallControl` of its call."""


def system_tools(destinations: Destinations, *, outbound: bool) -> tuple[CheckedTool, ...]:
    """`transfer_call`, `end_call` and `send_digits`, as the model sees them.

    Whoever was rung can also ask never to be rung again: `record_opt_out`, when `outbound`.
    """
    opt_out = (_tool("record_opt_out", _OPT_OUT, _object()),) if outbound else ()
    return (
        _tool("transfer_call", _TRANSFER, _transfer_parameters(destinations)),
        _tool("end_call", _END, _object(reason=_text("Why the call ends, in a few words."))),
        _tool(
            "send_digits",
            "Press keys on the phone, for menus that ask for them.",
            _object(digits={**_text("Keys to press: 0-9, A-D, * and #."), "pattern": _DIGITS}),
        ),
        *opt_out,
    )


def register_system_tools(
    executor: ToolExecutor, destinations: Destinations, *, outbound: bool
) -> None:
    """Have them work on the `CallControl` that `executor` has as a dependency."""
    needs = (CALL_CONTROL,)
    executor.register("transfer_call", _transfer_by(destinations), needs=needs)
    executor.register("end_call", _end_call, needs=needs)
    executor.register("send_digits", _send_digits, needs=needs)
    if outbound:
        executor.register("record_opt_out", _record_opt_out, needs=needs)


_DIGITS = "^[0-9A-Da-d*#wW]{1,32}$"
_TRANSFER = (
    "Connect the caller to somebody else and leave the call. Use it when they ask for a person, "
    "or for what you cannot do."
)
_END = (
    "Hang up. Say goodbye first, and use it only when the conversation has come to its end; that "
    "somebody is silent for a while is no reason."
)
_OPT_OUT = (
    "Put the person on the do-not-call list, so that they are never rung again. Use it as soon as "
    "they ask for that, then say so and goodbye."
)


def _tool(name: str, description: str, parameters: dict[str, Any]) -> CheckedTool:
    tool = Tool(name=name, description=description, parameters=parameters, max_retries=0)
    check = ArgumentCheck(parameters, tool=name)
    return CheckedTool(tool=tool, check=check, on_loop=True, reassurance=None, breaker_key=name)


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _text(description: str) -> dict[str, Any]:
    return {"type": "string", "description": description}


def _transfer_parameters(destinations: Destinations) -> dict[str, Any]:
    if destinations.named:
        names = sorted(destinations.named)
        return _object(destination={**_text("Whom to connect the caller to."), "enum": names})
    return _object(number=_text("The number to connect the caller to, E.164."))


def _transfer_by(destinations: Destinations) -> Callable[..., Any]:
    async def transfer_call(
        arguments: dict[str, Any], invocation: ToolInvocation, dependencies: Mapping[str, Any]
    ) -> ToolResult | dict[str, Any]:
        control: CallControl = dependencies[CALL_CONTROL]
        if "destination" in arguments:
            number = destinations.named[arguments["destination"]]
        else:
            number = arguments["number"]
        try:
            await control.transfer(number)
        except TransferRefused as error:
            return failure(invocation.function_call_id, "transfer_refused", f"{error}.")
        return {"message": "call_transferred", **arguments}

    return transfer_call


async def _end_call(
    arguments: dict[str, Any], _invocation: ToolInvocation, dependencies: Mapping[str, Any]
) -> dict[str, Any]:
    control: CallControl = dependencies[CALL_CONTROL]
    await control.end(arguments["reason"])
    return {"message": "call_ending"}


async def _send_digits(
    arguments: dict[str, Any], _invocation: ToolInvocation, dependencies: Mapping[str, Any]
) -> dict[str, Any]:
    control: CallControl = dependencies[CALL_CONTROL]
    control.send_digits(arguments["digits"])
    return {"message": "digits_sent", "digits": arguments["digits"]}


async def _record_opt_out(
    _arguments: dict[str, Any], invocation: ToolInvocation, dependencies: Mapping[str, Any]
) -> ToolResult | dict[str, Any]:
    control: CallControl = dependencies[CALL_CONTROL]
    try:
        await control.record_opt_out()
    except LedgerError:
        detail = "The do-not-call list could not be written."
        return failure(invocation.function_call_id, "opt_out_failed", detail)
    return {"message": "opt_out_recorded"}
