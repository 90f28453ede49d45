"""The quick part of `make faults`: nobody is rung twice, left up, or without a result."""

from __future__ import annotations

import pytest

from benchmarks.fault_list import every_fault

QUICK = [fault for fault in every_fault() if fault.quick]


@pytest.mark.parametrize("fault", QUICK, ids=lambda fault: fault.name)
async def test_a_fault_hurts_nobody(fault):
    tally = await fault.run()
    assert tally.good, tally


def test_there_are_as_many_faults_as_were_promised():
    faults = every_fault()
    assert len(faults) >= 50
    assert len({fault.name for fault in faults}) == len(faults)
    assert sum(fault.trials for fault in faults if "SIGKILL" in fault.name) >= 60
