"""The bench on which faults are tried: one call, one fault, and what must hold after it."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from twilio.request_validator import RequestValidator

from patter import CallResult, Limits, Patter, PatterTool
from patter.simulator import Callee, PhoneNetwork
from tests.calls.kit import CALLEE, PHONE, scripted

LONGEST_SEC = 20.0
"""How long after a result a leg may still be up."""

SCALED = Limits(
    dial_request_sec=0.4,
    look_up_sec=6.0,
    look_up_every_sec=0.5,
    carrier_request_sec=0.5,
    media_start_sec=3.0,
    drain_sec=3.0,
)
"""The engine's limits, scaled down so that every fault fits into the time."""

TALKS = Callee(says=["Hello?", "Four people at eight.", "Bye."], rings_sec=0.2)
SILENT = Callee(behave="silent", rings_sec=0.2)


@dataclass
class Tally:
    """What became of one fault's trials."""

    trials: int = 0
    dials: int = 0
    doubled: int = 0
    left: int = 0
    lost: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether every promise held."""
        return self.trials > 0 and not (self.doubled or self.left or self.lost)

    def expect(self, condition: object, note: str) -> None:
        """A result that is not what it must be counts as lost."""
        if not condition:
            self.lost += 1
            self.notes.append(note)

    def add(self, other: Tally) -> None:
        """Count another trial."""
        self.trials += other.trials
        self.dials += other.dials
        self.doubled += other.doubled
        self.left += other.left
        self.lost += other.lost
        self.notes += other.notes


@dataclass(frozen=True)
class Fault:
    """One row of the table: `run` makes one trial."""

    name: str
    how: str
    run: Callable[[], Awaitable[Tally]]
    trials: int = 3
    quick: bool = False


class Trial:
    """One network and one phone on it, in simulated time."""

    def __init__(self, network: PhoneNetwork, tool: PatterTool, folder: Path) -> None:
        self.network, self.tool, self.folder = network, tool, folder
        self.tally = Tally(trials=1)

    @property
    def phone(self) -> Patter:
        return self.tool._phone

    def expect(self, condition: object, note: str) -> None:
        """See `Tally.expect`."""
        self.tally.expect(condition, note)

    async def call(self, *statuses: str, to: str = CALLEE, **arguments: Any) -> CallResult | None:
        """Make the call; its result must be one of `statuses`, and the same when fetched later."""
        options = {"first_message": "Hi.", "max_duration_sec": 60, "idempotency_key": "k"}
        try:
            async with asyncio.timeout(25):
                result = await self.tool.execute(to=to, **{**options, **arguments})
        except Exception as error:  # noqa: BLE001 - whatever comes in place of a result is the find
            self.expect(False, f"{type(error).__name__} in place of a result")
            return None
        ended = self.network.clock.now()
        self.expect(result.status in statuses, f"{result.status} {result.error_code}")
        await self.settled(ended)
        if result.may_have_dialed and options | arguments == {**options, **arguments}:
            later = await self.phone.result(result.call_id)
            same = later is not None and later.status == result.status
            self.expect(same, "the ledger tells otherwise")
        return result

    async def settled(self, ended: float | None = None) -> None:
        """Count what was dialled for it, and what was left up."""
        try:
            await self.network.until(lambda: not self.network.live_legs, LONGEST_SEC)
        except TimeoutError:
            self.tally.left += len(self.network.live_legs)
        if ended is not None:
            self.tally.left += sum(
                leg.ended_at is not None and leg.ended_at > ended + LONGEST_SEC
                for leg in self.network.legs
            )

    def count_dials(self, most: int = 1) -> None:
        """More than `most` legs, or a number of them that rang twice, were dialled twice."""
        dials = len(self.network.dials)
        self.tally.dials += dials
        self.tally.doubled += max(0, dials - most)


@asynccontextmanager
async def trial(
    *,
    callee: Callee = TALKS,
    agent: dict[str, Any] | None = None,
    limits: Limits = SCALED,
    most_dials: int = 1,
    **phone: Any,
):
    """A network, a phone with a ledger on disk, a tool; everything is counted in the end."""
    with tempfile.TemporaryDirectory() as name:
        async with PhoneNetwork() as network:
            network.add(CALLEE, callee)
            described = {
                "carrier": network.twilio(),
                "phone_number": PHONE,
                "ledger": Path(name) / "calls.sqlite",
                "clock": network.clock,
                "limits": limits,
            }
            tool = PatterTool(Patter(**{**described, **phone}), agent=agent or scripted())
            made = Trial(network, tool, Path(name))
            try:
                yield made
            finally:
                async with asyncio.timeout(20):
                    await tool.stop()
                made.count_dials(most_dials)
                await made.settled()


def one_call(
    spoil: Callable[[PhoneNetwork], object],
    *statuses: str,
    callee: Callee = TALKS,
    agent: Callable[[], dict[str, Any]] | None = None,
    arguments: dict[str, Any] | None = None,
    **options: Any,
) -> Callable[[], Awaitable[Tally]]:
    """A trial: spoil the network, make one call, and see to it."""

    async def run() -> Tally:
        made_agent = agent() if agent is not None else None
        async with trial(callee=callee, agent=made_agent, **options) as made:
            spoil(made.network)
            await made.call(*statuses, **(arguments or {}))
        return made.tally

    return run


class CarrierVoice:
    """Posts callbacks in the carrier's name, or in nobody's."""

    def __init__(self, made: Trial, sid: str, callref: str) -> None:
        self.made, self.sid, self.callref = made, sid, callref

    async def tell(self, what: str, *, token: str | None = None) -> int:
        form = {"CallSid": self.sid, "AccountSid": self.made.network.account_sid}
        form |= {"AnsweredBy": "human"} if what == "machine" else {"CallStatus": what}
        route = "machine" if what == "machine" else "status"
        url = f"{self.made.phone.url}/twilio/{route}/{self.callref}"
        signer = RequestValidator(token or self.made.network.auth_token)
        headers = {"X-Twilio-Signature": signer.compute_signature(url, form)}
        async with aiohttp.ClientSession() as http:
            async with http.post(url, data=form, headers=headers) as answer:
                return answer.status


@asynccontextmanager
async def live_call(callee: Callee = SILENT, **options: Any):
    """A live call that waits, in real time, for what is told of it."""
    async with trial(callee=callee, **options) as made:
        await made.tool.start()
        with made.network.clock.hold():
            live = await made.tool.submit(
                {"to": CALLEE, "first_message": "Hi.", "max_duration_sec": 60}
            )
            await made.network.until(lambda: any(leg.answered for leg in made.network.dials))
            (leg,) = made.network.dials
            exchange = made.phone._opening._open.desk.exchange
            yield made, live, CarrierVoice(made, leg.sid, exchange.callref(live.call_id))
        await live.hang_up()
        async with asyncio.timeout(20):
            result = await live.result()
        made.expect(result.status in ("completed", "canceled"), result.status)
