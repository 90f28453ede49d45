"""The tools that every agent has, as a model sees them, and what they take."""

from __future__ import annotations

from typing import Any

import pytest

from patter_core.errors import ConfigError
from patter_core.tools.arguments import BadArguments
from patter_core.tools.destinations import Destinations
from patter_core.tools.schema_validation import check_schema
from patter_core.tools.system import system_tools

DESK = "+14155550142"


def by_name(destinations: Destinations) -> dict[str, Any]:
    return {one.tool.name: one for one in system_tools(destinations, outbound=True)}


def takes(checked: Any, arguments: dict[str, Any]) -> bool:
    try:
        checked.check.check(arguments)
    except BadArguments:
        return False
    return True


def test_they_are_fit_for_strict_mode_and_say_when_to_use_them():
    for destinations in (Destinations(), Destinations(named={"desk": DESK})):
        for checked in by_name(destinations).values():
            check_schema(checked.tool.parameters, tool=checked.tool.name, strict=True)
            assert len(checked.tool.description) > 20


def test_silence_is_named_as_no_reason_to_hang_up():
    assert "silent" in by_name(Destinations())["end_call"].tool.description


@pytest.mark.parametrize(
    ("name", "arguments", "fits"),
    [
        ("end_call", {"reason": "They said goodbye."}, True),
        ("end_call", {}, False),
        ("end_call", {"reason": None}, False),
        ("end_call", {"reason": "x", "now": True}, False),
        ("send_digits", {"digits": "0123456789*#ABCDabcdwW"}, True),
        ("send_digits", {"digits": ""}, False),
        ("send_digits", {"digits": "1" * 33}, False),
        ("send_digits", {"digits": "12x"}, False),
        ("send_digits", {"digits": "12\n"}, False),
        ("send_digits", {"digits": "１２"}, False),  # noqa: RUF001
        ("send_digits", {"digits": 12}, False),
        ("transfer_call", {"number": DESK}, True),
        ("transfer_call", {"destination": "desk"}, False),
        ("transfer_call", {"number": DESK, "destination": "desk"}, False),
        ("record_opt_out", {}, True),
        ("record_opt_out", {"number": DESK}, False),
    ],
)
def test_they_take_what_their_schemas_say(name: str, arguments: dict[str, Any], fits: bool):
    assert takes(by_name(Destinations())[name], arguments) is fits


def test_with_named_destinations_no_number_can_be_asked_for():
    transfer = by_name(Destinations(named={"desk": DESK}, numbers=frozenset([DESK])))[
        "transfer_call"
    ]
    assert takes(transfer, {"destination": "desk"})
    assert not takes(transfer, {"destination": DESK})
    assert not takes(transfer, {"number": DESK})


@pytest.mark.parametrize(
    "transfer_to",
    [7, "", "4155550142", "+1 415 555 0142", "+１４１５５５５０１４２", "sip:desk@example.com",  # noqa: RUF001
     ["+14155550142", None], {"desk": "x"}, {"": DESK}, {7: DESK}, {"x" * 101: DESK}],
)  # fmt: skip
def test_a_destination_that_is_no_number_is_refused(transfer_to: Any):
    with pytest.raises(ConfigError, match="transfer_to"):
        Destinations.of(transfer_to)
