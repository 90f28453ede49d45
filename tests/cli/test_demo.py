"""`patter demo`, as a user runs it: a process, with a terminal and without."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from typing import Any

import pytest

from patter.cli import scene
from patter.cli.main import main
from patter.simulator import ScriptedChatServer, ToolCall

PATTER = [sys.executable, "-m", "patter.cli.main"]
QUICKLY = ["demo", "--speed", "50"]
ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
SPOKEN = (scene.REQUEST, *scene.RESTAURANT_SAYS, *scene.VOICE_SAYS)


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
        timeout=50,
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
    return process.wait(timeout=20), shown.decode()


def words(shown: str) -> str:
    """What a reader makes of it, whatever the lines' breaks and colours."""
    return " ".join(ANSI.sub(" ", shown).split())


# --- as JSON -------------------------------------------------------------------------------------


def test_json_is_the_result_and_nothing_else():
    ran = run("demo", "--json")
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    result = json.loads(ran.stdout)
    assert result["status"] == "completed"
    assert (result["to"], result["ended_by"]) == (scene.RESTAURANT_NUMBER, "callee")
    said = [turn["text"] for turn in result["transcript"]]
    turns = zip(scene.RESTAURANT_SAYS, scene.VOICE_SAYS, strict=True)
    assert said == [line for both in turns for line in both]


# --- in a terminal -------------------------------------------------------------------------------


COLOURED = re.compile(r"\x1b\[[0-9;]*3[0-9]")


@pytest.mark.parametrize("columns", [60, 100])
def test_a_terminal_shows_the_call_as_it_goes_on_and_the_answer(columns):
    code, shown = run_in_terminal("demo", "--speed", "12", columns=columns)
    assert code == 0, shown
    told = words(shown)
    for line in SPOKEN:
        assert line in told
    for stage in ("dialing +14155552671", "ringing", "answered", "ended by the callee"):
        assert stage in told
    assert re.search(r"ringing 0:0\d \$0\.000 so far", told)
    assert re.search(r"answered 0:\d\d \$0\.014 so far", told)
    ending = told.partition("Result completed")[2]
    assert "at Trattoria Roma, under the name Ada." in ending
    for line in re.split(r"[\r\n]+", ANSI.sub("", shown)):
        assert len(line) <= columns
    assert COLOURED.search(shown)


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
    assert told.endswith("Off you go to dinner.")


def test_a_call_that_fails_is_shown_in_words():
    ran, _ = with_key(ToolCall("make_phone_call", {"to": "+14155559999"}), "It did not work.")
    assert ran.returncode == 1
    told = words(ran.stdout)
    assert "Result failed" in told
    assert "error: " in told
    assert told.endswith("It did not work.")


def test_bad_arguments_ring_nobody_and_are_shown_in_words():
    ran, _ = with_key(ToolCall("make_phone_call", {"to": "the restaurant"}), "I cannot.")
    assert ran.returncode == 1
    told = words(ran.stdout)
    assert "Result rejected" in told
    assert "dialing" not in told


def test_an_agent_that_rings_nobody_is_said_to_have_done_so():
    ran, _ = with_key("I would rather not.", arguments=("demo", "--json"))
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
    ran = run("demo", "--json", HTTP_PROXY=nowhere, http_proxy=nowhere, ALL_PROXY=nowhere)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["status"] == "completed"


@pytest.mark.parametrize("package", ["langchain_core", "langchain", "langchain_openai"])
def test_a_missing_extra_is_one_sentence(package):
    code = f"""
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {package!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
from patter.cli.main import main
sys.exit(main(["demo", "--json"]))
"""
    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
        env=environment(),
    )
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith(f"patter: {package!r} is not installed")
    assert "patter[demo]" in ran.stderr
    assert ran.stderr.count("\n") == 1


def test_control_c_ends_it_in_one_sentence():
    process = subprocess.Popen(
        [*PATTER, "demo", "--speed", "1.5"],
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
    _, complaint = process.communicate(timeout=20)
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
