"""What an adapter's author fills in, and what the suite's tests stand on."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from patter.simulator import Callee, PhoneNetwork
from patter.testing.scene import ANSWER, BARBER, NOBODY, RESTAURANT, SAID
from patter_core.contract.phone_tool import PatterTool
from patter_core.phone import Patter
from patter_core.pipeline.providers.scripted import ScriptedLLM, ScriptedSTT, ScriptedTTS
from patter_core.pipeline.turn_settings import TurnSettings

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from patter.testing.scene import Run

SPEED = 4.0
"""How many times real time the paced network runs."""
RUN_SEC = 45.0
"""How long any run may take, in real time."""


class Adapter:
    """An adapter under test.

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
        pytest.skip("the framework has no approval that puts a run away; `approve=` is tested")

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
        yield from _network(speed=SPEED)

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
        run: Run = asyncio.run(bounded(self.run(tool, *calls)))
        assert run.answer == ANSWER
        assert len(run.contents) == len(calls)
        return run


async def bounded(running: Any) -> Any:  # noqa: ANN401 - any coroutine
    """What `running` returns, within the time that any run may take."""
    async with asyncio.timeout(RUN_SEC):
        return await running


def _network(*, speed: float | None) -> Iterator[PhoneNetwork]:
    with PhoneNetwork(speed=speed) as network:
        network.add(RESTAURANT, Callee(says=[SAID[0], SAID[2]]))
        network.add(BARBER, Callee(says=["Barber's.", "At noon, then. Bye!"]))
        network.add(NOBODY, Callee(behave="silent", rings_sec=0.1))
        yield network
        assert network.violations == []
