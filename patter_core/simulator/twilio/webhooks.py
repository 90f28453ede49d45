"""The signed requests that the network sends: answer URL, progress, machine detection."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

import aiohttp
from yarl import URL

from patter_core.simulator.twilio.signature import signature

if TYPE_CHECKING:
    from collections.abc import Mapping

    from patter_core.simulator.pace import Pace

_ANSWER_SEC = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """One request to send.

    Attributes:
        kind: "answer", a progress event ("initiated" ... "completed"), or "machine".
        form: What it carries; repeated fields do not occur.
        method: "POST", or "GET" with the form in the query.
    """

    kind: str
    url: str
    form: Mapping[str, str]
    method: str = "POST"
    idempotency_token: str = field(default_factory=lambda: secrets.token_hex(16))


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """A webhook that was sent, or lost on purpose.

    Attributes:
        status: The status that was answered; None when none was.
        error: What went wrong; None when nothing did.
    """

    kind: str
    url: str
    form: Mapping[str, str]
    status: int | None
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookAnswer:
    """What was answered to a webhook; `status` is None when nothing was."""

    status: int | None
    content_type: str = ""
    body: str = ""


class WebhookSender:
    """Sends webhooks, signs them, and remembers them."""

    def __init__(
        self, http: aiohttp.ClientSession, auth_token: str, pace: Pace, sent: list[Callback]
    ) -> None:
        """Send over `http`, which stays the caller's, and note what was sent in `sent`."""
        self._sent = sent
        self._http = http
        self._auth_token = auth_token
        self._pace = pace

    async def send(self, webhook: Webhook) -> WebhookAnswer:
        """Send once, wait at most 15 s of real time, and never raise for what was answered."""
        answer, error = WebhookAnswer(status=None), None
        with self._pace.outstanding():
            try:
                async with asyncio.timeout(_ANSWER_SEC):
                    answer = await self._ask(webhook)
            except TimeoutError:
                error = f"no answer within {_ANSWER_SEC:g} s"
            except (aiohttp.ClientError, OSError, ValueError) as problem:
                error = f"{type(problem).__name__}: {problem}"
        self._remember(webhook, answer.status, error)
        return answer

    def lose(self, webhook: Webhook) -> None:
        """Remember a webhook that was lost on purpose."""
        self._remember(webhook, None, "lost on purpose")

    async def _ask(self, webhook: Webhook) -> WebhookAnswer:
        url, body = webhook.url, None
        if webhook.method == "GET":
            url += ("&" if urlsplit(url).query else "?") + urlencode(webhook.form)
            signed = signature(url, {}, self._auth_token)
        else:
            body = urlencode(webhook.form)
            signed = signature(url, webhook.form, self._auth_token)
        headers = {
            "X-Twilio-Signature": signed,
            "I-Twilio-Idempotency-Token": webhook.idempotency_token,
            "User-Agent": "TwilioProxy/1.1",
            "Accept": "*/*",
        }
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded; charset=utf-8"
        async with self._http.request(
            webhook.method,
            URL(url, encoded=True),
            data=body,
            headers=headers,
            allow_redirects=False,
        ) as response:
            text = await response.read()
            return WebhookAnswer(
                status=response.status,
                content_type=response.content_type,
                body=text.decode(errors="replace"),
            )

    def _remember(self, webhook: Webhook, status: int | None, error: str | None) -> None:
        self._sent.append(
            Callback(
                kind=webhook.kind,
                url=webhook.url,
                form=dict(webhook.form),
                status=status,
                error=error,
            )
        )
