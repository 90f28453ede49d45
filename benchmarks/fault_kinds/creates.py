"""The requests to the carrier that dial and hang up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from benchmarks.fault_bench import SCALED, SILENT, Fault, Tally, one_call, trial
from patter import DialPolicy, Patter, PatterTool, Twilio
from patter.simulator import Callee, PhoneNetwork
from tests.calls.kit import CALLEE, PHONE, scripted


def creates() -> list[Fault]:
    """The request that dials goes wrong, with and without a call made."""
    faults = []
    for kind in ("503", "500", "hang", "late", "reset", "cut", "408", "redirect", "garbage"):
        for made in (True, False):

            def spoil(network: PhoneNetwork, kind: Any = kind, made: bool = made) -> None:
                network.faults.create(kind, after_creating=made)

            status = "completed" if made else "failed"
            words = "the call is made" if made else "no call is made"
            faults.append(
                Fault(
                    f"create: {kind}, {words}",
                    "carrier's answer",
                    one_call(spoil, status),
                    quick=kind in ("503", "reset"),
                )
            )
    faults += [
        Fault(
            "create: refused",
            "400 by the carrier",
            one_call(lambda n: n.faults.create("400"), "failed"),
            quick=True,
        ),
        Fault(
            "create: 429, a moment",
            "Retry-After: 1",
            one_call(lambda n: n.faults.create("429", retry_after_sec=1), "completed"),
        ),
        Fault(
            "create: 429, an hour",
            "Retry-After: 3600",
            one_call(lambda n: n.faults.create("429", retry_after_sec=3600), "failed"),
        ),
        Fault(
            "create: made, and never told",
            "503, callbacks lost, list broken",
            one_call(_never_told, "failed", callee=SILENT),
        ),
        Fault(
            "create: connection refused",
            "nobody listens at the carrier",
            lambda: _elsewhere("http://127.0.0.1:1"),
            quick=True,
        ),
        Fault(
            "create: no DNS",
            "a host that does not exist",
            lambda: _elsewhere("https://nobody.invalid"),
        ),
        Fault(
            "hang-up: 503 once",
            "carrier's answer",
            one_call(
                lambda n: n.faults.hang_ups("503"),
                "timeout",
                callee=SILENT,
                arguments={"max_duration_sec": 5},
            ),
        ),
        Fault(
            "hang-up: never taken",
            "every answer 503: the carrier's own limit",
            one_call(
                lambda n: n.faults.hang_ups("503", times=None),
                "timeout",
                callee=SILENT,
                arguments={"max_duration_sec": 5},
                limits=replace(SCALED, ending_sec=2.0),
            ),
        ),
    ]
    return faults


def _never_told(network: PhoneNetwork) -> None:
    network.add(CALLEE, Callee(behave="silent", rings_sec=12.0))
    network.faults.create("503", after_creating=True)
    network.faults.callbacks("lost")
    network.faults.lists("503", times=None)


async def _elsewhere(url: str) -> Tally:
    async with trial() as first:
        sid, token = first.network.account_sid, first.network.auth_token
        account = Twilio(sid, token, api_base_url=url)
        phone = Patter(
            carrier=account,
            phone_number=PHONE,
            ledger=":memory:",
            limits=SCALED,
            policy=DialPolicy.simulation(),
            webhook_url="calls.example.com",
            host="127.0.0.1",
            port=0,
        )
        tool = PatterTool(phone, agent=scripted())
        try:
            result = await tool.execute(to=CALLEE, idempotency_key="k")
        finally:
            await tool.stop()
        first.expect(result.error_code == "carrier_not_reached", f"{result.error_code}")
        first.expect(not result.may_have_dialed, "said to have dialled")
    return first.tally
