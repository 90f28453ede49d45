"""`patter test`, as a developer runs it: a process, and lines on its standard input."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys

import pytest

from patter.cli.main import main

PATTER = [sys.executable, "-m", "patter.cli.main", "test"]
APP = """
from patter import {names}

@tool
async def find_order(order_id: str) -> dict:
    "Look an order up."
    return {{"order": order_id}}

parts = {{
    "stt": ScriptedSTT(),
    "tts": ScriptedTTS(),
    "first_message": "Good evening!",
    "tools": [find_order],
    "llm": ScriptedLLM([ScriptedToolCall("find_order", {{"order_id": "A"}}), "Here it is."]),
}}
{more}
"""
SCRIPTED = "ScriptedLLM, ScriptedSTT, ScriptedToolCall, ScriptedTTS, tool"
OWN_PHONE = """
from patter import Patter, Twilio
phone = Patter(
    carrier=Twilio("AC" + "0" * 32, "token"),
    phone_number="+14155550100",
    webhook_url="calls.example.com",
)
agent = phone.agent(**parts)
"""


@pytest.fixture
def app(tmp_path):
    """A developer's own module, in the folder where `patter` is started."""
    (tmp_path / "app.py").write_text(APP.format(names=SCRIPTED, more=""))
    (tmp_path / "shop.py").write_text(APP.format(names=SCRIPTED, more=OWN_PHONE))
    (tmp_path / "broken.py").write_text("import no_such_package")
    return tmp_path


def environment():
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def run(app, *arguments, typed=""):
    return subprocess.run(
        [*PATTER, *arguments],
        cwd=app,
        env=environment(),
        input=typed,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize("where", ["app:parts", "app.py:parts", "shop:agent"])
def test_an_agent_answers_what_is_typed(app, where):
    done = run(app, where, typed="Where is it?\n/quit\nNever read.\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "Agent: Good evening!",
        '  -> find_order {"order_id":"A"}',
        '  <- find_order {"order":"A"}',
        "Agent: Here it is.",
    ]


def test_the_last_line_needs_no_end(app):
    done = run(app, "app:parts", "--first-message", "Hi.", typed="Where is it?")
    assert done.stdout.splitlines()[0] == "Agent: Hi."
    assert done.stdout.splitlines()[-1] == "Agent: Here it is."


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("app", "not of the form module:agent"),
        ("nothing:agent", "no module 'nothing' here"),
        ("app:nothing", "app has no agent 'nothing'"),
        ("app:find_order", "app has no agent 'find_order'"),
    ],
)
def test_an_agent_that_is_not_there_is_one_sentence(app, monkeypatch, capsys, where, words):
    monkeypatch.chdir(app)
    monkeypatch.syspath_prepend(str(app))
    assert main(["test", where]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line


def test_a_module_that_cannot_be_imported_says_why_itself(app):
    done = run(app, "broken:agent")
    assert done.returncode == 1
    assert "No module named 'no_such_package'" in done.stderr


@pytest.mark.parametrize("terminal", [True, False])
def test_control_c_while_it_waits_for_a_line_ends_it_in_one_sentence(app, terminal):
    ours, theirs = pty.openpty() if terminal else os.pipe()[::-1]
    process = subprocess.Popen(
        [*PATTER, "app:parts"],
        cwd=app,
        env=environment(),
        stdin=theirs,
        stdout=theirs if terminal else subprocess.PIPE,
        stderr=theirs if terminal else subprocess.PIPE,
    )
    try:
        shown = b""
        waiting = b"You: " if terminal else b"evening!\n"
        while waiting not in shown:
            piece = os.read(ours if terminal else process.stdout.fileno(), 65_536)
            assert piece
            shown += piece
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 1
        told = os.read(ours, 65_536) if terminal else process.stderr.read()
        assert told.split(b"^C")[-1].split() == [b"patter:", b"stopped"]
    finally:
        process.kill()
        process.wait()
        if not terminal:
            process.stderr.close()
            process.stdout.close()
        os.close(ours)
        os.close(theirs)
