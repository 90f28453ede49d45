"""Processes that share a ledger, and processes that die: no leg is left up, none taken away."""

from __future__ import annotations

import asyncio
import base64
import signal
import stat

import aiohttp
import pytest

from patter import PatterTool
from patter.simulator import Callee
from patter_core.audio import mulaw
from patter_core.audio.wav import read
from patter_core.speech.markers import MarkerDetector
from tests.calls.kit import CALLEE, OTHER_CALLEE, bounded, creates, hang_ups, scripted


@pytest.fixture
def speed():
    """Real time: the processes keep to it."""
    return 1.0


@pytest.fixture
def ledger(tmp_path):
    return tmp_path / "calls.sqlite"


@pytest.fixture
def silent(network):
    network.add(CALLEE, Callee(behave="silent", rings_sec=0.0))
    return network


@pytest.fixture
def here(new_phone, ledger):
    """Makes tools in this process, on the shared ledger, in real time."""

    def make():
        return PatterTool(new_phone(ledger=ledger, clock=None), scripted())

    return make


async def journalled(tool, network, call_id):
    """Wait until the ledger has a turn of a call that another process carries."""
    async with asyncio.timeout(30):
        while not (await tool._phone.result(call_id)).transcript:
            await network.until(lambda: True)


async def killed(process):
    process.gets(signal.SIGKILL)
    assert await process.ends() == -signal.SIGKILL


async def test_a_second_phone_leaves_a_live_call_of_the_first_alone(network, calling, here, ledger):
    network.add(CALLEE, Callee(says=["Hello?", "Bye."], rings_sec=0.0))
    process = await calling("stay", ledger=ledger)
    call_id = await process.comes_to("answered")
    for _ in range(2):
        second = here()
        await bounded(second.start())
        snapshot = await bounded(second._phone.result(call_id))
        assert snapshot.status == "in_progress"
        await bounded(second.stop())
    result = await process.says("result")
    assert (result["status"], result["ended_by"]) == ("completed", "callee")
    assert hang_ups(network) == []
    assert await process.ends() == 0
    third = here()
    assert (await bounded(third._phone.result(call_id))).status == "completed"


async def test_after_a_kill_the_next_start_hangs_up_and_closes_the_record(
    silent, calling, here, ledger
):
    process = await calling("stay", ledger=ledger, key="k")
    call_id = await process.comes_to("turn")
    witness = here()
    await bounded(witness.start())
    await journalled(witness, silent, call_id)
    await killed(process)
    tool = here()
    await bounded(tool.start())
    assert silent.live_legs == []
    result = await bounded(tool._phone.result(call_id))
    assert (result.status, result.error_code) == ("interrupted", "engine_stopped")
    assert (result.may_have_dialed, result.retryable, result.ended_by) == (True, False, "engine")
    assert [(turn.role, turn.text) for turn in result.transcript] == [("agent", "Hi.")]
    assert result.error
    again = await bounded(
        tool.execute(to=CALLEE, max_duration_sec=60, first_message="Hi.", idempotency_key="k")
    )
    assert (again.status, again.replayed) == ("interrupted", True)
    assert len(creates(silent)) == 1


async def test_a_killed_call_leaves_a_recording_that_plays(network, calling, here, ledger):
    spoken = "Good evening, what can I do for you on this fine day? I have all the time there is."
    spoken = " ".join([spoken] * 4)
    network.add(CALLEE, Callee(says=[spoken, "Bye."], rings_sec=0.0, pause_sec=0.1))
    process = await calling("stay", ledger=ledger, recording=True)
    call_id = await process.comes_to("answered")
    path = ledger.parent / "recordings" / f"{call_id}.wav"
    await network.until(lambda: path.exists() and path.stat().st_size > 48_000)
    await killed(process)
    tool = here()
    await bounded(tool.start())
    result = await bounded(tool._phone.result(call_id))
    assert (result.status, result.recording) == ("interrupted", str(path))
    caller, agent = read(path).channels
    ears = MarkerDetector()
    ears.feed(mulaw.encode(caller))
    assert ears.pending
    assert spoken.startswith(ears.pending)
    assert any(agent)


async def test_after_a_kill_while_it_rings_the_next_start_hangs_up(network, calling, here, ledger):
    network.add(CALLEE, Callee(behave="no_answer"))
    process = await calling("stay", ledger=ledger)
    call_id = await process.comes_to("ringing")
    await killed(process)
    assert len(network.live_legs) == 1
    tool = here()
    await bounded(tool.start())
    assert network.live_legs == []
    assert len(hang_ups(network)) == 1
    assert (await bounded(tool._phone.result(call_id))).status == "interrupted"


@pytest.mark.parametrize("created", [True, False])
async def test_after_a_kill_in_the_middle_of_dialling(silent, calling, here, ledger, created):
    silent.faults.create("hang", after_creating=created)
    silent.faults.callbacks("lost")
    silent.faults.media("never_connects")
    silent.add(CALLEE, Callee(behave="no_answer"))
    process = await calling("stay", ledger=ledger, key="k")
    await silent.until(lambda: creates(silent))
    await killed(process)
    assert len(silent.live_legs) == created
    tool = here()
    await bounded(tool.start())
    assert silent.live_legs == []
    result = await bounded(tool._phone.result("k"))
    assert (result.status, result.may_have_dialed) == ("interrupted", True)
    assert len(creates(silent)) == 1


async def test_whoever_waits_for_a_killed_process_gets_an_answer(silent, calling, here, ledger):
    process = await calling("stay", ledger=ledger, key="k")
    await process.comes_to("answered")
    tool = here()
    waiting = asyncio.create_task(
        tool.execute(to=CALLEE, max_duration_sec=60, first_message="Hi.", idempotency_key="k")
    )
    await silent.until(
        lambda: tool._phone._opening._open is not None and tool._phone._opening._open._desk
    )
    await silent.until(lambda: tool._phone._opening._open.desk.live == 1)
    await killed(process)
    result = await bounded(waiting)
    assert (result.status, result.replayed) == ("interrupted", True)
    assert silent.live_legs == []
    assert len(creates(silent)) == 1


async def test_one_key_in_two_processes_dials_once(network, calling, here, ledger):
    network.add(CALLEE, Callee(says=["Hello?", "Bye."], rings_sec=0.0))
    tool = here()
    await bounded(tool.start())
    process = await calling("stay", ledger=ledger, key="k")
    ours = await bounded(
        tool.execute(to=CALLEE, max_duration_sec=60, first_message="Hi.", idempotency_key="k")
    )
    theirs = await process.says("result")
    assert ours.call_id == theirs["call_id"]
    assert (ours.status, theirs["status"]) == ("completed", "completed")
    assert ours.replayed != theirs["replayed"]
    assert len(creates(network)) == 1


async def test_a_carrier_that_cannot_be_asked_at_the_start_is_asked_at_the_next(
    silent, calling, here, ledger
):
    process = await calling("stay", ledger=ledger)
    call_id = await process.comes_to("answered")
    await killed(process)
    silent.faults.fetches("500", times=None)
    tool = here()
    await bounded(tool.start())
    assert (await bounded(tool._phone.result(call_id))).status == "in_progress"
    await bounded(tool.stop())
    silent.faults.clear()
    tool = here()
    await bounded(tool.start())
    assert (await bounded(tool._phone.result(call_id))).status == "interrupted"
    assert silent.live_legs == []


async def test_a_call_that_ended_while_nobody_looked_is_not_hung_up_again(
    network, calling, here, ledger
):
    network.add(CALLEE, Callee(behave="silent", rings_sec=0.0, hangs_up_after_sec=0.6))
    process = await calling("stay", ledger=ledger)
    call_id = await process.comes_to("answered")
    await killed(process)
    await network.until(lambda: not network.live_legs)
    tool = here()
    await bounded(tool.start())
    result = await bounded(tool._phone.result(call_id))
    assert result.status == "interrupted"
    assert hang_ups(network) == []


async def test_the_ledger_is_for_its_owner_alone(network, here, ledger):
    tool = here()
    await bounded(tool.start())
    assert stat.S_IMODE(ledger.stat().st_mode) == 0o600


async def test_recovery_rings_nobody(silent, calling, here, ledger):
    for _ in range(2):
        process = await calling("stay", ledger=ledger)
        await process.comes_to("answered")
        await killed(process)
    before = len(creates(silent))
    tool = here()
    await bounded(tool.start())
    assert len(creates(silent)) == before == 2
    assert silent.live_legs == []


@pytest.mark.parametrize("done", [True, False])
async def test_after_a_kill_in_the_middle_of_a_transfer_the_leg_is_left_alone(
    network, calling, here, ledger, done
):
    network.add(OTHER_CALLEE, Callee())
    lines = ["A person, please.", "Hello?"]
    network.add(CALLEE, Callee(says=lines, rings_sec=0.0, hangs_up_after_sec=6.0))
    network.faults.hang_ups("hang", after_ending=done)
    process = await calling("stay", ledger=ledger, transfer_to=OTHER_CALLEE)
    call_id = await process.comes_to("answered")
    await network.until(lambda: any("TimeLimit" in r.form for r in network.requests[1:]))
    await killed(process)
    tool = here()
    await bounded(tool.start())
    result = await bounded(tool._phone.result(call_id))
    assert (result.status, result.error_code) == ("interrupted", "engine_stopped")
    assert hang_ups(network) == []
    (leg,) = network.dials
    assert leg.transferred_to == [OTHER_CALLEE] * done
    if done:  # Else the audio went down with the process, and the carrier ended the call.
        assert leg.live
        await talked_out(network, leg)


async def talked_out(network, leg):
    """The desk and the callee have nothing more to say to each other."""
    account = f"{network.account_sid}:{network.auth_token}".encode()
    headers = {"Authorization": f"Basic {base64.b64encode(account).decode()}"}
    path = f"/2010-04-01/Accounts/{network.account_sid}/Calls/{leg.sid}.json"
    async with aiohttp.ClientSession(network.api_base_url, headers=headers) as http:
        await bounded(http.post(path, data={"Status": "completed"}))
