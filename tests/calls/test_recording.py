"""Recordings of whole calls: both sides as they were heard, and disks that fail."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from patter import DialPolicy
from patter.simulator import Callee
from patter_core.audio import mulaw
from patter_core.audio.wav import read
from patter_core.config import Limits
from patter_core.speech.markers import Ended, MarkerDetector
from tests.calls.kit import CALLEE, bounded, said, scripted


@pytest.fixture
def recorded(new_tool, tmp_path):
    """Makes one recorded call and gives its result."""

    async def call(*replies, arguments=None, **options):
        phone = {"ledger": tmp_path / "calls.sqlite", **options}
        tool = new_tool(*replies, phone=phone, recording=True)
        return await bounded(tool.execute({"to": CALLEE, **(arguments or {})}))

    return call


def heard_on(channel):
    """What ears for marker audio make of a channel; what was broken off comes last."""
    ear = MarkerDetector()
    texts = [event.text for event in ear.feed(mulaw.encode(channel)) if isinstance(event, Ended)]
    return texts + ([ear.pending] if ear.pending else [])


def seconds(recording):
    return len(recording.channels[0]) / 2 / recording.rate_hz


# --- what is in it -------------------------------------------------------------------------------


async def test_both_sides_are_in_the_file_as_they_were_heard(network, recorded, tmp_path):
    result = await recorded("For four?", "Thank you!", arguments={"first_message": "Good evening."})
    assert result.recording == str(tmp_path / "recordings" / f"{result.call_id}.wav")
    recording = read(result.recording)
    caller, agent = recording.channels
    assert heard_on(caller) == [turn.text for turn in result.transcript if turn.role == "user"]
    assert " ".join(heard_on(agent)) == " ".join(
        turn.text for turn in result.transcript if turn.role == "agent"
    )
    leg = network.dials[0]
    assert heard_on(caller) == list(leg.said)
    assert seconds(recording) == pytest.approx(result.duration_seconds, abs=0.5)


async def test_nobody_speaks_at_once_in_a_polite_call(recorded):
    result = await recorded("For four?", "Thank you!")
    caller, agent = read(result.recording).channels
    both = sum(
        any(caller[at : at + 320]) and any(agent[at : at + 320])
        for at in range(0, len(caller), 320)
    )
    assert both == 0


async def test_turns_begin_in_the_file_when_the_transcript_says(recorded):
    result = await recorded("For four?", "Thank you!")
    recording = read(result.recording)
    for turn in result.transcript:
        channel = recording.channels[0 if turn.role == "user" else 1]
        at = 2 * turn.started_ms * recording.rate_hz // 1_000
        assert any(channel[at : at + 2 * 160 * 3])


async def test_what_was_cut_off_is_not_in_it(network, recorded):
    network.add(CALLEE, Callee(says=["Hello?", "Stop.", "Bye."], interrupts_after_sec=1.0))
    long = "This goes on and on, and nobody on earth would listen to all of it without a word."
    result = await recorded(long, "Good bye.")
    cut = [turn.text for turn in result.transcript if turn.role == "agent" and turn.cut]
    assert cut
    agent = read(result.recording).channels[1]
    # A frame is a letter here, so the file may have the beginning of one more word.
    broken_off = mulaw.encode(agent)
    assert long.encode() not in broken_off
    ear, pending = MarkerDetector(), []
    for at in range(0, len(broken_off), 160):
        ear.feed(broken_off[at : at + 160])
        if ear.pending and (not pending or ear.pending != pending[-1]):
            pending.append(ear.pending)
    longest = max((text for text in pending if long.startswith(text)), key=len)
    assert longest.startswith(cut[0])
    assert len(longest) - len(cut[0]) <= 12


# --- asked for, and announced --------------------------------------------------------------------


async def test_nothing_is_recorded_unasked(new_tool, tmp_path):
    tool = new_tool(phone={"ledger": tmp_path / "calls.sqlite"})
    result = await bounded(tool.execute(to=CALLEE))
    assert result.recording is None
    assert not (tmp_path / "recordings").exists()


async def test_the_phone_itself_records_too(new_phone, tmp_path):
    phone = new_phone(recordings=tmp_path / "tapes")
    result = await bounded(phone.call(CALLEE, scripted(), recording=True))
    assert Path(result.recording).parent == tmp_path / "tapes"
    assert (await phone.result(result.call_id)).recording == result.recording


async def test_a_call_that_nobody_answers_leaves_no_file(network, recorded, tmp_path):
    network.add(CALLEE, Callee(behave="busy"))
    result = await recorded()
    assert (result.status, result.recording) == ("busy", None)
    assert not (tmp_path / "recordings").exists()


async def test_it_is_announced_in_one_breath_with_the_disclosure(recorded):
    policy = DialPolicy.simulation(
        disclosure="I am a machine.", recording_announcement="This call is recorded."
    )
    result = await recorded(policy=policy, arguments={"first_message": "Good evening."})
    greeting = "I am a machine. This call is recorded. Good evening."
    assert ("agent", greeting) in said(result)


async def test_a_call_that_is_not_recorded_is_not_said_to_be(new_tool):
    policy = DialPolicy.simulation(recording_announcement="This call is recorded.")
    result = await bounded(new_tool(phone={"policy": policy}).execute(to=CALLEE))
    assert not any("recorded" in text for _, text in said(result))


async def test_only_its_owner_may_listen(recorded):
    path = Path((await recorded()).recording)
    modes = [stat.S_IMODE(os.stat(it).st_mode) for it in (path, path.parent)]
    assert modes == [0o600, 0o700]


async def test_with_a_ledger_in_memory_it_goes_to_a_temporary_folder(
    recorded, monkeypatch, tmp_path
):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    path = Path((await recorded(ledger=":memory:")).recording)
    assert path.is_relative_to(tmp_path)
    assert read(path).rate_hz == 8_000


# --- disks that fail -----------------------------------------------------------------------------


@pytest.mark.parametrize("folder", ["a-file/recordings", "/proc"])
async def test_a_folder_that_takes_no_file_ends_the_recording_alone(
    folder, recorded, tmp_path, caplog
):
    (tmp_path / "a-file").write_text("")
    result = await recorded(recordings=tmp_path / folder)
    assert (result.status, result.recording) == ("completed", None)
    assert sum("recording ends" in record.message for record in caplog.records) == 1


def recorded_on_a_full_disk(*arguments):
    """In a process of its own: the bound holds for all that a process writes, its log too."""
    process = Path(__file__).with_name("full_disk_process.py")
    run = subprocess.run(
        [sys.executable, str(process), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    return json.loads(run.stdout)


def test_a_full_disk_ends_the_recording_and_leaves_what_was_heard():
    told = recorded_on_a_full_disk(60_000)
    assert (told["status"], told["endings"]) == ("completed", 1)
    assert 0.5 < seconds(read(told["recording"])) < 2


def test_a_disk_that_is_full_from_the_start_leaves_no_file(tmp_path):
    told = recorded_on_a_full_disk(100, tmp_path / "tapes")
    assert (told["status"], told["recording"]) == ("completed", None)
    assert list((tmp_path / "tapes").iterdir()) == []


async def test_a_call_of_half_a_second_has_its_recording(network, recorded):
    network.add(CALLEE, Callee(behave="silent", hangs_up_after_sec=0.5))
    result = await recorded()
    assert 0.3 < seconds(read(result.recording)) < 0.7


async def test_a_disk_that_hangs_ends_the_recording_not_the_call(recorded, monkeypatch, caplog):
    answers = threading.Event()
    monkeypatch.setattr("tempfile.mkdtemp", lambda **_: answers.wait(30))
    limits = Limits(recording_behind_sec=1.0, recording_close_sec=0.2)
    try:
        result = await recorded(ledger=":memory:", limits=limits)
    finally:
        answers.set()
    assert (result.status, result.recording) == ("completed", None)
    assert any("too slow" in record.message for record in caplog.records)
