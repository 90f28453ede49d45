"""WAV files, read back."""

from __future__ import annotations

import signal
import struct
import subprocess
import sys
import wave

import pytest

from patter_core.audio import mulaw
from patter_core.audio.frames import FRAME_BYTES, SAMPLE_RATE_HZ, SILENT_FRAME
from patter_core.audio.wav import StereoWriter, read
from patter_core.speech import markers

CALLER = markers.encode("Who is there?")
AGENT = markers.encode("It is me.")


def test_each_side_is_where_and_when_it_spoke(tmp_path):
    path = tmp_path / "call.wav"
    with StereoWriter(path) as call:
        call.left(CALLER, 0)
        call.right(AGENT, len(CALLER) + 800)
        call.left(SILENT_FRAME, len(CALLER) + 2 * len(AGENT))
    recording = read(path)
    assert recording.rate_hz == SAMPLE_RATE_HZ
    left, right = recording.channels
    assert len(left) == len(right) == 2 * (len(CALLER) + 2 * len(AGENT) + FRAME_BYTES)
    assert left.startswith(mulaw.decode(CALLER))
    assert not any(left[2 * len(CALLER) :])
    start = 2 * (len(CALLER) + 800)
    assert not any(right[:start])
    assert right[start : start + 2 * len(AGENT)] == mulaw.decode(AGENT)
    assert not any(right[start + 2 * len(AGENT) :])


def test_a_long_call_in_frames_is_the_same_as_at_once(tmp_path):
    caller = CALLER * 20
    with StereoWriter(tmp_path / "frames.wav", settle_ms=100) as call:
        for position in range(0, len(caller), FRAME_BYTES):
            call.left(caller[position : position + FRAME_BYTES], position)
            call.right(caller[position : position + FRAME_BYTES], position)
        assert call.late == 0
    with StereoWriter(tmp_path / "whole.wav", settle_ms=3_600_000) as call:
        call.left(caller, 0)
        call.right(caller, 0)
    assert (tmp_path / "frames.wav").read_bytes() == (tmp_path / "whole.wav").read_bytes()


def test_what_comes_again_replaces_what_came_before_until_it_is_too_late(tmp_path):
    with StereoWriter(tmp_path / "call.wav", settle_ms=1_000) as call:
        call.right(AGENT[:800], 0)
        call.right(SILENT_FRAME * 5, 0)
        call.left(SILENT_FRAME * 500, 0)
        call.right(AGENT[:1_600], 800)
        assert call.late == 1_600
    _, right = read(tmp_path / "call.wav").channels
    assert not any(right)


def test_a_killed_process_leaves_a_file_that_can_be_played(tmp_path):
    path = tmp_path / "call.wav"
    script = (
        "import os, signal, sys\n"
        "from patter_core.audio.wav import StereoWriter\n"
        "with StereoWriter(sys.argv[1]) as call:\n"
        "    for second in range(60):\n"
        "        call.left(b'\\x20' * 8_000, second * 8_000)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, path], timeout=100, check=False
    )
    assert ended.returncode == -signal.SIGKILL
    left, right = read(path).channels
    seconds = len(left) / 2 / SAMPLE_RATE_HZ
    assert 57 <= seconds < 60
    assert left == mulaw.decode(b"\x20") * (len(left) // 2)
    assert not any(right)
    riff_bytes, data_bytes = (
        struct.unpack_from("<I", path.read_bytes(), offset)[0] for offset in (4, 40)
    )
    assert (riff_bytes, data_bytes) == (path.stat().st_size - 8, path.stat().st_size - 44)


def test_a_call_in_which_nobody_spoke_is_an_empty_recording(tmp_path):
    with StereoWriter(tmp_path / "call.wav"):
        pass
    assert read(tmp_path / "call.wav").channels == (b"", b"")


def test_a_mono_file_has_one_channel(tmp_path):
    path = tmp_path / "mono.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(b"\x01\x02" * 100)
    recording = read(path)
    assert (recording.rate_hz, recording.channels) == (16_000, (b"\x01\x02" * 100,))


@pytest.mark.parametrize("content", [b"", b"RIFF", b"no sound at all" * 10])
def test_what_is_no_wav_file_is_refused(tmp_path, content):
    path = tmp_path / "other.wav"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="no WAV file"):
        read(path)


def test_eight_bit_files_are_refused(tmp_path):
    path = tmp_path / "eight.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(1)
        file.setframerate(8_000)
        file.writeframes(bytes(100))
    with pytest.raises(ValueError, match="16-bit"):
        read(path)
