from __future__ import annotations

from patter_core.simulator import Callee, PhoneNetwork
from tests.simulator.small_engine import SmallEngine

NUMBER = "+14155552671"


async def test_a_conversation_goes_to_and_fro_until_the_callee_hangs_up():
    async with (
        PhoneNetwork() as network,
        SmallEngine(
            network, ["A table for four?", "Done."], greeting="Hi, this is an agent."
        ) as engine,
    ):
        network.add(NUMBER, Callee(says=["Hello?", "Yes please.", "Bye."]))
        created = await engine.dial(NUMBER)
        assert created["status"] == "queued"
        await network.until(lambda: network.callbacks and not network.live_legs)
        [leg] = network.dials
        assert leg.heard == ["Hi, this is an agent.", "A table for four?", "Done."]
        assert leg.said == engine.heard == ["Hello?", "Yes please.", "Bye."]
        assert (leg.status, leg.ended_by) == ("completed", "callee")
        assert network.violations == []
