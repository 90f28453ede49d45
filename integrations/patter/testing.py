"""What every adapter is held to, for whoever writes one: a pytest class to subclass.

    class TestMyFramework(AdapterSuite):
        module, package, extra = "patter.my_framework", "my_framework", "my-framework"

        def make_tool(self, phone, **options):
            return phone_call_tool(phone, **options)

        def shown(self, tool):
            return {"name": ..., "description": ..., "parameters": ...}

        async def run(self, tool, *calls):
            ...  # the real framework, its model scripted: one turn with these calls, then ANSWER
            return Run(answer=..., contents=[...])

The tests make real calls on the phone network, and need pytest and no plugin of it. What a
framework does not have (a blocking path, a channel for progress, approvals) is skipped and named.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from patter.simulator import Callee, PhoneNetwork
from patter_core.contract.phone_tool import PatterTool
from patter_core.contract.progress import event_data
from patter_core.phone import Patter
from patter_core.pipeline.providers.scripted import ScriptedLLM, ScriptedSTT, ScriptedTTS
from patter_core.pipeline.turn_settings import TurnSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

    from patter_core.calls.events import ProgressEvent
    from patter_core.calls.request import CallRequest

RESTAURANT = "+14155552671"
BARBER = "+14155552672"
NOBODY = "+14155552673"
"""Answers at once, says nothing and never hangs up."""

REQUEST = "Book a table for four at eight."
BOOK: dict[str, Any] = {"to": RESTAURANT, "goal": "Book a table for four at eight."}
HAIRCUT: dict[str, Any] = {"to": BARBER, "goal": "A haircut at noon."}
ANSWER = "That is settled."
"""What the scripted model says in the end."""

EVERY_STAGE = ["queued", "dialing", "ringing", "answered", "turn", "ended"]
SAID = ["Hello?", "A table for four at eight, please.", "Gladly. Bye!"]

BAD_ARGUMENTS: list[tuple[dict[str, Any], str]] = [
    ({}, "to"),
    ({"to": "415 555 2671"}, "to"),
    ({"to": 14155552671}, "to"),
    ({"to": None}, "to"),
    ({"to": RESTAURANT, "max_duration_sec": "180s"}, "max_duration_sec"),
    ({"to": RESTAURANT, "max_duration_sec": True}, "max_duration_sec"),
    ({"to": RESTAURANT, "max_duration_sec": 1_801}, "max_duration_sec"),
    ({"to": RESTAURANT, "goal": ["book"]}, "goal"),
    ({"to": RESTAURANT, "first_message": "x" * 1_001}, "first_message"),
    ({"to": RESTAURANT, "colour": "red"}, "colour"),
    # Names that mean something on the way through a framework, or to Python.
    ({"to": RESTAURANT, "self": 1}, "self"),
    ({"to": RESTAURANT, "ctx": {}}, "ctx"),
    ({"to": RESTAURANT, "context": {}}, "context"),
    ({"to": RESTAURANT, "arguments": {}}, "arguments"),
    ({"to": RESTAURANT, "on_event": 1}, "on_event"),
    ({"to": RESTAURANT, "idempotency_key": "k"}, "idempotency_key"),
]

_HANG_UP_SEC = 1.0
"""Within this the line is free again, whatever became of the run."""
_SPEED = 4.0
_RUN_SEC = 45.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What came of an agent's run.

    Attributes:
        answer: What the agent said in the end.
        contents: What the model was given for each tool call, as text, in the order of the calls.
        told: What the framework's own channel told meanwhile, as `event_data` has it; None when
            it has no such channel.
    """

    answer: str
    contents: Sequence[str]
    told: Sequence[Mapping[str, Any]] | None = None

    @property
    def envelopes(self) -> list[dict[str, Any]]:
        """The results, in the order of the calls."""
        return [json.loads(content) for content in self.contents]


class AdapterSuite:
    """Subclass it in a test module, and fill in the first part.

    Attributes:
        module: The adapter's module.
        package: The framework's top-level package; "" when the adapter imports none.
        extra: The extra that installs it.
        strict: Whether the model is shown the strict schema.
        side_by_side: Whether the framework runs the calls of one turn at the same time.
    """

    module: ClassVar[str]
    package: ClassVar[str] = ""
    extra: ClassVar[str] = ""
    strict: ClassVar[bool] = False
    side_by_side: ClassVar[bool] = True

    # --- to fill in --------------------------------------------------------------------------

    def make_tool(self, phone: PatterTool, **options: Any) -> Any:  # noqa: ANN401 - the framework's
        """The adapter's `phone_call_tool`, its own options only."""
        raise NotImplementedError

    def shown(self, tool: Any) -> dict[str, Any]:  # noqa: ANN401 - the framework's
        """`name`, `description` and `parameters`, as they reach a model."""
        raise NotImplementedError

    async def run(self, tool: Any, *calls: dict[str, Any]) -> Run:  # noqa: ANN401 - the framework's
        """Run an agent whose model makes `calls` in one turn, then says `ANSWER`."""
        raise NotImplementedError

    def run_blocking(self, tool: Any, *calls: dict[str, Any]) -> Run:  # noqa: ANN401 - the framework's
        """The same in plain code, where the framework has a way."""
        pytest.skip("the framework has no blocking path")

    def make_asking_tool(self, phone: PatterTool) -> Any:  # noqa: ANN401 - the framework's
        """A tool that stands behind the framework's own approval."""
        pytest.skip("the framework has no approvals of its own")

    async def run_until_asked(self, tool: Any, *calls: dict[str, Any]) -> Any:  # noqa: ANN401 - the framework's
        """Run until the approval is asked for; return what is needed to resume, serialised."""
        raise NotImplementedError

    async def resume(self, tool: Any, saved: Any, *, approve: bool) -> Run:  # noqa: ANN401 - the framework's
        """Go on from `saved`. A rejection's content may be the framework's own words."""
        raise NotImplementedError

    # --- what the tests stand on -------------------------------------------------------------

    @pytest.fixture
    def network(self) -> Iterator[PhoneNetwork]:
        """A phone network with somebody to ring, as fast as computing allows."""
        yield from _network(speed=None)

    @pytest.fixture
    def paced_network(self) -> Iterator[PhoneNetwork]:
        """The same at a given speed: how long something took can be read from its clock.

        That keeps to real time, but stands still with the machine, which others may use as well.
        """
        yield from _network(speed=_SPEED)

    @contextmanager
    def phone_tool(
        self,
        network: PhoneNetwork,
        *,
        llm: ScriptedLLM | None = None,
        lines: int = 1,
        **options: Any,
    ) -> Generator[PatterTool]:
        """A tool whose phone is closed again, without a call left up."""
        phone = Patter(
            carrier=network.twilio(),
            phone_number="+14155550100",
            ledger=":memory:",
            clock=network.clock,
            max_concurrent_calls=lines,
        )
        agent = {
            "stt": ScriptedSTT(),
            "tts": ScriptedTTS(),
            "llm": llm or ScriptedLLM([SAID[1]]),
            # A callee who says nothing is waited for until the deadline.
            "turns": TurnSettings(silence_prompt_sec=0),
        }
        try:
            yield PatterTool(phone, agent, **options)
        finally:
            asyncio.run(phone.aclose())
            assert network.live_legs == []

    def finished(self, tool: Any, *calls: dict[str, Any]) -> Run:  # noqa: ANN401 - the framework's
        """A whole run on a loop of its own; whatever came of the calls, the agent answered."""
        run: Run = asyncio.run(_bounded(self.run(tool, *calls)))
        assert run.answer == ANSWER
        assert len(run.contents) == len(calls)
        return run

    # --- what the model sees -----------------------------------------------------------------

    def test_the_model_is_shown_the_schema_that_everybody_gets(self, network: PhoneNetwork) -> None:
        with self.phone_tool(network) as everybodys:
            shown = self.shown(self.make_tool(everybodys))
            schema = everybodys.schema(strict=self.strict)
            assert shown["name"] == "make_phone_call"
            assert shown["description"] == everybodys.description
            assert shown["parameters"]["type"] == "object"
            assert shown["parameters"]["properties"] == schema["properties"]
            assert shown["parameters"]["required"] == schema["required"]

    def test_name_description_and_schema_take_at_most_1200_characters(
        self, network: PhoneNetwork
    ) -> None:
        with self.phone_tool(network) as everybodys:
            shown = self.shown(self.make_tool(everybodys))
            text = shown["name"] + shown["description"] + json.dumps(shown["parameters"])
            assert len(text) <= 1_200

    def test_the_model_gets_the_envelope_that_everybody_gets(self, network: PhoneNetwork) -> None:
        with self.phone_tool(network) as everybodys:
            (envelope,) = self.finished(self.make_tool(everybodys), BOOK).envelopes
            same = everybodys.execute_blocking(BOOK).to_dict()
        assert envelope["status"] == same["status"] == "completed"
        assert [turn["text"] for turn in envelope["transcript"]] == SAID
        assert list(envelope) == list(same)
        assert len(network.dials) == 2

    # --- what goes wrong ---------------------------------------------------------------------

    @pytest.mark.parametrize(("arguments", "field"), BAD_ARGUMENTS)
    def test_bad_arguments_are_refused_by_name_and_nobody_is_rung(
        self, network: PhoneNetwork, arguments: dict[str, Any], field: str
    ) -> None:
        with self.phone_tool(network) as everybodys:
            (envelope,) = self.finished(self.make_tool(everybodys), arguments).envelopes
        assert (envelope["status"], envelope["error_code"]) == ("rejected", "invalid_arguments")
        assert f"'{field}'" in envelope["error"]
        assert network.dials == []

    def test_an_engine_that_fails_lets_the_run_go_on_after_one_dial(
        self, network: PhoneNetwork
    ) -> None:
        def broken(_messages: object) -> str:
            raise RuntimeError("the model broke")

        with self.phone_tool(network, llm=ScriptedLLM(broken)) as everybodys:
            (envelope,) = self.finished(self.make_tool(everybodys), BOOK).envelopes
        assert (envelope["status"], envelope["error_code"]) == ("failed", "provider_failed")
        assert len(network.dials) == 1

    def test_a_closed_phone_lets_the_run_go_on(self, network: PhoneNetwork) -> None:
        with self.phone_tool(network) as everybodys:
            asyncio.run(everybodys.stop())
            (envelope,) = self.finished(self.make_tool(everybodys), BOOK).envelopes
        assert envelope["error_code"] == "phone_closed"

    def test_a_hook_that_fails_fails_no_call(self, network: PhoneNetwork) -> None:
        def broken(_event: object) -> None:
            raise RuntimeError("a listener of the application")

        with self.phone_tool(network, on_event=broken) as everybodys:
            (envelope,) = self.finished(self.make_tool(everybodys), BOOK).envelopes
        assert envelope["status"] == "completed"

    # --- cancelled ---------------------------------------------------------------------------

    def _hung_up(self, network: PhoneNetwork, since: float) -> None:
        network.wait_until(lambda: not network.live_legs, what="the hang-up")
        (leg,) = network.dials
        assert leg.ended_at is not None
        assert leg.ended_at - since <= _HANG_UP_SEC * _SPEED

    def test_cancelling_the_run_hangs_up(self, paced_network: PhoneNetwork) -> None:
        network = paced_network

        async def cancel() -> None:
            run = asyncio.create_task(self.run(tool, {"to": NOBODY, "max_duration_sec": 1800}))
            await network.until(_answered(network), what="an answer")
            since = network.clock.now()
            run.cancel()
            await asyncio.wait([run])
            self._hung_up(network, since)

        with self.phone_tool(network) as everybodys:
            tool = self.make_tool(everybodys)
            asyncio.run(_bounded(cancel()))

    def test_a_timeout_around_the_run_hangs_up(self, paced_network: PhoneNetwork) -> None:
        network = paced_network

        async def expire() -> float:
            run = asyncio.create_task(self.run(tool, {"to": NOBODY, "max_duration_sec": 1800}))
            await network.until(_answered(network), what="an answer")
            since = network.clock.now()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(run, 0.01)
            return since

        with self.phone_tool(network) as everybodys:
            tool = self.make_tool(everybodys)
            self._hung_up(network, asyncio.run(_bounded(expire())))

    def test_a_loop_that_ends_right_after_the_cancellation_leaves_no_call_up(
        self, paced_network: PhoneNetwork
    ) -> None:
        network = paced_network

        async def cancel_and_leave() -> float:
            run = asyncio.create_task(self.run(tool, {"to": NOBODY, "max_duration_sec": 1800}))
            await network.until(_answered(network), what="an answer")
            run.cancel()
            return network.clock.now()

        with self.phone_tool(network) as everybodys:
            tool = self.make_tool(everybodys)
            self._hung_up(network, asyncio.run(_bounded(cancel_and_leave())))

    def test_cancelling_from_another_thread_hangs_up(self, paced_network: PhoneNetwork) -> None:
        network = paced_network
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        try:
            with self.phone_tool(network) as everybodys:
                tool = self.make_tool(everybodys)
                run = self.run(tool, {"to": NOBODY, "max_duration_sec": 1800})
                future = asyncio.run_coroutine_threadsafe(run, loop)
                network.wait_until(_answered(network), what="an answer")
                since = network.clock.now()
                future.cancel()
                self._hung_up(network, since)
        finally:
            _stopped(loop, thread)

    # --- plain code, many loops, several calls -----------------------------------------------

    def test_it_works_in_plain_code(self, network: PhoneNetwork) -> None:
        with self.phone_tool(network) as everybodys:
            run = self.run_blocking(self.make_tool(everybodys), BOOK)
        assert run.answer == ANSWER
        assert run.envelopes[0]["status"] == "completed"
        assert len(network.dials) == 1

    def test_it_works_in_plain_code_inside_a_running_loop(self, network: PhoneNetwork) -> None:
        async def blocked() -> Run:
            await everybodys.start()  # This loop is the one that hooks prefer.
            return self.run_blocking(tool, BOOK)

        with self.phone_tool(network) as everybodys:
            tool = self.make_tool(everybodys)
            run = asyncio.run(_bounded(blocked()))
        assert run.envelopes[0]["status"] == "completed"
        assert len(network.dials) == 1

    def test_two_calls_of_one_turn_are_two_calls_with_a_result_each(
        self, network: PhoneNetwork
    ) -> None:
        everybody_asked = threading.Barrier(2)

        def both_were_asked_for(_request: CallRequest) -> bool:
            everybody_asked.wait(_RUN_SEC / 2)
            return True

        # How far one call gets before the other begins is up to the machine; this is not.
        options: dict[str, Any] = {"approve": both_were_asked_for} if self.side_by_side else {}
        with self.phone_tool(network, lines=2, **options) as everybodys:
            run = self.finished(self.make_tool(everybodys), BOOK, HAIRCUT)
        assert [envelope["to"] for envelope in run.envelopes] == [RESTAURANT, BARBER]
        assert [envelope["status"] for envelope in run.envelopes] == ["completed"] * 2
        assert {leg.to for leg in network.dials} == {RESTAURANT, BARBER}

    def test_three_runs_on_three_loops_share_a_tool(self, network: PhoneNetwork) -> None:
        with self.phone_tool(network, lines=3) as everybodys:
            tool = self.make_tool(everybodys)
            one_by_one = [self.finished(tool, BOOK) for _ in range(3)]
            with ThreadPoolExecutor(3) as threads:
                together = list(threads.map(self.finished, [tool] * 3, [BOOK] * 3))
        statuses = [run.envelopes[0]["status"] for run in one_by_one + together]
        assert statuses == ["completed"] * 6
        assert len(network.dials) == 6

    # --- what is told meanwhile --------------------------------------------------------------

    def test_on_event_tells_of_the_call_in_order(self, network: PhoneNetwork) -> None:
        told: list[dict[str, Any]] = []

        def tell(event: ProgressEvent) -> None:
            told.append(event_data(event))

        with self.phone_tool(network, on_event=tell) as everybodys:
            (envelope,) = self.finished(self.make_tool(everybodys), BOOK).envelopes
        _check_told(told, envelope)

    def test_the_frameworks_own_channel_tells_of_the_call_in_order(
        self, network: PhoneNetwork
    ) -> None:
        with self.phone_tool(network) as everybodys:
            run = self.finished(self.make_tool(everybodys), BOOK)
        if run.told is None:
            pytest.skip("the framework has no channel for progress")
        _check_told(run.told, run.envelopes[0])

    # --- asked first -------------------------------------------------------------------------

    @pytest.mark.parametrize(("approve", "dials"), [(True, 1), (False, 0)])
    def test_nobody_is_rung_before_somebody_approves(
        self, network: PhoneNetwork, *, approve: bool, dials: int
    ) -> None:
        with self.phone_tool(network) as everybodys:
            tool = self.make_asking_tool(everybodys)
            saved = asyncio.run(_bounded(self.run_until_asked(tool, BOOK)))
            assert network.dials == []
            # A tool of its own, as in the process that goes on a day later.
            again = self.make_asking_tool(everybodys)
            run = asyncio.run(_bounded(self.resume(again, saved, approve=approve)))
        assert run.answer == ANSWER
        assert len(network.dials) == dials
        if approve:
            assert run.envelopes[0]["status"] == "completed"

    # --- long calls --------------------------------------------------------------------------

    @pytest.mark.parametrize("seconds", [180, 1_800])
    def test_a_long_call_comes_to_its_end(self, network: PhoneNetwork, seconds: int) -> None:
        with self.phone_tool(network) as everybodys:
            call = {"to": NOBODY, "max_duration_sec": seconds}
            (envelope,) = self.finished(self.make_tool(everybodys), call).envelopes
        assert envelope["status"] == "timeout"
        assert seconds - 5 < envelope["duration_seconds"] <= seconds + 1
        assert len(network.dials) == 1

    # --- what it costs -----------------------------------------------------------------------

    def test_patter_itself_does_not_load_the_framework(self) -> None:
        if not self.package:
            pytest.skip("the adapter imports no framework")
        ran = _python(
            "import sys, patter\nfor name in patter.__all__: getattr(patter, name)\n"
            f"import patter_core.contract.phone_tool\nassert {self.package!r} not in sys.modules"
        )
        assert ran.returncode == 0, ran.stderr

    def test_without_the_framework_the_import_says_what_to_install(self) -> None:
        if not self.package:
            pytest.skip("the adapter imports no framework")
        ran = _python(_WITHOUT.format(package=self.package) + f"import {self.module}")
        assert f"MissingExtra: '{self.package}' is not installed" in ran.stderr
        assert f"pip install 'patter[{self.extra}]'" in ran.stderr


_WITHOUT = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {package!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
"""


def _python(code: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(entry for entry in sys.path if entry)
    return subprocess.run(  # noqa: S603 - this interpreter, our own code
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
        env=os.environ | {"PYTHONPATH": path},
    )


def _network(*, speed: float | None) -> Iterator[PhoneNetwork]:
    with PhoneNetwork(speed=speed) as network:
        network.add(RESTAURANT, Callee(says=[SAID[0], SAID[2]]))
        network.add(BARBER, Callee(says=["Barber's.", "At noon, then. Bye!"]))
        network.add(NOBODY, Callee(behave="silent", rings_sec=0.1))
        yield network
        assert network.violations == []


async def _bounded(running: Any) -> Any:  # noqa: ANN401 - any coroutine
    async with asyncio.timeout(_RUN_SEC):
        return await running


def _answered(network: PhoneNetwork) -> Callable[[], bool]:
    return lambda: bool(network.dials) and network.dials[0].answered


def _stopped(loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
    async def rest() -> None:
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    asyncio.run_coroutine_threadsafe(rest(), loop).result(5)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(5)
    loop.close()


def _check_told(told: Sequence[Mapping[str, Any]], envelope: Mapping[str, Any]) -> None:
    """The call was told whole, in order, and as JSON has it."""
    assert json.loads(json.dumps(list(told))) == list(told)
    kinds = [data["type"] for data in told]
    stages = [kind for kind, before in zip(kinds, [None, *kinds], strict=False) if kind != before]
    assert stages == EVERY_STAGE
    assert {data["call_id"] for data in told} == {envelope["call_id"]}
    assert [data["turn"] for data in told if data["type"] == "turn"] == envelope["transcript"]
    assert told[-1]["result"] == envelope
