"""Nobody is rung before somebody approves."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from patter.testing.adapter import Adapter, bounded
from patter.testing.scene import ANSWER, BARBER, BOOK, HAIRCUT, RESTAURANT

if TYPE_CHECKING:
    from patter.simulator import PhoneNetwork
    from patter_core.calls.request import CallRequest


class Approving(Adapter):
    """By `approve=` everywhere, and by the framework's own approval where it has one."""

    def test_approve_decides_before_anybody_is_rung(self, network: PhoneNetwork) -> None:
        def only_the_restaurant(request: CallRequest) -> bool | str:
            return request.to == RESTAURANT or "No haircuts today"

        with self.phone_tool(network, lines=2, approve=only_the_restaurant) as everybodys:
            run = self.finished(self.make_tool(everybodys), BOOK, HAIRCUT)
        made, refused = run.envelopes
        assert made["status"] == "completed"
        assert (refused["status"], refused["error_code"]) == ("rejected", "approval_denied")
        assert "No haircuts today" in refused["error"]
        assert [leg.to for leg in network.dials] == [RESTAURANT]

    @pytest.mark.parametrize(("approve", "dials"), [(True, 1), (False, 0)])
    def test_the_frameworks_own_approval_decides_before_anybody_is_rung(
        self, network: PhoneNetwork, *, approve: bool, dials: int
    ) -> None:
        with self.phone_tool(network) as everybodys:
            tool = self.make_asking_tool(everybodys)
            saved = asyncio.run(bounded(self.run_until_asked(tool, BOOK)))
            assert network.dials == []
            # A tool of its own, as in the process that goes on a day later.
            again = self.make_asking_tool(everybodys)
            run = asyncio.run(bounded(self.resume(again, saved, approve=approve)))
        assert run.answer == ANSWER
        assert len(network.dials) == dials
        if approve:
            assert run.envelopes[0]["status"] == "completed"

    def test_two_calls_that_were_approved_together_are_made_once_each(
        self, network: PhoneNetwork
    ) -> None:
        with self.phone_tool(network, lines=2) as everybodys:
            tool = self.make_asking_tool(everybodys)
            saved = asyncio.run(bounded(self.run_until_asked(tool, BOOK, HAIRCUT)))
            assert network.dials == []
            run = asyncio.run(bounded(self.resume(tool, saved, approve=True)))
        assert [envelope["status"] for envelope in run.envelopes] == ["completed"] * 2
        assert sorted(leg.to for leg in network.dials) == [RESTAURANT, BARBER]
