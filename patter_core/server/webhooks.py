"""A carrier's questions and reports about a call: believed when signed, and ours."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from aiohttp import web

from patter_core.calls.call_events import AnswererKnown
from patter_core.switchboard.carrier_words import told_by
from patter_core.telephony.carrier import FINAL_STATUSES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from patter_core.switchboard.desk import Desk
    from patter_core.switchboard.operator import Operator

_log = logging.getLogger(__name__)

_MOST_FIELDS = 200


class WebhookDoor:
    """Answers one carrier's webhooks.

    A request that the carrier did not sign, or whose reference we did not sign, is answered 403
    before anything else is done with it.
    """

    def __init__(self, desk: Desk, *, trust: Callable[[web.Request], None]) -> None:
        """Serve the carrier of this desk's exchange; `trust` hears of what it signed."""
        self._desk = desk
        self._trust = trust
        self._webhooks = desk.exchange.carrier.webhooks()

    def routes(self) -> list[web.RouteDef]:
        """The paths that the carrier was given."""
        path = f"/{self._desk.exchange.carrier.name}"
        return [
            web.post(f"{path}/voice", self._voice),
            web.post(f"{path}/answer/{{callref}}", self._answer),
            web.post(f"{path}/status/{{callref}}", self._status),
            web.post(f"{path}/machine/{{callref}}", self._machine),
        ]

    async def _voice(self, request: web.Request) -> web.Response:
        """Somebody rings our number: connect the audio to whoever answers calls, if anybody."""
        form = await self._authentic_form(request)
        carrier_call_id = self._webhooks.read_call_id(form)
        operator = None
        if carrier_call_id is not None:
            caller = self._webhooks.read_caller(form)
            operator = self._desk.take_in(carrier_call_id, from_=caller)
        if operator is not None:
            await asyncio.wrap_future(operator.settled)
        return self._instructions(operator)

    async def _answer(self, request: web.Request) -> web.Response:
        """Somebody picked up: connect the audio of a live call, hang up any other."""
        form = await self._authentic_form(request)
        operator = self._operator(request)
        carrier_call_id = self._webhooks.read_call_id(form)
        if operator is None or carrier_call_id is None or not operator.adopt(carrier_call_id):
            return self._instructions(None)
        return self._instructions(operator)

    def _instructions(self, operator: Operator | None) -> web.Response:
        if operator is None or operator.ending:
            body = self._webhooks.hang_up_answer()
        else:
            exchange = self._desk.exchange
            body = self._webhooks.connect_answer(
                media_url=exchange.media_url, callref=exchange.callref(operator.call_id)
            )
        return web.Response(text=body, content_type=self._webhooks.answer_content_type)

    async def _status(self, request: web.Request) -> web.Response:
        """The call moved on at the carrier."""
        form = await self._authentic_form(request)
        progress = self._webhooks.read_progress(form)
        if progress is None:
            return web.Response(status=204)
        operator = self._operator(request)
        if operator is not None and operator.adopt(progress.call):
            for event in told_by(progress.status, progress.duration_sec):
                operator.tell(event)
        elif progress.status not in FINAL_STATUSES:
            await self._desk.turn_away(request.match_info["callref"], progress.call)
        return web.Response(status=204)

    async def _machine(self, request: web.Request) -> web.Response:
        """The carrier knows who, or what, picked up."""
        form = await self._authentic_form(request)
        verdict = self._webhooks.read_machine(form)
        operator = self._operator(request)
        if verdict is not None and operator is not None and operator.adopt(verdict.call):
            operator.tell(AnswererKnown(answered_by=verdict.answered_by))
        return web.Response(status=204)

    def _operator(self, request: web.Request) -> Operator | None:
        return self._desk.find(request.match_info["callref"])

    async def _authentic_form(self, request: web.Request) -> Mapping[str, list[str]]:
        """The form, once it is certain who sent it.

        Raises:
            HTTPForbidden: A stranger sent it.
        """
        body = await request.read()
        try:
            form = parse_qs(
                body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict"
            )
        except ValueError as error:
            raise web.HTTPForbidden from error
        # The URL as we wrote it, whatever host and scheme a proxy made of it.
        url = self._desk.exchange.public_url + request.raw_path
        callref = request.match_info.get("callref")
        known = callref is None or self._desk.knows(callref)
        if not (known and self._webhooks.verify(url=url, headers=request.headers, form=form)):
            _log.warning("A stranger's webhook was refused")
            raise web.HTTPForbidden
        self._trust(request)
        return form
