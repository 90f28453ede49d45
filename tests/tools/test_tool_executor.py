from __future__ import annotations

import asyncio
import json
import logging
import threading
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patter_core.clock import SimulatedClock
from patter_core.errors import ConfigError
from patter_core.guest_loop import GuestLoops
from patter_core.tools.breaker import BreakerBoard
from patter_core.tools.checked_tool import check_tools
from patter_core.tools.definition import Tool, ToolContext, tool
from patter_core.tools.executor import (
    ToolError,
    ToolExecutor,
    ToolInvocation,
    ToolLimits,
    ToolResult,
)
from patter_core.tools.ready_tool import backoff_sec
from patter_core.tools.url_guard import UrlGuard

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

PARAMETERS = {
    "type": "object",
    "properties": {"sku": {"type": "string"}, "count": {"type": "integer", "minimum": 1}},
    "required": ["sku"],
    "additionalProperties": False,
}
GOOD = '{"sku": "SKU-1"}'


def executor(handler: Any, tool_options: dict[str, Any] | None = None, **options: Any):
    fields = {"name": "stock", "parameters": PARAMETERS, "handler": handler, "max_retries": 0}
    made = Tool(**{**fields, **(tool_options or {})})
    return ToolExecutor(tools=check_tools([made], guard=UrlGuard()), **options)


def asked(arguments: Any = GOOD, name: str = "stock", **more: Any) -> ToolInvocation:
    return ToolInvocation("call-1", "request-1", name, arguments, **more)


def error_of(result: ToolResult) -> dict[str, Any]:
    """The failure that the model reads, which must agree with the result's own fields."""
    told = json.loads(result.output)
    assert not result.ok
    assert told["error"] == result.error
    assert told["fallback"] is True
    assert isinstance(told["detail"], str)
    return told


async def driven(clock: SimulatedClock, work: Any) -> Any:
    """Let `work` run while the clock jumps to whatever is waited for next."""
    task = asyncio.ensure_future(work)
    while not task.done():
        for _ in range(20):
            await asyncio.sleep(0)
        if not task.done() and (moment := clock.next_timer()) is not None:
            clock.advance(moment)
    return task.result()


@dataclass
class Stock:
    left: int


@pytest.mark.parametrize(
    ("answer", "output"),
    [
        ("in stock", "in stock"),
        ('{"a": 1}', '{"a": 1}'),
        ("", ""),
        ("übrig", "übrig"),
        ({"in_stock": True, "name": "ü"}, '{"in_stock":true,"name":"ü"}'),
        ([1, 2], "[1,2]"),
        (None, "null"),
        (3, "3"),
        (float("nan"), "null"),
        ({"a": float("inf")}, '{"a":null}'),
        ({1: "one"}, '{"1":"one"}'),
        (2**70, str(2**70)),
        (Stock(left=3), '{"left":3}'),
    ],
)
async def test_text_reaches_the_model_as_it_is_and_anything_else_as_compact_json(
    answer: Any, output: str
):
    async def handler(arguments, context):
        return answer

    result = await executor(handler).execute(asked())
    assert result == ToolResult("request-1", ok=True, error=None, output=output)


async def test_a_handler_is_told_about_the_call():
    seen: list[Any] = []

    async def handler(arguments, context):
        seen.append((arguments, dict(context), isinstance(context, ToolContext)))

    running = executor(handler, {"needs": ("db",)}, dependencies={"db": "the db", "x": "other"})
    await running.execute(asked(caller="+1415", callee="+1416", tenant_config={"tenant_id": "t"}))
    await running.execute(asked())
    (arguments, context, _), (_, second, _) = seen
    key = context.pop("idempotency_key")
    assert arguments == {"sku": "SKU-1"}
    assert context == {
        "call_id": "call-1",
        "caller": "+1415",
        "callee": "+1416",
        "attempt": 1,
        "tenant_config": {"tenant_id": "t"},
        "dependencies": {"db": "the db"},
    }
    assert key != second["idempotency_key"]


@pytest.mark.parametrize(
    "arguments",
    [
        "{",
        "[]",
        "null",
        '"text"',
        '{"sku": NaN}',
        '{"sku": "\\ud800"}',
        "{}",
        "",
        '{"sku": 1}',
        '{"sku": "a", "other": 1}',
        '{"sku": "a", "count": 0}',
        '{"sku": "a", "count": true}',
        '{"sku": "a", "count": "1"}',
        "[" * 100_000,
        '{"sku": "' + "x" * 300_000 + '"}',
        '{"sku": "a", "count": 1e400}',
        '{"sku": "a", "x": ' + "[" * 150 + "]" * 150 + "}",
        {"sku": b"bytes"},
        {"sku": "\ud800"},
        {"sku": "a", "count": float("nan")},
        {1: "a"},
        None,
        7,
    ],
)
async def test_arguments_that_do_not_fit_never_reach_the_handler(arguments: Any):
    runs: list[Any] = []

    async def handler(arguments, context):
        runs.append(arguments)

    result = await executor(handler).execute(asked(arguments))
    assert error_of(result)["error"] == "invalid_arguments"
    assert len(result.output) < 500
    assert runs == []


async def test_arguments_as_a_mapping_are_copied_before_a_handler_may_change_them():
    async def handler(arguments, context):
        arguments["sku"] = "changed"

    given = {"sku": "SKU-1"}
    assert (await executor(handler).execute(asked(given))).ok
    assert given == {"sku": "SKU-1"}


async def test_a_refusal_names_the_field_and_quotes_no_value():
    async def handler(arguments, context):
        return None

    result = await executor(handler).execute(asked('{"sku": "a", "count": "4155550100"}'))
    assert "count" in error_of(result)["detail"]
    assert "4155550100" not in result.output


async def test_a_tool_that_is_not_there_is_told_so():
    async def handler(arguments, context):
        return None

    assert error_of(await executor(handler).execute(asked(name="x")))["error"] == "unknown_tool"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(width=32) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["sku", "count", "x"]) | st.text(max_size=3), inner)
    ),
    max_leaves=6,
)


def fits(arguments: Any) -> bool:
    """The schema in plain Python, as a judge of its own."""
    if not isinstance(arguments, dict) or set(arguments) - {"sku", "count"}:
        return False
    count = arguments.get("count", 1)
    whole = isinstance(count, int | float) and not isinstance(count, bool) and count == count // 1
    return isinstance(arguments.get("sku"), str) and whole and count >= 1


@settings(max_examples=300, deadline=None)
@given(
    arguments=JSON | st.fixed_dictionaries({"sku": st.text(max_size=3)}, optional={"count": JSON}),
    as_text=st.booleans(),
    cut=st.integers(0, 30),
)
def test_whatever_the_arguments_the_handler_runs_exactly_when_they_fit(
    arguments: Any, as_text: bool, cut: int
):
    runs: list[Any] = []

    async def handler(arguments, context):
        runs.append(arguments)
        return arguments

    sent = json.dumps(arguments) if as_text else arguments
    broken = as_text and cut < 3
    if broken:
        sent = sent[: len(sent) // 2] + "}" * cut
    result = asyncio.run(executor(handler).execute(asked(sent)))
    json.loads(result.output)
    if runs:
        assert result.ok
        assert fits(runs[0])
    else:
        assert error_of(result)["error"] == "invalid_arguments"
        finite = not any(word in json.dumps(arguments) for word in ("NaN", "Infinity"))
        assert broken or not (fits(arguments) and finite) or (as_text and not sent.strip())


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    "error",
    [
        ValueError("the secret is 4155550100"),
        KeyError("sku"),
        TimeoutError("its own"),
        asyncio.CancelledError("stray"),
        StopAsyncIteration(),
        StopIteration(),
        SystemExit(3),
        Unprintable(),
        ExceptionGroup("several", [ValueError("the secret is 4155550100")]),
        RecursionError(),
        MemoryError(),
    ],
)
@pytest.mark.parametrize("kind", ["async", "plain", "generator", "hands out a coroutine"])
async def test_what_a_handler_raises_is_a_failure_without_its_words(
    error: BaseException, kind: str, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)

    async def asynchronous(arguments, context):
        raise error

    def plain(arguments, context):
        raise error

    async def generator(arguments, context):
        yield {"progress": "Looking."}
        raise error

    handlers = {
        "async": asynchronous,
        "plain": plain,
        "generator": generator,
        "hands out a coroutine": lambda arguments, context: asynchronous(arguments, context),
    }
    result = await executor(handlers[kind]).execute(asked())
    assert error_of(result)["error"] == "tool_failed"
    assert "4155550100" not in result.output
    assert "4155550100" not in caplog.text


async def test_a_tool_error_is_the_authors_own_answer_and_final():
    runs: list[int] = []

    async def handler(arguments, context):
        runs.append(context.attempt)
        raise ToolError("We are closed on Sundays.", code="closed")

    result = await executor(handler, {"max_retries": 2}).execute(asked())
    told = error_of(result)
    assert (told["error"], told["detail"]) == ("closed", "We are closed on Sundays.")
    assert runs == [1]


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("x" * (1024 * 1024 + 1), "result_too_large"),
        ("ü" * (512 * 1024 + 1), "result_too_large"),
        (["x" * 10_000_000], "result_too_large"),
        (b"bytes", "tool_failed"),
        ({1, 2}, "tool_failed"),
        (object(), "tool_failed"),
        ("\ud800", "tool_failed"),
        ({"a": "\ud800"}, "tool_failed"),
    ],
)
async def test_an_answer_that_cannot_be_told_is_neither_cut_nor_asked_for_again(
    answer: Any, code: str
):
    runs: list[int] = []

    async def handler(arguments, context):
        runs.append(context.attempt)
        return answer

    result = await executor(handler, {"max_retries": 2}).execute(asked())
    assert error_of(result)["error"] == code
    assert runs == [1]


async def test_the_largest_answer_that_fits_is_told_whole():
    async def handler(arguments, context):
        return "x" * (1024 * 1024)

    assert len((await executor(handler).execute(asked())).output) == 1024 * 1024


async def test_an_answer_that_contains_itself_is_a_failure():
    circle: dict[str, Any] = {}
    circle["self"] = circle

    async def handler(arguments, context):
        return circle

    assert error_of(await executor(handler).execute(asked()))["error"] == "tool_failed"


@pytest.mark.parametrize("words", ["x" * 5_000_000, "\ud800", 7])
async def test_the_words_of_a_tool_error_are_held_to_the_same_bounds(words: Any):
    async def handler(arguments, context):
        raise ToolError(words, code=words)

    result = await executor(handler).execute(asked())
    assert len(result.output) < 1024 * 1024
    error_of(result)


@pytest.mark.parametrize(("words", "code"), [("a" * 40, "no"), ('"' * 40, "result_too_large")])
async def test_the_words_of_a_tool_error_count_as_they_are_written(words: str, code: str):
    async def handler(arguments, context):
        raise ToolError(words, code="no")

    small = executor(handler, limits=ToolLimits(result_bytes=100))
    assert (await small.execute(asked())).error == code


async def test_a_handler_that_hangs_is_cancelled_and_not_asked_again():
    clock = SimulatedClock()
    ended: list[str] = []

    async def handler(arguments, context):
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    running = executor(handler, {"max_retries": 2}, clock=clock)
    result = await driven(clock, running.execute(asked()))
    await asyncio.sleep(0)
    assert error_of(result)["error"] == "tool_timeout"
    assert clock.now() == pytest.approx(10.0)
    assert ended == ["cancelled"]


async def test_a_handler_that_ignores_being_cancelled_holds_up_nobody():
    let_go = asyncio.Event()
    ended = asyncio.Event()

    async def handler(arguments, context):
        while not let_go.is_set():
            try:
                await let_go.wait()
            except asyncio.CancelledError:
                continue
        ended.set()

    clock = SimulatedClock()
    running = executor(handler, clock=clock)
    async with asyncio.timeout(30):
        result = await driven(clock, running.execute(asked()))
        assert error_of(result)["error"] == "tool_timeout"
        waiting = asyncio.create_task(running.execute(asked()))
        await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        let_go.set()
        await ended.wait()


async def test_a_handler_that_blocks_a_thread_is_left_behind():
    let_go = threading.Event()

    def handler(arguments, context):
        let_go.wait(90)

    async with asyncio.timeout(30):
        result = await executor(handler, {"timeout_sec": 0.05}).execute(asked())
    assert error_of(result)["error"] == "tool_timeout"
    let_go.set()


async def test_many_blocking_handlers_run_side_by_side_and_hold_up_no_other():
    together = threading.Barrier(12)

    def handler(arguments, context):
        together.wait(60)
        return threading.current_thread() is not threading.main_thread()

    running = executor(handler)
    async with asyncio.timeout(30):
        results = await asyncio.gather(*(running.execute(asked()) for _ in range(12)))
    assert {result.output for result in results} == {"true"}


async def test_failures_are_tried_again_with_growing_pauses_on_the_handed_in_clock():
    clock = SimulatedClock()
    attempts: list[tuple[int, float, str]] = []

    async def handler(arguments, context):
        attempts.append((context.attempt, clock.now(), context.idempotency_key))
        if context.attempt < 3:
            raise OSError("down")
        return "up"

    running = executor(handler, {"max_retries": 2}, clock=clock, jitter=lambda: 1.0)
    result = await driven(clock, running.execute(asked()))
    assert result.output == "up"
    assert [number for number, _, _ in attempts] == [1, 2, 3]
    assert [at for _, at, _ in attempts] == pytest.approx([0.0, 0.56, 1.62])
    assert len({key for _, _, key in attempts}) == 1


@pytest.mark.parametrize("given", ['{"sku": "a"}', {"sku": "a"}])
async def test_a_further_attempt_has_the_arguments_that_the_first_one_had(given: Any):
    clock = SimulatedClock()
    seen: list[dict[str, Any]] = []

    async def handler(arguments, context):
        seen.append(dict(arguments))
        arguments.clear()
        raise OSError

    running = executor(handler, {"max_retries": 2}, clock=clock)
    await driven(clock, running.execute(asked(given)))
    assert seen == [{"sku": "a"}] * 3


async def test_three_attempts_are_all_there_are_by_default():
    clock = SimulatedClock()
    attempts: list[int] = []

    @tool
    async def failing(context: ToolContext):
        attempts.append(context.attempt)
        raise OSError

    running = ToolExecutor(tools=check_tools([failing], guard=UrlGuard()), clock=clock)
    result = await driven(clock, running.execute(asked("", "failing")))
    assert error_of(result)["error"] == "tool_failed"
    assert attempts == [1, 2, 3]


def test_pauses_double_from_half_a_second_up_to_five():
    assert [backoff_sec(n, 0.0) for n in range(1, 7)] == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]
    assert backoff_sec(1, 1.0) == pytest.approx(0.56)
    assert backoff_sec(5, 1.0) == 5.0


async def test_each_attempt_has_the_whole_time_for_itself():
    clock = SimulatedClock()

    async def handler(arguments, context):
        await clock.sleep(9.0)
        if context.attempt < 3:
            raise OSError
        return "late"

    running = executor(handler, {"max_retries": 2}, clock=clock, jitter=lambda: 0.0)
    result = await driven(clock, running.execute(asked()))
    assert (result.output, clock.now()) == ("late", pytest.approx(28.5))


async def test_an_open_circuit_answers_at_once_and_says_when_to_ask_again():
    clock = SimulatedClock()
    runs: list[int] = []
    healthy = False

    async def handler(arguments, context):
        runs.append(context.attempt)
        if not healthy:
            raise OSError
        return "well"

    board = BreakerBoard()
    running = executor(handler, {"max_retries": 1}, clock=clock, board=board, jitter=lambda: 0.0)
    for _ in range(5):
        result = await driven(clock, running.execute(asked()))
        assert error_of(result)["error"] == "tool_failed"
    assert len(runs) == 10
    other_call = executor(handler, clock=clock, board=board)
    told = error_of(await other_call.execute(asked()))
    assert told["error"] == "circuit_open"
    assert told["circuit_state"] == "open"
    assert told["retry_after_ms"] == 30_000
    assert len(runs) == 10
    clock.advance(clock.now() + 30.0)
    healthy = True
    assert (await other_call.execute(asked())).ok
    assert (await running.execute(asked())).ok


async def test_one_of_many_side_by_side_probes_and_a_cancelled_probe_makes_room():
    clock = SimulatedClock()
    gate = asyncio.Event()
    healthy = False
    runs: list[int] = []

    async def handler(arguments, context):
        runs.append(1)
        if not healthy:
            raise OSError
        await gate.wait()
        return "well"

    running = executor(handler, clock=clock)
    for _ in range(5):
        await running.execute(asked())
    clock.advance(30.0)
    healthy = True
    probes = [asyncio.create_task(running.execute(asked())) for _ in range(20)]
    for _ in range(100):
        await asyncio.sleep(0)
    assert (len(runs), sum(task.done() for task in probes)) == (6, 19)
    assert {error_of(task.result())["error"] for task in probes if task.done()} == {"circuit_open"}
    next(task for task in probes if not task.done()).cancel()
    await asyncio.wait(probes)
    gate.set()
    assert (await running.execute(asked())).ok
    assert (await running.execute(asked())).ok


@pytest.mark.parametrize("how", ["tool error", "invalid", "cancelled", "own result"])
async def test_refusals_and_cancellations_do_not_open_the_circuit(how: str):
    async def handler(arguments, context):
        if how == "cancelled":
            await asyncio.Event().wait()
        raise ToolError("no")

    def function(arguments, invocation, dependencies):
        return ToolResult("x", ok=False, error="no", output='{"error": "no"}')

    running = executor(handler)
    running.register("own", function)
    for _ in range(20):
        task = asyncio.create_task(
            running.execute(
                asked("{" if how == "invalid" else GOOD, "own" if how == "own result" else "stock")
            )
        )
        if how == "cancelled":
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        else:
            assert error_of_any(await task) != "circuit_open"


def error_of_any(result: ToolResult) -> str | None:
    return json.loads(result.output)["error"]


async def test_timeouts_open_the_circuit_and_a_threshold_of_none_never_does():
    async def handler(arguments, context):
        await asyncio.Event().wait()

    for threshold, last in ((2, "circuit_open"), (0, "tool_timeout")):
        for own in (True, False):  # The tool's own number, or the board's.
            clock = SimulatedClock()
            options = {"breaker_threshold": threshold} if own else {}
            board = BreakerBoard(threshold=5 if own else threshold)
            running = executor(handler, options, clock=clock, board=board)
            results = [await driven(clock, running.execute(asked())) for _ in range(7)]
            assert results[1].error == "tool_timeout"
            assert results[2].error == results[6].error == last


async def test_progress_is_heard_in_order_and_the_last_result_counts():
    heard: list[str] = []

    async def handler(arguments, context) -> AsyncGenerator[dict[str, Any]]:
        yield {"progress": "Looking."}
        yield {"result": "first"}
        yield {"progress": "  "}
        yield {"progress": 3}
        yield {"progress": "Still looking.", "result": {"found": 2}}

    result = await executor(handler).execute(asked(), on_progress=heard.append)
    assert result.output == '{"found":2}'
    assert heard == ["Looking.", "Still looking."]


async def test_a_generator_without_a_result_answers_null_and_is_closed():
    closed: list[str] = []

    async def handler(arguments, context):
        try:
            yield {"progress": "Looking."}
        finally:
            closed.append("closed")

    assert (await executor(handler).execute(asked())).output == "null"
    assert closed == ["closed"]


async def test_a_generator_that_is_cancelled_cleans_up_and_says_nothing_more():
    clock = SimulatedClock()
    heard: list[str] = []

    async def handler(arguments, context):
        yield {"progress": "Looking."}
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            yield {"progress": "Too late."}
            raise

    running = executor(handler, clock=clock)
    result = await driven(clock, running.execute(asked(), on_progress=heard.append))
    for _ in range(5):
        await asyncio.sleep(0)
    assert result.error == "tool_timeout"
    assert heard == ["Looking."]


async def test_whoever_listens_to_progress_cannot_break_the_tool():
    async def handler(arguments, context):
        yield {"progress": "Looking."}
        yield {"result": "found"}

    def deaf(text: str):
        raise RuntimeError

    assert (await executor(handler).execute(asked(), on_progress=deaf)).output == "found"


@pytest.mark.parametrize(("took_sec", "heard"), [(1.4, []), (1.6, ["One moment."])])
async def test_reassurance_is_heard_only_when_a_tool_takes_too_long(
    took_sec: float, heard: list[str]
):
    clock = SimulatedClock()
    said: list[tuple[float, str]] = []

    async def handler(arguments, context):
        await clock.sleep(took_sec)
        return "done"

    running = executor(handler, {"reassurance": "One moment."}, clock=clock)
    result = await driven(
        clock,
        running.execute(asked(), on_progress=lambda text: said.append((clock.now(), text))),
    )
    clock.advance(60)
    await asyncio.sleep(0)
    assert result.output == "done"
    assert [text for _, text in said] == heard
    assert all(at == pytest.approx(1.5) for at, _ in said)


async def test_reassurance_counts_from_the_first_attempt_and_is_said_once():
    clock = SimulatedClock()
    said: list[float] = []

    async def handler(arguments, context):
        await clock.sleep(1.0)
        raise OSError

    running = executor(
        handler,
        {"reassurance": {"message": "Wait.", "after_ms": 2000}, "max_retries": 3},
        clock=clock,
        jitter=lambda: 0.0,
    )
    await driven(clock, running.execute(asked(), on_progress=lambda _: said.append(clock.now())))
    assert said == pytest.approx([2.0])


async def test_refused_arguments_are_answered_without_a_word():
    clock = SimulatedClock()
    heard: list[str] = []

    async def handler(arguments, context):
        return None

    running = executor(handler, {"reassurance": {"message": "Wait.", "after_ms": 0}}, clock=clock)
    await running.execute(asked("{"), on_progress=heard.append)
    assert heard == []


async def test_handlers_run_on_the_users_loop_when_they_have_one():
    guests = GuestLoops()
    loop = guests.choose(None)
    threads: list[threading.Thread] = []
    heard: list[tuple[str, threading.Thread]] = []

    async def generator(arguments, context):
        assert asyncio.get_running_loop() is loop
        threads.append(threading.current_thread())
        for number in range(50):
            yield {"progress": str(number)}
        yield {"result": "all"}

    def plain(arguments, context):
        threads.append(threading.current_thread())
        return "plain"

    async def endless(arguments, context):
        await asyncio.Event().wait()

    def hear(text: str):
        heard.append((text, threading.current_thread()))

    run = partial(guests.call, loop)
    async with asyncio.timeout(30):
        result = await executor(generator, run_user_code=run).execute(asked(), on_progress=hear)
        assert result.output == "all"
        assert [text for text, _ in heard] == [str(number) for number in range(50)]
        assert {thread for _, thread in heard} == {threading.current_thread()}
        assert (await executor(plain, run_user_code=run).execute(asked())).output == "plain"
        assert threading.current_thread() not in threads
        slow = executor(endless, {"timeout_sec": 0.05}, run_user_code=run)
        assert (await slow.execute(asked())).error == "tool_timeout"
        for error in (SystemExit(), asyncio.CancelledError(), StopIteration(), TimeoutError()):

            async def raising(arguments, context, error=error):
                raise error

            failing = executor(raising, run_user_code=run)
            assert (await failing.execute(asked())).error == "tool_failed"
    guests.stop()


async def test_a_users_loop_that_is_gone_is_a_failure():
    gone = asyncio.new_event_loop()
    gone.close()
    guests = GuestLoops()

    async def handler(arguments, context):
        return None

    running = executor(handler, run_user_code=partial(guests.call, gone))
    assert error_of(await running.execute(asked()))["error"] == "tool_failed"
    guests.stop()


async def test_a_blocking_async_handler_on_a_users_loop_stalls_only_that_loop():
    guests = GuestLoops()
    let_go = threading.Event()

    async def handler(arguments, context):
        let_go.wait(60)

    running = executor(
        handler, {"timeout_sec": 0.05}, run_user_code=partial(guests.call, guests.choose(None))
    )
    async with asyncio.timeout(30):
        assert (await running.execute(asked())).error == "tool_timeout"
    let_go.set()
    guests.stop()


async def test_a_registered_function_gets_arguments_invocation_and_what_it_needs():
    async def transfer(args: dict[str, Any], invocation: ToolInvocation, deps: dict[str, Any]):
        return ToolResult(
            function_call_id=invocation.function_call_id,
            ok=True,
            output=json.dumps({"to": args["to"], "deps": deps}),
        )

    running = ToolExecutor({"calls": "service", "other": 1}, BreakerBoard())
    running.register("transfer", transfer, needs=("calls",))
    result = await running.execute(asked('{"to": "sales"}', "transfer"))
    assert json.loads(result.output) == {"to": "sales", "deps": {"calls": "service"}}
    assert error_of(await running.execute(asked("[]", "transfer")))["error"] == "invalid_arguments"


async def test_a_registered_function_can_tell_a_further_attempt_from_another_request():
    clock = SimulatedClock()
    seen: list[tuple[int, str]] = []

    async def pay(args: dict[str, Any], invocation: ToolInvocation, deps: dict[str, Any]):
        seen.append((invocation.attempt, invocation.idempotency_key))
        raise OSError

    running = ToolExecutor(clock=clock)
    running.register("pay", pay)
    await driven(clock, running.execute(asked("", "pay")))
    await driven(clock, running.execute(asked("", "pay")))
    assert [attempt for attempt, _ in seen] == [1, 2, 3, 1, 2, 3]
    first, second = {key for _, key in seen[:3]}, {key for _, key in seen[3:]}
    assert len(first) == len(second) == 1
    assert first != second
    assert "" not in first


@pytest.mark.parametrize(
    ("returned", "expected"),
    [
        (ToolResult("x", ok=False, error="no", output="{}"), (False, "no", "{}")),
        (ToolResult("x", ok=True, error="ignored", output="fine"), (True, None, "fine")),
        ({"a": 1}, (True, None, '{"a":1}')),
        (None, (True, None, "null")),
    ],
)
async def test_a_registered_function_makes_its_own_result(returned: Any, expected: Any):
    running = ToolExecutor()
    running.register("own", lambda args, invocation, deps: returned)
    result = await running.execute(asked("", "own"))
    assert (result.ok, result.error, result.output) == expected
    assert result.function_call_id == "request-1"


async def test_a_registered_function_that_fails_without_words_is_still_told():
    running = ToolExecutor()
    running.register("own", lambda args, invocation, deps: ToolResult("x", ok=False))
    assert error_of(await running.execute(asked("", "own")))["error"] == "tool_error"


def test_what_is_needed_and_not_there_is_refused_at_once():
    running = ToolExecutor({"a": 1})
    with pytest.raises(ConfigError, match="calendar"):
        running.register("own", print, needs=("calendar",))
    with pytest.raises(ConfigError, match="function"):
        running.register("own", 3)
    running.register("own", print, needs="a")  # One text is one name.
    with pytest.raises(ConfigError, match="already"):
        running.register("own", print)
    hook = Tool(name="hook", webhook_url="https://api.example.com/")
    hooks = check_tools([hook], guard=UrlGuard())
    with pytest.raises(ConfigError, match="URL"):
        ToolExecutor(tools=hooks)


async def test_logs_say_which_tool_and_which_keys_and_never_a_value(
    caplog: pytest.LogCaptureFixture,
):
    caplog.set_level(logging.DEBUG)

    async def handler(arguments, context):
        if context["caller"]:
            raise OSError("4155550100")
        return "4155550100"

    running = executor(handler)
    sent = '{"sku": "4155550100"}'
    await running.execute(asked(sent, tenant_config={"tenant_id": "acme"}))
    await running.execute(asked(sent, caller="+14155550100"))
    await running.execute(asked(sent, name="tell 4155550100"))
    await running.execute(asked('{"4155550100\\n": 1}'))
    started, succeeded, _, _, failed, unknown, invalid = caplog.messages
    assert started.startswith("Tool started: call call-1, request request-1, tool stock")
    assert "tenant acme" in started
    assert "['sku']" in started
    assert succeeded.startswith("Tool succeeded: ")
    assert failed.startswith("Tool failed: ")
    assert unknown.endswith("unknown_tool")
    assert invalid.endswith("invalid_arguments")
    assert "4155550100" not in caplog.text


async def test_a_smaller_cap_is_kept_as_well():
    async def handler(arguments, context):
        return "x" * 11

    small = executor(handler, limits=ToolLimits(result_bytes=10, argument_bytes=20))
    assert (await small.execute(asked())).error == "result_too_large"
    assert (await small.execute(asked('{"sku": "0123456789012345"}'))).error == "invalid_arguments"


async def test_nothing_but_cancellation_ever_leaves(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)

    class Odd:
        call_id = "c"
        function_call_id = "f"
        name = bytearray(b"unhashable")
        arguments = "{}"
        tenant_config = None

    async def handler(arguments, context):
        return None

    assert error_of(await executor(handler).execute(Odd()))["error"] == "tool_failed"
