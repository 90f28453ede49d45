"""One attempt of a tool, by whatever does its work, with its outcome as a value."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import orjson

from patter_core.tools.answers import NotAnswerable, TooLarge, as_text, failure
from patter_core.tools.definition import ToolContext
from patter_core.tools.invocation import ToolError, ToolResult
from patter_core.tools.tool_log import log_raised
from patter_core.tools.url_guard import UrlRefused
from patter_core.tools.user_code import Raised, run_function
from patter_core.tools.webhook import WebhookFailed, WebhookTooLarge, request_headers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from patter_core.calls.redaction import Redaction
    from patter_core.clock import Clock
    from patter_core.tools.breaker import Outcome
    from patter_core.tools.invocation import ToolInvocation
    from patter_core.tools.user_code import RunUserCode, Say
    from patter_core.tools.webhook import Webhooks


# Tuples, as frozen dataclasses take several times as long to make.
class Request(NamedTuple):
    """What every attempt of one invocation has in common.

    Attributes:
        invocation: What the model asked for.
        arguments: Its arguments, read and checked.
        idempotency_key: The same at every attempt.
        say: Takes progress, if anybody listens.
        max_bytes: How long an answer may be.
        redaction: What a failure must not say.
    """

    invocation: ToolInvocation
    arguments: dict[str, Any]
    idempotency_key: str
    say: Say | None
    max_bytes: int
    redaction: Redaction


class Attempted(NamedTuple):
    """How an attempt ended.

    Attributes:
        result: What the model is told if it was the last one.
        outcome: What it says about the tool, to its breaker.
        again: Whether a further attempt makes sense.
    """

    result: ToolResult
    outcome: Outcome
    again: bool = False


class Work(Protocol):
    """What does a tool's work."""

    async def attempt(self, request: Request, attempt: int) -> Attempted:
        """Try once; `attempt` counts from 1. Raises nothing but CancelledError."""
        ...


@dataclass(frozen=True, slots=True)
class HandlerWork:
    """A handler in this process, `(arguments, context)`."""

    handler: Callable[..., Any]
    on_loop: bool
    dependencies: Mapping[str, Any]
    run: RunUserCode

    async def attempt(self, request: Request, attempt: int) -> Attempted:
        """See `Work.attempt`."""
        invocation = request.invocation
        context = ToolContext(
            call_id=invocation.call_id,
            caller=invocation.caller,
            callee=invocation.callee,
            attempt=attempt,
            idempotency_key=request.idempotency_key,
            tenant_config=invocation.tenant_config,
            dependencies=self.dependencies,
        )
        arguments = request.arguments
        return await _run(self.run, self.handler, self.on_loop, request, arguments, context)


@dataclass(frozen=True, slots=True)
class FunctionWork:
    """A registered function, `(arguments, invocation, dependencies)`, that makes its own result."""

    function: Callable[..., Any]
    on_loop: bool
    dependencies: Mapping[str, Any]
    run: RunUserCode

    async def attempt(self, request: Request, attempt: int) -> Attempted:
        """See `Work.attempt`."""
        invocation = replace(
            request.invocation, attempt=attempt, idempotency_key=request.idempotency_key
        )
        args = (request.arguments, invocation, dict(self.dependencies))
        return await _run(self.run, self.function, self.on_loop, request, *args)


@dataclass(frozen=True, slots=True)
class WebhookWork:
    """A URL that is sent a POST."""

    url: str
    secret: str | None
    webhooks: Webhooks
    clock: Clock

    async def attempt(self, request: Request, attempt: int) -> Attempted:
        """See `Work.attempt`."""
        invocation = request.invocation
        name = invocation.name
        body = orjson.dumps(
            {
                "tool": name,
                "tool_name": name,
                "arguments": request.arguments,
                "call_id": invocation.call_id,
                "caller": invocation.caller,
                "callee": invocation.callee,
                "attempt": attempt,
            }
        )
        headers = request_headers(
            idempotency_key=request.idempotency_key,
            body=body,
            secret=self.secret,
            now=self.clock.wall(),
        )
        try:
            text = await self.webhooks.post(self.url, body, headers)
            return _answered(request, text)
        except UrlRefused as error:
            return _failed(request, "url_refused", str(error))
        except WebhookTooLarge:
            return _too_large(request)
        except WebhookFailed as error:
            return _failed(request, "tool_failed", str(error), again=error.retryable)


async def _run(
    run: RunUserCode, function: Callable[..., Any], on_loop: bool, request: Request, *args: Any
) -> Attempted:
    try:
        outcome = await run_function(run, function, on_loop, request.say, *args)
    except Exception as error:  # noqa: BLE001 - the users' loop is gone, or what ran on it
        # Nobody knows how far it got, so it is not tried again.
        return _raised(request, Raised(error))._replace(again=False)
    if isinstance(outcome, Raised):
        return _raised(request, outcome)
    return _answered(request, outcome.value)


def _answered(request: Request, value: object) -> Attempted:
    function_call_id = request.invocation.function_call_id
    try:
        if isinstance(value, ToolResult):
            return _own_result(request, value)
        output = as_text(value, max_bytes=request.max_bytes)
    except TooLarge:
        return _too_large(request)
    except NotAnswerable:
        return _failed(request, "tool_failed", "The tool's answer cannot be written as JSON.")
    return Attempted(ToolResult(function_call_id, ok=True, output=output), "success")


def _own_result(request: Request, result: ToolResult) -> Attempted:
    """What a registered function says of itself. A failure is its own answer, as a `ToolError`."""
    function_call_id = request.invocation.function_call_id
    output = as_text(result.output, max_bytes=request.max_bytes)
    if result.ok:
        return Attempted(ToolResult(function_call_id, ok=True, output=output), "success")
    code = request.redaction.redact(str(result.error or "tool_error"))
    if not output.strip():
        return Attempted(failure(function_call_id, code, "The tool failed."), "neutral")
    output = request.redaction.redact(output)
    return Attempted(ToolResult(function_call_id, False, code, output), "neutral")


def _raised(request: Request, raised: Raised) -> Attempted:
    if isinstance(raised.error, ToolError):
        return _refused(request, raised.error)
    log_raised(request.invocation, raised.error)
    return _failed(request, "tool_failed", "The tool failed.", again=True)


def _refused(request: Request, error: ToolError) -> Attempted:
    """The author's own answer, which says nothing about the tool's health."""
    code, detail = (request.redaction.redact(str(text)) for text in (error.code, error.detail))
    told = failure(request.invocation.function_call_id, code, detail)
    if len(told.output.encode()) > request.max_bytes:
        return _too_large(request)
    return Attempted(told, "neutral")


def _too_large(request: Request) -> Attempted:
    return _failed(request, "result_too_large", "The tool's answer is too large to be read.")


def _failed(request: Request, code: str, detail: str, *, again: bool = False) -> Attempted:
    result = failure(request.invocation.function_call_id, code, detail)
    return Attempted(result, "failure", again)
