"""LangChain's own published suites for tools, whole, on a phone network."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import pytest
from langchain_tests.integration_tests import ToolsIntegrationTests
from langchain_tests.unit_tests import ToolsUnitTests

from patter import Patter, PatterTool, ScriptedLLM, ScriptedSTT, ScriptedTTS, Twilio
from patter.langchain import PhoneCallTool
from patter.simulator import Callee, PhoneNetwork

RESTAURANT = "+14155552671"


def speaking() -> dict[str, Any]:
    return {
        "stt": ScriptedSTT(),
        "tts": ScriptedTTS(),
        "llm": ScriptedLLM(["For four, please."]),
    }


@pytest.fixture(scope="module")
def network():
    with PhoneNetwork() as network:
        network.add(RESTAURANT, Callee(says=["Hello?", "Four people. See you!"]))
        yield network


@pytest.fixture
async def phone(network, request):
    phone = Patter(
        carrier=network.twilio(),
        phone_number="+14155550100",
        ledger=":memory:",
        clock=network.clock,
    )
    request.instance.phone = phone
    yield
    await phone.aclose()


@dataclass(frozen=True)
class RingsWith:
    """Equal to a tool whose phone has this account, number and address."""

    account: Twilio
    phone_number: str
    url: str

    def __eq__(self, other: object) -> bool:
        assert isinstance(other, PatterTool)
        settings = other._phone._settings
        return (settings.carrier, settings.phone_number, other._phone.url) == (
            self.account,
            self.phone_number,
            self.url,
        )

    __hash__ = None


@pytest.mark.usefixtures("phone")
class TestAsLangChainsUnitTestsHaveIt(ToolsUnitTests):
    phone: Patter

    @property
    def tool_constructor(self):
        return PhoneCallTool

    @property
    def tool_constructor_params(self):
        return {"phone": self.phone, "agent": speaking()}

    @property
    def tool_invoke_params_example(self):
        return {"to": RESTAURANT, "goal": "Book a table for four"}

    @property
    def init_from_env_params(self):
        sid, token = "AC" + "5" * 32, "a-token"
        environment = {
            "TWILIO_ACCOUNT_SID": sid,
            "TWILIO_AUTH_TOKEN": token,
            "PATTER_PHONE_NUMBER": "+14155550123",
            "PATTER_WEBHOOK_URL": "calls.example.com",
        }
        rings_with = RingsWith(Twilio(sid, token), "+14155550123", "https://calls.example.com")
        return environment, {"agent": speaking()}, {"phone_tool": rings_with}


@pytest.mark.usefixtures("phone")
class TestAsLangChainsIntegrationTestsHaveIt(ToolsIntegrationTests):
    phone: Patter

    @property
    def tool_constructor(self):
        return PhoneCallTool

    @property
    def tool_constructor_params(self):
        return {"phone": self.phone, "agent": speaking()}

    @property
    def tool_invoke_params_example(self):
        return {"to": RESTAURANT, "goal": "Book a table for four"}

    @pytest.fixture(autouse=True)
    def each_test_rings_once(self, network, request):
        before = len(network.dials)
        yield
        rung = network.dials[before:]
        if "invoke" in request.node.name:
            assert [leg.status for leg in rung] == ["completed"]


def test_the_environment_alone_is_not_taken_for_a_phone(monkeypatch):
    for name in [name for name in os.environ if name.startswith(("TWILIO_", "PATTER_"))]:
        monkeypatch.delenv(name)
    with pytest.raises(ValueError, match="TWILIO_ACCOUNT_SID"):
        PhoneCallTool(agent=speaking())
