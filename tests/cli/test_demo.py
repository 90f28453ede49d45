"""`patter demo`, as a user runs it: a process, with a terminal and without."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import stat
import struct
import subprocess
import sys
import termios
from typing import Any

import pytest
from PIL import Image

from patter.cli import scene
from patter.cli.keepsakes import writable_folder
from patter.cli.loudspeaker import play
from patter.cli.main import main
from patter.simulator import ScriptedChatServer, ToolCall
from patter_core.audio import mulaw
from patter_core.audio.wav import read
from patter_core.speech.grammar import of_phrases
from patter_core.speech.sphinx import Ended, Recogniser
from tests.speech.local_extra import PAUSE, needs_ears

PATTER = [sys.executable, "-m", "patter.cli.main"]
QUICKLY = ["demo", "--text", "--speed", "50"]
ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
SPOKEN = (scene.REQUEST, *scene.RESTAURANT_SAYS, *scene.VOICE_SAYS)
TURNS = [
    line for both in zip(scene.RESTAURANT_SAYS, scene.VOICE_SAYS, strict=True) for line in both
]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Where the demo is started: an empty folder."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def environment(**more: str) -> dict[str, str]:
    """The process's own, less what would change what is shown."""
    telling = ("OPENAI_", "TWILIO_", "PATTER_", "LANGSMITH_", "LANGCHAIN_")
    ours = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "PORT", "PYTHONPATH")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(telling) and k not in ours}
    return kept | {"TERM": "xterm-256color", "PYTHONPATH": os.pathsep.join(sys.path)} | more


def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PATTER, *arguments],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env=environment(**more),
    )


def run_in_terminal(*arguments: str, columns: int, **more: str) -> tuple[int, str]:
    """The exit code and everything that came to the screen."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    process = subprocess.Popen(
        [*PATTER, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env=environment(**more)
    )
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 65_536):
            shown += piece
    except OSError:
        pass  # Linux's way of saying that nobody holds the other end any more.
    finally:
        os.close(ours)
    return process.wait(timeout=100), shown.decode()


def words(shown: str) -> str:
    """What a reader makes of it, whatever the lines' breaks and colours."""
    return " ".join(ANSI.sub(" ", shown).split())


def plain(text: str) -> str:
    """How ears write `text`."""
    return " ".join(re.findall(r"\w+", text.lower()))


# --- as JSON -------------------------------------------------------------------------------------


@needs_ears
def test_json_is_the_result_of_a_spoken_call_and_nothing_else(here):
    ran = run("demo", "--json", "--speed", "20")
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    result = json.loads(ran.stdout)
    assert result["status"] == "completed"
    assert (result["to"], result["ended_by"]) == (scene.RESTAURANT_NUMBER, "callee")
    assert [plain(turn["text"]) for turn in result["transcript"]] == [plain(t) for t in TURNS]
    assert [path.as_posix() for path in (here / "patter-demo").iterdir()] == [result["recording"]]


def test_json_of_a_call_as_text_has_every_letter_and_leaves_nothing(here):
    ran = run("demo", "--json", "--text", "--play")
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == "patter: there is no recording to play\n"
    result = json.loads(ran.stdout)
    assert [turn["text"] for turn in result["transcript"]] == TURNS
    assert result["recording"] is None
    assert list(here.iterdir()) == []


def test_a_speech_model_holds_the_same_call_over_its_own_protocol(here):
    ran = run("demo", "--realtime", "--json")
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    result = json.loads(ran.stdout)
    assert (result["status"], result["ended_by"]) == ("completed", "callee")
    assert [turn["text"] for turn in result["transcript"]] == TURNS
    assert result["metrics"]["tokens"]["audio_out"] > 0, "the speech model's own figures"
    assert result["metrics"]["hears_nothing"] is False
    assert list(here.iterdir()) == []


def test_a_terminal_says_that_the_speech_model_is_scripted():
    ran = run("demo", "--realtime", "--speed", "50")
    assert ran.returncode == 0, ran.stderr
    told = words(ran.stdout)
    assert "OpenAI Realtime's protocol: a scripted one" in told
    assert "Your table is booked" in told


# --- what can be heard and seen ------------------------------------------------------------------


def understood(channel: bytes, lines: tuple[str, ...]) -> str:
    """What ears of our own make of one side of a recording."""
    sentences = [sentence for line in lines for sentence in re.split(r"(?<=[.!?])\s+", line)]
    ears = Recogniser(of_phrases([*lines, *sentences]))
    events = ears.hear(mulaw.encode(channel) + PAUSE)
    ears.close()
    return " ".join(event.text for event in events if isinstance(event, Ended))


@needs_ears
def test_the_recording_has_both_sides_as_they_spoke(here):
    ran = run("demo", "--speed", "50")
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    named = re.findall(r"^  (patter-demo/call_\w+\.(?:png|wav))$", ran.stdout, re.MULTILINE)
    picture, recording = (here / name for name in named)
    assert stat.S_IMODE(recording.stat().st_mode) == 0o600
    restaurant, agent = read(recording).channels
    assert understood(restaurant, scene.RESTAURANT_SAYS) == plain(" ".join(scene.RESTAURANT_SAYS))
    assert understood(agent, scene.VOICE_SAYS) == plain(" ".join(scene.VOICE_SAYS))
    with Image.open(picture) as image:
        assert (image.format, image.width) == ("PNG", 1_600)


@needs_ears
def test_play_hands_the_recording_to_a_player(tmp_path):
    player = tmp_path / "aplay"
    player.write_text('#!/bin/sh\necho "$@" > "$PLAYED"\n')
    player.chmod(0o755)
    ran = run("demo", "--json", "--play", PATH=str(tmp_path), PLAYED=str(tmp_path / "played"))
    assert (ran.returncode, ran.stderr) == (0, "")
    recording = json.loads(ran.stdout)["recording"]
    assert (tmp_path / "played").read_text() == f"-q {recording}\n"


def test_without_a_player_it_is_said_what_was_looked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert play(tmp_path / "call.wav") == (
        "nothing here plays sound (looked for paplay, aplay, afplay)"
    )


def test_a_player_that_fails_is_said_to(tmp_path, monkeypatch):
    (tmp_path / "aplay").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "aplay").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert play(tmp_path / "call.wav") == "aplay found no sound device"


def test_where_nothing_may_be_written_a_temporary_folder_is_used(here, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert writable_folder() == here / "patter-demo"
    (here / "patter-demo").rmdir()
    (here / "patter-demo").write_text("in the way")
    assert writable_folder().parent == tmp_path


@pytest.mark.parametrize("wheel", ["pocketsphinx", "espeakng_loader"])
def test_without_ears_or_voice_one_line_says_so_and_the_call_goes_as_text(wheel):
    ran = run_without(wheel)
    assert ran.returncode == 0, ran.stderr
    assert [turn["text"] for turn in json.loads(ran.stdout)["transcript"]] == TURNS
    assert ran.stderr.startswith("patter: nothing can be spoken here, so it goes as text: ")
    assert wheel in ran.stderr
    assert ran.stderr.count("\n") == 1


# --- in a terminal -------------------------------------------------------------------------------


COLOURED = re.compile(r"\x1b\[[0-9;]*3[0-9]")


@pytest.mark.parametrize("columns", [60, 100])
def test_a_terminal_shows_the_call_as_it_goes_on_and_the_answer(columns):
    code, shown = run_in_terminal("demo", "--text", "--speed", "12", columns=columns)
    assert code == 0, shown
    told = words(shown)
    for line in SPOKEN:
        assert line in told
    for stage in ("dialing +14155552671", "ringing", "answered", "ended by the callee"):
        assert stage in told
    assert re.search(r"ringing 0:0\d \$0\.000 so far", told)
    assert re.search(r"answered 0:\d\d \$0\.014 so far", told)
    ending = told.partition("Result completed")[2]
    assert "at Casa Roma, under the name Ada." in ending
    for line in re.split(r"[\r\n]+", ANSI.sub("", shown)):
        assert len(line) <= columns
    assert COLOURED.search(shown)


@needs_ears
def test_a_terminal_shows_a_spoken_call_as_it_was_understood():
    code, shown = run_in_terminal("demo", "--speed", "30", columns=80)
    assert code == 0, shown
    told = words(shown)
    for line in (*scene.VOICE_SAYS, *scene.RESTAURANT_SAYS):
        assert line in told
    assert "Your table is booked" in told
    assert "patter-demo/call_" in told


def test_colours_are_left_out_when_they_are_not_wanted():
    code, shown = run_in_terminal(*QUICKLY, columns=80, NO_COLOR="1")
    assert code == 0
    assert not COLOURED.search(shown)


def test_without_a_terminal_it_is_plain_text():
    ran = run(*QUICKLY)
    assert ran.returncode == 0, ran.stderr
    assert (ran.stderr, "\x1b" in ran.stdout, "so far" in ran.stdout) == ("", False, False)
    for line in SPOKEN:
        assert line in words(ran.stdout)


# --- the agent's own model -----------------------------------------------------------------------


def with_key(*replies: Any, arguments: tuple[str, ...] = tuple(QUICKLY)):
    """Run with a key, and OpenAI's address pointing at a server of ours."""
    with ScriptedChatServer(replies) as service:
        ran = run(*arguments, OPENAI_API_KEY="a-key", OPENAI_BASE_URL=service.base_url)
    assert service.refusals == []
    return ran, service.requests


def test_with_a_key_the_agents_model_is_the_real_one_and_all_else_is_the_same():
    call = ToolCall("make_phone_call", {"to": scene.RESTAURANT_NUMBER, "goal": "Book a table."})
    ran, asked = with_key(call, "Off you go to dinner.")
    assert ran.returncode == 0, ran.stderr
    assert [request["model"] for request in asked] == [scene.OPENAI_MODEL] * 2
    told = words(ran.stdout)
    assert scene.RESTAURANT_SAYS[-1] in told
    assert "Off you go to dinner." in told


def test_a_call_that_fails_is_shown_in_words():
    ran, _ = with_key(ToolCall("make_phone_call", {"to": "+14155559999"}), "It did not work.")
    assert ran.returncode == 1
    told = words(ran.stdout)
    assert "Result failed" in told
    assert "error: " in told
    assert "It did not work." in told
    assert "Look:" not in told


def test_bad_arguments_ring_nobody_and_are_shown_in_words():
    ran, _ = with_key(ToolCall("make_phone_call", {"to": "the restaurant"}), "I cannot.")
    assert ran.returncode == 1
    told = words(ran.stdout)
    assert "Result rejected" in told
    assert "dialing" not in told


def test_an_agent_that_rings_nobody_is_said_to_have_done_so():
    ran, _ = with_key("I would rather not.", arguments=("demo", "--json", "--text"))
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == "patter: the agent answered without ringing anybody\n"


def test_a_refused_key_is_one_sentence():
    refusal = {"status": 401, "error": "Incorrect API key provided."}
    ran, _ = with_key(refusal)
    assert ran.returncode == 1
    assert ran.stderr.startswith("patter: the agent's model gave no answer (")
    assert ran.stderr.count("\n") == 1


# --- the machine it runs on ----------------------------------------------------------------------


def test_a_proxy_in_the_environment_is_no_obstacle():
    nowhere = "http://127.0.0.1:9"
    ran = run("demo", "--json", "--text", HTTP_PROXY=nowhere, http_proxy=nowhere, ALL_PROXY=nowhere)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["status"] == "completed"


def run_without(package: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `patter demo --json` where `package` is not installed."""
    code = f"""
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {package!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
from patter.cli.main import main
sys.exit(main(["demo", "--json", *{list(arguments)!r}]))
"""
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env=environment(),
    )


@pytest.mark.parametrize("package", ["langchain_core", "langchain", "langchain_openai", "PIL"])
def test_a_missing_extra_is_one_sentence(package):
    ran = run_without(package)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith(f"patter: {package!r} is not installed")
    assert "patter[demo]" in ran.stderr
    assert ran.stderr.count("\n") == 1


def test_control_c_ends_it_in_one_sentence():
    process = subprocess.Popen(
        [*PATTER, "demo", "--text", "--speed", "1.5"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(PYTHONUNBUFFERED="1"),
    )
    assert process.stdout is not None
    for line in process.stdout:
        if scene.RESTAURANT_SAYS[0] in line:
            break
    process.send_signal(2)
    _, complaint = process.communicate(timeout=100)
    assert (process.returncode, complaint) == (1, "patter: stopped\n")


# --- the command line ----------------------------------------------------------------------------


def test_without_arguments_it_helps(capsys):
    assert main([]) == 0
    assert "demo" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [["sing"], ["demo", "--speed", "0"], ["demo", "--speed", "nan"], ["demo", "now"]]
)
def test_a_wrong_command_line_says_what_is_wrong(arguments, capsys):
    with pytest.raises(SystemExit) as exit_code:
        main(arguments)
    assert exit_code.value.code == 2
    told = capsys.readouterr()
    assert (told.out, "usage: patter" in told.err) == ("", True)
