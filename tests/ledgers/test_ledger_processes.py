"""Processes that share a ledger, die with it, or fork."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from patter_core.calls.status import State

PROGRAM = Path(__file__).with_name("ledger_process.py")
ROOT = PROGRAM.parents[2]


class Process:
    """A process with a ledger, which is told lines and answers by lines."""

    def __init__(self, process):
        self._process = process
        self.pid = process.pid

    async def says(self):
        async with asyncio.timeout(30):
            return (await self._process.stdout.readline()).decode().split()

    def hears(self, line=""):
        self._process.stdin.write(f"{line}\n".encode())

    async def ends(self):
        self._process.stdin.close()
        async with asyncio.timeout(30):
            return await self._process.wait()

    async def is_killed(self):
        self._process.send_signal(signal.SIGKILL)
        return await self.ends()


@asynccontextmanager
async def process(what, path):
    started = await asyncio.create_subprocess_exec(
        sys.executable,
        str(PROGRAM),
        what,
        str(path),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        yield Process(started)
    finally:
        if started.returncode is None:
            started.kill()
        started.stdin.close()
        await started.wait()


async def test_processes_that_make_the_file_at_once_agree_on_its_key(tmp_path):
    for trial in range(4):
        path = tmp_path / f"{trial}.db"
        async with (
            process("agree", path) as one,
            process("agree", path) as two,
            process("agree", path) as three,
        ):
            everybody = (one, two, three)
            assert [await each.says() for each in everybody] == [["ready"]] * 3
            for each in everybody:
                each.hears()
            (key,) = {(await each.says())[0] for each in everybody}
            assert len(bytes.fromhex(key)) == 32
            assert [await each.ends() for each in everybody] == [0, 0, 0]


async def test_of_two_processes_with_one_key_exactly_one_writes(tmp_path):
    path = tmp_path / "calls.db"
    async with process("race", path) as one, process("race", path) as two:
        assert (await one.says(), await two.says()) == (["ready"], ["ready"])
        winners = set()
        for trial in range(300):
            first, second = (one, two) if trial % 2 else (two, one)
            first.hears(f"key{trial}")
            second.hears(f"key{trial}")
            answers = {first.pid: (await first.says())[0], second.pid: (await second.says())[0]}
            (winner,) = [pid for pid, answer in answers.items() if answer == "won"]
            winners.add(winner)
            del answers[winner]
            assert list(answers.values()) == [f"key{trial}-{winner}"]
        assert winners == {one.pid, two.pid}


async def test_what_a_killed_process_carried_is_abandoned(opened, intent, tmp_path):
    ledger = await opened(tmp_path / "calls.db")
    await ledger.intend(intent(ledger, "call_ours"))
    async with process("carry", tmp_path / "calls.db") as other:
        owner, call_id = await other.says()
        assert await ledger.owner_lives(owner)
        assert await ledger.abandoned() == []
        await other.is_killed()
    assert not await ledger.owner_lives(owner)
    (row,) = await ledger.abandoned()
    assert (row.call_id, row.owner, row.state) == (call_id, owner, State.LIVE)
    assert row.carrier_call_id == f"CA{other.pid}"
    assert [turn.text for turn in row.turns] == ["Hello?"]
    assert not (tmp_path / "owners" / f"{owner}.lock").exists()


async def test_the_dead_are_told_from_the_living(opened, tmp_path):
    path = tmp_path / "calls.db"
    async with process("carry", path) as doomed, process("carry", path) as steady:
        _, lost = await doomed.says()
        living, _ = await steady.says()
        await doomed.is_killed()
        ledger = await opened(path)
        assert [row.call_id for row in await ledger.abandoned()] == [lost]
        locks = {lock.stem for lock in (tmp_path / "owners").iterdir()}
        assert locks == {living, ledger.owner}


async def test_a_ledger_that_was_closed_in_order_leaves_no_lock(opened, tmp_path):
    async with process("carry", tmp_path / "calls.db") as other:
        owner, call_id = await other.says()
        other.hears()
        assert await other.ends() == 0
    assert list((tmp_path / "owners").iterdir()) == []
    ledger = await opened(tmp_path / "calls.db")
    assert not await ledger.owner_lives(owner)
    assert [row.call_id for row in await ledger.abandoned()] == [call_id]


async def test_two_ledgers_of_one_process_are_two_owners(opened, intent, tmp_path):
    first, second = await opened(tmp_path / "calls.db"), await opened(tmp_path / "calls.db")
    assert first.owner != second.owner
    await first.intend(intent(first))
    assert await second.owner_lives(first.owner)
    assert await second.abandoned() == []
    owner = first.owner
    await first.aclose()
    assert not await second.owner_lives(owner)
    assert [row.call_id for row in await second.abandoned()] == ["call_1"]


async def test_one_file_under_two_names_has_one_set_of_owners(opened, intent, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    first = await opened(tmp_path / "real" / "calls.db")
    second = await opened(tmp_path / "link" / "calls.db")
    await first.intend(intent(first))
    assert await second.abandoned() == []


async def test_the_abandoned_are_listed_oldest_first(opened, intent, tmp_path):
    ledger = await opened(tmp_path / "calls.db")
    for day in (3, 1, 2):
        moment = datetime(2030, 1, day, tzinfo=UTC)
        await ledger.intend(intent(ledger, f"call_{day}", owner=f"d{day}", intended_at=moment))
    listed = [row.call_id for row in await ledger.abandoned()]
    assert listed == ["call_1", "call_2", "call_3"]


async def test_a_forked_child_does_not_keep_its_parents_lock(opened, tmp_path):
    ledger = await opened(tmp_path / "calls.db")
    async with process("fork", tmp_path / "calls.db") as parent:
        told = dict([await parent.says(), await parent.says()])
        assert told["child"] == "refused"
        owner = told["parent"]
        assert await ledger.owner_lives(owner)
        os.kill(parent.pid, signal.SIGKILL)
        await _gone(ledger, owner)
        # The child still holds our end of the line: it has not ended.
        assert [row.call_id for row in await ledger.abandoned()] == ["call_parent"]
        parent.hears("end, child")
        assert await parent.says() == []


async def test_a_forked_child_takes_nothing_with_it(opened, tmp_path):
    ledger = await opened(tmp_path / "calls.db")
    async with process("fork", tmp_path / "calls.db") as parent:
        told = dict([await parent.says(), await parent.says()])
        parent.hears("end, child")
        assert await parent.says() == ["after", "True"]
        assert (await ledger.read("call_parent")).owner == told["parent"]
        assert await parent.ends() == 0


async def test_a_call_can_be_closed_while_the_interpreter_exits(opened, tmp_path):
    async with process("leave_to_exit", tmp_path / "calls.db") as leaving:
        assert await leaving.says() == ["closed", "True"]
        assert await leaving.ends() == 0
    row = await (await opened(tmp_path / "calls.db")).read("call_1")
    assert (row.state, row.result.status) == (State.ENDED, "interrupted")


async def _gone(ledger, owner):
    async with asyncio.timeout(30):
        while await ledger.owner_lives(owner):  # noqa: ASYNC110 - nobody tells us of a death
            await asyncio.sleep(0.01)


async def test_many_who_join_and_sweep_at_once_are_all_alive(opened, tmp_path):
    ledgers = [await opened(tmp_path / "calls.db") for _ in range(4)]

    async def come_and_go(ledger):
        for _ in range(15):
            await ledger.aclose()
            await ledger.open()
            assert await ledger.owner_lives(ledger.owner)

    await asyncio.gather(*(come_and_go(ledger) for ledger in ledgers))
    for one in ledgers:
        for other in ledgers:
            assert await one.owner_lives(other.owner)
