"""What a model is shown and given, whatever happens."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from patter.testing.adapter import Adapter
from patter.testing.scene import BAD_ARGUMENTS, BOOK, SAID
from patter_core.pipeline.providers.scripted import ScriptedLLM

if TYPE_CHECKING:
    from patter.simulator import PhoneNetwork


class OneSchemaOneResult(Adapter):
    """The schema that everybody gets in, the envelope that everybody gets out."""

    def test_the_model_is_shown_the_schema_that_everybody_gets(self, network: PhoneNetwork) -> None:
        with self.phone_tool(network) as everybodys:
            shown = self.shown(self.make_tool(everybodys))
            schema = everybodys.schema(strict=self.strict)
            assert shown["name"] == "make_phone_call"
            assert shown["description"] == everybodys.description
            assert shown["parameters"]["type"] == "object"
            assert shown["parameters"]["properties"] == schema["properties"]
            assert shown["parameters"]["required"] == schema["required"]

    def test_name_description_and_schema_take_at_most_1200_characters(
        self, network: PhoneNetwork
    ) -> None:
        with self.phone_tool(network) as everybodys:
            shown = self.shown(self.make_tool(everybodys))
            text = shown["name"] + shown["description"] + json.dumps(shown["parameters"])
            assert len(text) <= 1_200

    def test_the_model_gets_the_envelope_that_everybody_gets(self, network: PhoneNetwork) -> None:
        with self.phone_tool(network) as everybodys:
            (envelope,) = self.finished(self.make_tool(everybodys), BOOK).envelopes
            same = everybodys.execute_blocking(BOOK).to_dict()
        assert envelope["status"] == same["status"] == "completed"
        assert [turn["text"] for turn in envelope["transcript"]] == SAID
        assert list(envelope) == list(same)
        assert len(network.dials) == 2

    # --- what goes wrong ---------------------------------------------------------------------

    @pytest.mark.parametrize(("arguments", "field"), BAD_ARGUMENTS)
    def test_bad_arguments_are_refused_by_name_and_nobody_is_rung(
        self, network: PhoneNetwork, arguments: dict[str, Any], field: str
    ) -> None:
        with self.phone_tool(network) as everybodys:
            (envelope,) = self.finished(self.make_tool(everybodys), arguments).envelopes
        assert (envelope["status"], envelope["error_code"]) == ("rejected", "invalid_arguments")
        assert f"'{field}'" in envelope["error"]
        assert network.dials == []

    def test_an_engine_that_fails_lets_the_run_go_on_after_one_dial(
        self, network: PhoneNetwork
    ) -> None:
        def broken(_messages: object) -> str:
            raise RuntimeError("the model broke")

        with self.phone_tool(network, llm=ScriptedLLM(broken)) as everybodys:
            (envelope,) = self.finished(self.make_tool(everybodys), BOOK).envelopes
        assert (envelope["status"], envelope["error_code"]) == ("failed", "provider_failed")
        assert len(network.dials) == 1

    def test_a_closed_phone_lets_the_run_go_on(self, network: PhoneNetwork) -> None:
        with self.phone_tool(network) as everybodys:
            asyncio.run(everybodys.stop())
            (envelope,) = self.finished(self.make_tool(everybodys), BOOK).envelopes
        assert envelope["error_code"] == "phone_closed"

    def test_a_hook_that_fails_fails_no_call(self, network: PhoneNetwork) -> None:
        def broken(_event: object) -> None:
            raise RuntimeError("a listener of the application")

        with self.phone_tool(network, on_event=broken) as everybodys:
            (envelope,) = self.finished(self.make_tool(everybodys), BOOK).envelopes
        assert envelope["status"] == "completed"
