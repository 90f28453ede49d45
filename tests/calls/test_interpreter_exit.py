"""The process ends with a call up. The network lives elsewhere, and is reached by name."""

from __future__ import annotations

import signal

import pytest

from patter.simulator import Callee
from tests.calls.kit import CALLEE, creates, hang_ups


@pytest.fixture
def speed():
    return 4.0


@pytest.fixture
def silent(network):
    network.add(CALLEE, Callee(behave="silent", rings_sec=0.2))
    return network


async def gone(network):
    await network.until(lambda: not network.live_legs, what="the leg to be gone")
    assert len(creates(network)) == 1
    (leg,) = network.dials
    # By our hang-up, or by our closing its audio a moment before; not by a limit of the carrier's.
    assert leg.ended_by in ("caller", "instructions")


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ("end awaited", 0),
        ("end submitted", 0),
        ("end by exception", 1),
        ("end with a daemon thread", 0),
    ],
)
async def test_the_leg_is_gone_when_the_interpreter_exits(silent, calling, how, code):
    process = await calling(how)
    await process.comes_to("answered")
    await gone(silent)
    assert await process.ends() == code
    assert len(hang_ups(silent)) == 1


async def test_the_leg_is_gone_when_the_interpreter_exits_while_dialling(silent, calling):
    silent.faults.create("hang", after_creating=True)
    process = await calling("end dialling")
    await process.comes_to("dialing")
    await silent.until(lambda: creates(silent))
    await gone(silent)
    assert await process.ends() == 0


async def test_a_keyboard_interrupt_in_a_blocking_call_hangs_up(silent, calling):
    process = await calling("interrupt")
    await process.comes_to("answered")
    process.gets(signal.SIGINT)
    assert await process.says("interrupted")
    await gone(silent)  # While the process lives on.
    process.hears()
    assert await process.ends() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_server_that_is_told_to_end_hangs_up_and_says_so(silent, calling, number):
    process = await calling("serve")
    await process.comes_to("answered")
    process.gets(number)
    result = await process.says("result")
    assert (result["status"], result["error_code"]) == ("interrupted", "engine_stopped")
    assert await process.ends() == 0
    await gone(silent)


async def test_an_interrupted_program_hangs_up(silent, calling):
    """Ctrl-C in asyncio.run: the run is cancelled, the process ends."""
    process = await calling("stay")
    await process.comes_to("answered")
    process.gets(signal.SIGINT)
    await gone(silent)
    assert await process.ends() != 0


async def test_a_phone_without_calls_lets_the_process_go_at_once(silent, calling):
    process = await calling("open")
    assert (await process.says("url")).startswith("http://127.0.0.1:")
    process.hears()
    assert await process.ends() == 0
