"""Twilio's REST, spoken: the one dial, and what is asked and done about a call afterwards."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import aiohttp
import stamina

from patter_core.errors import (
    CarrierBusy,
    CarrierError,
    CarrierNotReached,
    CarrierRefused,
    CarrierUnclear,
)
from patter_core.telephony.carrier import CallListing, CarrierCall, CarrierCallId, DialRequest
from patter_core.telephony.twilio import twiml
from patter_core.telephony.twilio.answers import (
    NO_SUCH_CALL,
    NOT_IN_PROGRESS,
    error_code,
    json_object,
    moment,
    read_call,
    read_call_id,
    read_calls,
    refusal,
    retry_after_sec,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from patter_core.clock import Clock
    from patter_core.config import Limits
    from patter_core.telephony.twilio.account import Twilio

_CALL_BYTES = 64 * 1024
_LIST_BYTES = 1024 * 1024

_Pairs = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class _Answer:
    """An HTTP answer. `content` is {} unless the whole body was a JSON object."""

    status: int
    headers: Mapping[str, str]
    content: Mapping[str, Any]

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300


class _MayPass(CarrierError):
    """A failure that the same request may not meet a moment later."""


class TwilioLine:
    """One account's calls, over the phone's HTTP session. See `Line`.

    Whatever repeats requests by itself is kept from the dial: redirects are not followed here, and
    aiohttp sends nothing but idempotent methods again when a kept connection turns out to be dead.
    """

    def __init__(
        self, account: Twilio, http: aiohttp.ClientSession, clock: Clock, limits: Limits
    ) -> None:
        self._http = http
        self._clock = clock
        self._limits = limits
        self._base = f"{account.api_base_url}/2010-04-01/Accounts/{account.account_sid}/"
        credentials = f"{account.account_sid}:{account.auth_token}".encode()
        self._authorization = "Basic " + base64.b64encode(credentials).decode("ascii")

    async def dial(self, request: DialRequest) -> CarrierCallId:
        """See `Line.dial`."""
        if self._http.closed:
            raise CarrierNotReached("The phone is closed, so Twilio was not asked")
        try:
            with self._clock.hold():
                answer = await self._ask_once(
                    "POST",
                    "Calls.json",
                    form=_dial_form(request),
                    within_sec=self._limits.dial_request_sec,
                )
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            # Name, connection or handshake failed: both are raised before a request is written.
            raise CarrierNotReached("Twilio could not be reached; nothing was sent") from error
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise CarrierUnclear("Twilio gave no complete answer to the dial") from error
        return self._dialled(answer)

    def _dialled(self, answer: _Answer) -> CarrierCallId:
        if answer.ok and (call := read_call_id(answer.content)) is not None:
            return call
        if answer.status == 429:
            now = moment(answer.headers.get("Date")) or self._clock.wall()
            raise CarrierBusy(
                "Twilio takes no more calls for the moment",
                retry_after_sec(answer.headers.get("Retry-After"), now),
            )
        # Without Twilio's own words, some proxy may have given up on a request that got through.
        code = error_code(answer.content)
        if 400 <= answer.status < 500 and answer.status != 408 and code is not None:
            raise CarrierRefused(refusal(code), code)
        raise CarrierUnclear(f"Twilio's answer to the dial cannot be used (HTTP {answer.status})")

    async def find(self, *, to: str, from_: str) -> CallListing:
        """See `Line.find`."""
        query = [("To", to), ("From", from_), ("PageSize", "20")]
        answer = await self._ask("GET", "Calls.json", query=query, most_bytes=_LIST_BYTES)
        calls = read_calls(answer.content) if answer.ok else None
        if calls is None:
            raise CarrierError(f"Twilio did not list calls (HTTP {answer.status})")
        return CallListing(calls=calls, carrier_now=moment(answer.headers.get("Date")))

    async def fetch(self, call: CarrierCallId) -> CarrierCall:
        """See `Line.fetch`."""
        answer = await self._ask("GET", _path(call))
        found = read_call(answer.content) if answer.ok else None
        if found is None:
            raise CarrierError(f"Twilio did not tell about a call (HTTP {answer.status})")
        return found

    async def hang_up(self, call: CarrierCallId) -> None:
        """See `Line.hang_up`."""
        answer = await self._ask("POST", _path(call), form=[("Status", "completed")])
        over = error_code(answer.content) in (NO_SUCH_CALL, NOT_IN_PROGRESS)
        if not (answer.ok or over):
            raise CarrierError(f"Twilio did not hang up (HTTP {answer.status})")

    async def transfer(self, call: CarrierCallId, *, to: str, time_limit_sec: int) -> None:
        """See `Line.transfer`."""
        if self._http.closed:
            raise CarrierError("The phone is closed, so Twilio was not asked")
        try:
            with self._clock.hold():
                answer = await self._ask_once(
                    "POST",
                    _path(call),
                    form=[("Twiml", twiml.dial(to)), ("TimeLimit", str(time_limit_sec))],
                    within_sec=self._limits.carrier_request_sec,
                )
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise CarrierError("Twilio could not be reached; nothing was sent") from error
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise CarrierUnclear("Twilio gave no complete answer to the transfer") from error
        if 400 <= answer.status < 500 and answer.status != 408:
            raise CarrierError(f"Twilio did not transfer (HTTP {answer.status})")
        if not answer.ok:
            raise CarrierUnclear(f"Twilio's answer cannot be used (HTTP {answer.status})")

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        query: _Pairs | None = None,
        form: _Pairs | None = None,
        most_bytes: int = _CALL_BYTES,
    ) -> _Answer:
        """Ask for what may be asked for twice, in up to three attempts.

        Raises:
            CarrierError: None of them got an answer, or only that Twilio is busy or broken.
        """
        if self._http.closed:
            raise CarrierError("The phone is closed, so Twilio was not asked")
        with self._clock.hold():
            # Not the calling form of this: it would hand the arguments, numbers, to logging hooks.
            async for attempt in stamina.retry_context(
                on=_MayPass,
                attempts=3,
                timeout=None,
                wait_initial=0.1,
                wait_max=1.0,
                wait_jitter=0.2,
            ):
                with attempt:
                    try:
                        answer = await self._ask_once(
                            method,
                            path,
                            query=query,
                            form=form,
                            most_bytes=most_bytes,
                            within_sec=self._limits.carrier_request_sec,
                        )
                    except (aiohttp.ClientError, OSError, TimeoutError) as error:
                        raise _MayPass("Twilio gave no answer") from error
                    if answer.status in (408, 429) or answer.status >= 500:
                        raise _MayPass(f"Twilio cannot answer now (HTTP {answer.status})")
                    return answer
        raise AssertionError("Every attempt either returns or raises")

    async def _ask_once(
        self,
        method: str,
        path: str,
        *,
        within_sec: float,
        query: _Pairs | None = None,
        form: _Pairs | None = None,
        most_bytes: int = _CALL_BYTES,
    ) -> _Answer:
        """One request and its whole answer.

        Raises:
            aiohttp.ClientError, OSError: Network and HTTP failures, as aiohttp tells them apart.
            TimeoutError: It took longer than `within_sec`.
        """
        headers = {"Authorization": self._authorization, "Accept": "application/json"}
        body = None
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            body = urlencode(form).encode()
        async with (
            asyncio.timeout(within_sec),
            self._http.request(
                method,
                self._base + path,
                params=query,
                data=body,
                headers=headers,
                allow_redirects=False,
                raise_for_status=False,
                # Connecting gets half of the time: aiohttp then says that it was only connecting.
                timeout=aiohttp.ClientTimeout(total=None, connect=within_sec / 2),
            ) as response,
        ):
            content = await _read(response.content, most_bytes)
            return _Answer(response.status, response.headers, json_object(content))


async def _read(stream: aiohttp.StreamReader, most_bytes: int) -> bytes | None:
    """A whole body, or None as soon as it is longer than `most_bytes`."""
    body = bytearray()
    async for chunk in stream.iter_any():
        body += chunk
        if len(body) > most_bytes:
            return None
    return bytes(body)


def _path(call: CarrierCallId) -> str:
    return f"Calls/{quote(call, safe='')}.json"


def _dial_form(request: DialRequest) -> _Pairs:
    """The create request's parameters; a list is one name, repeated."""
    form = [
        ("To", request.to),
        ("From", request.from_),
        ("Url", request.answer_url),
        ("Method", "POST"),
        ("StatusCallback", request.status_url),
        ("StatusCallbackMethod", "POST"),
        *(
            ("StatusCallbackEvent", event)
            for event in ("initiated", "ringing", "answered", "completed")
        ),
        ("Timeout", str(request.ring_timeout_sec)),
        ("TimeLimit", str(request.time_limit_sec)),
    ]
    if request.machine_url is not None:
        form += [
            ("MachineDetection", "DetectMessageEnd" if request.await_beep else "Enable"),
            ("AsyncAmd", "true"),  # Or the callee hears nothing until the verdict.
            ("AsyncAmdStatusCallback", request.machine_url),
            ("AsyncAmdStatusCallbackMethod", "POST"),
        ]
    return form
