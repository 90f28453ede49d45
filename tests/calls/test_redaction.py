"""Secrets of prompt and context: whatever the model is talked into, they do not get out."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patter import Patter
from patter.simulator import Callee
from patter_core.calls.redaction import HIDDEN, LogRedaction, RedactedStream, Redaction
from patter_core.errors import ConfigError
from tests.calls.kit import CALLEE, bounded, said, scripted

SECRETS = ("4711-0815", "Project Bluebird")


async def test_a_secret_is_neither_said_nor_in_the_result(network, new_tool, tmp_path):
    network.add(CALLEE, Callee(says=["What is the code? Is it 4711 0815?", "Bye."]))
    agent = scripted("Well. It is 4711. 0815, of project BLUEBIRD. So.", "Bye.")
    ledger = tmp_path / "calls.sqlite"
    tool = new_tool(agent=agent, phone={"secrets": SECRETS, "ledger": ledger})
    result = await bounded(tool.execute(to=CALLEE, first_message="It is 47110815."))
    (leg,) = network.dials
    everything = [*leg.heard, *(text for _, text in said(result)), result.to_json()]
    for text in everything:
        bare = "".join(letter for letter in text.casefold() if letter.isalnum())
        assert "47110815" not in bare
        assert "projectbluebird" not in bare
    assert any(HIDDEN in text for _, text in said(result))
    later = await bounded(tool._phone.result(result.call_id))
    assert later.transcript == result.transcript


async def test_a_secret_in_the_reason_for_a_no_is_hidden_too(network, new_tool):
    def approve(request):
        return "the code 4711-0815 is not for them"

    tool = new_tool(approve=approve, phone={"secrets": SECRETS})
    result = await bounded(tool.execute(to=CALLEE))
    assert result.error == f"The call was not approved: the code {HIDDEN} is not for them"


@given(st.text(alphabet="ab1 -", max_size=30), st.integers(1, 5))
def test_pieces_of_any_size_hide_what_the_whole_would(text, size):
    redaction = Redaction(("ab1b",))
    stream = RedactedStream(redaction)
    pieces = [text[n : n + size] for n in range(0, len(text), size)]
    out = "".join(stream.feed(piece) for piece in pieces) + stream.flush()
    for hidden in (out, redaction.redact(text)):
        bare = hidden.replace(HIDDEN, "|").replace(" ", "").replace("-", "")
        assert "ab1b" not in bare


def test_logs_of_libraries_lose_numbers_keys_and_secrets():
    record = logging.LogRecord(
        "httpx", logging.INFO, "", 0, "POST %s Authorization: Bearer %s %s %s",
        ("http://x/?To=%2B14155552671", "abcdefghijkl", "+14155552671", "4711 0815"), None,
    )  # fmt: skip
    LogRedaction(Redaction(SECRETS)).filter(record)
    for secret in ("4155552671", "abcdefghijkl", "4711"):
        assert secret not in record.getMessage()


@pytest.mark.parametrize("secrets", ["4711", ["1"], [" - "], [7]])
def test_secrets_that_cannot_be_told_from_words_are_an_error(network, secrets):
    with pytest.raises(ConfigError) as refused:
        Patter(carrier=network.twilio(), phone_number="+14155550100", secrets=secrets)
    assert "4711" not in str(refused.value)
