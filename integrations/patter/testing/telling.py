"""What is told while a call goes on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from patter.testing.adapter import Adapter
from patter.testing.scene import BOOK, EVERY_STAGE
from patter_core.contract.progress import event_data

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from patter.simulator import PhoneNetwork
    from patter_core.calls.events import ProgressEvent


class Telling(Adapter):
    """By `on_event` everywhere, and on the framework's own channel where it has one."""

    def test_on_event_tells_of_the_call_in_order(self, network: PhoneNetwork) -> None:
        told: list[dict[str, Any]] = []

        def tell(event: ProgressEvent) -> None:
            told.append(event_data(event))

        with self.phone_tool(network, on_event=tell) as everybodys:
            (envelope,) = self.finished(self.make_tool(everybodys), BOOK).envelopes
        _check_told(told, envelope)

    def test_the_frameworks_own_channel_tells_of_the_call_in_order(
        self, network: PhoneNetwork
    ) -> None:
        with self.phone_tool(network) as everybodys:
            run = self.finished(self.make_tool(everybodys), BOOK)
        if run.told is None:
            pytest.skip("the framework has no channel for progress; `on_event` is tested")
        _check_told(run.told, run.envelopes[0])


def _check_told(told: Sequence[Mapping[str, Any]], envelope: Mapping[str, Any]) -> None:
    """The call was told whole, in order, and as JSON has it."""
    assert json.loads(json.dumps(list(told))) == list(told)
    kinds = [data["type"] for data in told]
    stages = [kind for kind, before in zip(kinds, [None, *kinds], strict=False) if kind != before]
    assert stages == EVERY_STAGE
    assert {data["call_id"] for data in told} == {envelope["call_id"]}
    assert [data["turn"] for data in told if data["type"] == "turn"] == envelope["transcript"]
    assert told[-1]["result"] == envelope
