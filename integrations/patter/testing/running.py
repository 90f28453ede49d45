"""Plain code, many loops, several calls, long calls."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest

from patter.testing.adapter import RUN_SEC, Adapter, bounded
from patter.testing.scene import ANSWER, BARBER, BOOK, HAIRCUT, NOBODY, RESTAURANT

if TYPE_CHECKING:
    from patter.simulator import PhoneNetwork
    from patter.testing.scene import Run
    from patter_core.calls.request import CallRequest


class Running(Adapter):
    """Wherever a run runs, and for as long as its calls last."""

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
            run = asyncio.run(bounded(blocked()))
        assert run.envelopes[0]["status"] == "completed"
        assert len(network.dials) == 1

    def test_two_calls_of_one_turn_are_two_calls_with_a_result_each(
        self, network: PhoneNetwork
    ) -> None:
        everybody_asked = Barrier(2)

        def both_were_asked_for(_request: CallRequest) -> bool:
            everybody_asked.wait(RUN_SEC / 2)
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

    @pytest.mark.parametrize("seconds", [180, 1_800])
    def test_a_long_call_comes_to_its_end(self, network: PhoneNetwork, seconds: int) -> None:
        with self.phone_tool(network) as everybodys:
            call = {"to": NOBODY, "max_duration_sec": seconds}
            (envelope,) = self.finished(self.make_tool(everybodys), call).envelopes
        assert envelope["status"] == "timeout"
        assert seconds - 5 < envelope["duration_seconds"] <= seconds + 1
        assert len(network.dials) == 1
