"""What is written down about tools, and what must not get out in what they say of a failure."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest

from patter_core.calls.redaction import HIDDEN, LogRedaction, Redaction
from patter_core.tools.checked_tool import check_tools
from patter_core.tools.definition import Tool
from patter_core.tools.executor import ToolError, ToolExecutor, ToolInvocation, ToolResult
from patter_core.tools.url_guard import UrlGuard

SECRET = "4711-0815"
OPEN = {"type": "object", "properties": {"order": {"type": "integer"}}}


def executor(handler: Any, **tool: Any) -> ToolExecutor:
    fields = {"name": "look_up", "parameters": OPEN, "handler": handler, "max_retries": 0, **tool}
    tools = check_tools([Tool(**fields)], guard=UrlGuard())
    return ToolExecutor(tools=tools, redaction=Redaction((SECRET,)))


def asked(arguments: Any = "{}", name: str = "look_up", **more: Any) -> ToolInvocation:
    return ToolInvocation("call-1", "request-1", name, arguments, **more)


async def fine(arguments: Any, context: Any) -> str:
    return "fine"


class NoTenant:
    @property
    def tenant_id(self) -> str:
        raise ValueError("there is none")


class NoWords:
    def __str__(self) -> str:
        raise ValueError("no words")


class NoLookUp(dict[str, Any]):
    def get(self, *_: Any) -> Any:
        raise ValueError("no look-up")


@pytest.mark.parametrize("tenant", [NoTenant(), {"tenant_id": NoWords()}, NoLookUp()])
async def test_a_tenant_that_cannot_be_read_costs_nobody_an_answer(
    tenant: Any, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO)
    log = logging.getLogger("patter_core.tools.tool_log")
    formats_all = LogRedaction()
    log.addFilter(formats_all)
    try:
        result = await executor(fine).execute(asked(tenant_config=tenant))
    finally:
        log.removeFilter(formats_all)
    assert result.output == "fine"
    assert [message.partition(":")[0] for message in caplog.messages] == [
        "Tool started",
        "Tool succeeded",
    ]


async def test_an_answer_that_could_not_even_be_tried_for_is_logged_without_a_value(
    caplog: pytest.LogCaptureFixture,
):
    class Odd(dict[str, Any]):
        def items(self) -> Any:
            raise RuntimeError("the caller said 4155550100")

    result = await executor(fine).execute(asked(Odd(order=1)))
    assert json.loads(result.output)["error"] == "tool_failed"
    assert "RuntimeError" in caplog.text
    assert "4155550100" not in caplog.text


async def test_secrets_are_hidden_in_keys_and_tenants_that_are_logged(
    caplog: pytest.LogCaptureFixture,
):
    caplog.set_level(logging.DEBUG)
    invocation = asked({"4711 0815": 1}, tenant_config={"tenant_id": f"t {SECRET}"})
    await executor(fine).execute(invocation)
    assert HIDDEN in caplog.text
    assert "4711" not in caplog.text


async def test_secrets_are_hidden_in_what_a_failure_says(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)

    async def refusing(arguments: Any, context: Any) -> None:
        raise ToolError("The code is 47110815.", code=f"code_{SECRET}")

    def failing(arguments: Any, invocation: Any, dependencies: Any) -> ToolResult:
        told = json.dumps({"error": "no", "detail": f"It is {SECRET}."})
        return ToolResult("x", ok=False, error=f"no {SECRET}", output=told)

    strict = {"type": "object", "properties": {}, "additionalProperties": False}
    running = executor(refusing)
    running.register("own", failing)
    results = [
        await running.execute(asked()),
        await running.execute(asked(name="own")),
        await executor(fine, parameters=strict).execute(asked({SECRET: 1})),
    ]
    assert all(HIDDEN in result.output for result in results)
    for text in (*(f"{result.error} {result.output}" for result in results), caplog.text):
        assert "4711" not in text


async def test_what_a_tool_answers_reaches_the_model_as_it_is():
    async def telling(arguments: Any, context: Any) -> str:
        return SECRET  # The model may have to compare it with what the caller says.

    assert (await executor(telling).execute(asked())).output == SECRET


async def test_cancelled_tools_leave_no_second_record(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)

    began = asyncio.Event()

    async def endless(arguments: Any, context: Any) -> None:
        began.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(executor(endless).execute(asked()))
    await asyncio.wait_for(began.wait(), 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(caplog.messages) == 1
