"""Twilio's REST routes about calls, answered strictly."""

from __future__ import annotations

import asyncio
import base64
import re
from dataclasses import dataclass
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode

import orjson
from aiohttp import web

from patter_core.simulator.callee import Callee
from patter_core.simulator.leg import LegRecord
from patter_core.simulator.twilio import forms
from patter_core.simulator.twilio.course import Course
from patter_core.simulator.twilio.resource import call_resource, error_body

if TYPE_CHECKING:
    from collections.abc import Callable

    from patter_core.simulator.exchange import Exchange
    from patter_core.simulator.faults import Fault

_PATH = re.compile(r"/2010-04-01/Accounts/(?P<account>[^/]+)/Calls(?:/(?P<call>[^/]+))?\.json")
_RING_SEC = 60
_PAGE_SIZE = 50
_HANG_SEC = 600.0
_LATE_SEC = 1.0
_CUT_ANSWER = (
    b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n"
    b'{"sid": "CA'
)
_FINISHED = "Call is not in-progress. Cannot redirect."


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A REST request that the network received.

    Attributes:
        form: What it carried, in its body or query.
        status: The status that was answered; None when none was.
    """

    method: str
    path: str
    form: dict[str, list[str]]
    status: int | None


class Rest:
    """Answers REST requests; `requests` has them in the order in which they were dealt with."""

    def __init__(self, requests: list[Request]) -> None:
        """Note what comes in `requests`."""
        self._requests = requests
        self._exchange: Exchange | None = None

    def open(self, exchange: Exchange) -> None:
        """Begin to serve the calls of `exchange`."""
        self._exchange = exchange

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request, or spoil it on command."""
        exchange = self._exchange
        if exchange is None:
            return web.Response(status=503)
        with exchange.pace.outstanding():
            body = (await request.read()).decode(errors="replace")
            text = body if request.method == "POST" else request.query_string
            form = parse_qs(text, keep_blank_values=True)
            what = _what(request)
            fault = exchange.switch.faults.strike(what) if what else None
            if fault is None or fault.after:
                status, payload = self._dispatch(exchange, request, form)
            else:
                status, payload = 201, None
        if fault is not None:
            return await self._spoil(request, form, fault)
        self._note(request, form, status)
        return _json(exchange, status, payload)

    # --- routes ------------------------------------------------------------------------------

    def _dispatch(
        self, exchange: Exchange, request: web.BaseRequest, form: dict[str, list[str]]
    ) -> tuple[int, Any]:
        switch = exchange.switch
        try:
            path = _checked_path(request, switch.account_sid, switch.auth_token)
            return self._route(exchange, request, form, path["call"])
        except forms.BadForm as problem:
            if problem.breach:
                switch.violation(f"{request.method} was refused: {problem}")
            return problem.status, error_body(problem.code, str(problem), problem.status)

    def _route(
        self,
        exchange: Exchange,
        request: web.BaseRequest,
        form: dict[str, list[str]],
        call: str | None,
    ) -> tuple[int, Any]:
        switch = exchange.switch
        if call is None:
            if request.method == "POST":
                _check_content_type(request)
                return 201, self._create(exchange, form)
            if request.method == "GET":
                return 200, self._list(exchange, request, form)
            raise forms.BadForm(20004, "Method not allowed", status=405)
        leg = switch.leg(call)
        if leg is None:
            # A program may well ask for a call that was deleted.
            raise _no_such(request, breach=False)
        match request.method:
            case "GET":
                return 200, call_resource(switch, leg)
            case "POST":
                _check_content_type(request)
                self._update(exchange, leg, form)
                return 200, call_resource(switch, leg)
            case "DELETE":
                if leg.live:
                    raise forms.BadForm(20001, "A call that goes on cannot be deleted")
                switch.legs.remove(leg)
                return 204, None
            case _:
                raise forms.BadForm(20004, "Method not allowed", status=405)

    def _create(self, exchange: Exchange, form: dict[str, list[str]]) -> dict[str, Any]:
        forms.check_create(form)
        switch = exchange.switch
        now = switch.clock.now()
        to = form["To"][0]
        leg = LegRecord(
            to=to,
            from_=form["From"][0],
            callee=switch.callees.get(to, Callee(behave="unreachable")),
            parameters=form,
            time_limit_sec=_whole(form, "TimeLimit"),
            ring_timeout_sec=_whole(form, "Timeout") or _RING_SEC,
            created_at=now,
            updated_at=now,
        )
        switch.legs.append(leg)
        exchange.tasks.create_task(Course(exchange, leg).run())
        return call_resource(switch, leg)

    def _update(self, exchange: Exchange, leg: LegRecord, form: dict[str, list[str]]) -> None:
        forms.check_update(form)
        now = exchange.switch.clock.now()
        if not leg.live:
            raise forms.BadForm(21220, _FINISHED, breach=False)
        wanted = form.get("Status", [""])[0]
        if wanted == "canceled" and leg.answered_at is not None:
            raise forms.BadForm(21220, "Call is in-progress. Cannot cancel.", breach=False)
        if wanted:
            leg.end("completed" if leg.answered_at is not None else "canceled", "caller", now)
            return
        if "TimeLimit" in form:
            leg.time_limit_sec = _whole(form, "TimeLimit")
            leg.limit_changed.set()
        instructions = form.get("Twiml") or form.get("Url")
        if instructions:
            if leg.answered_at is None:
                raise forms.BadForm(21220, _FINISHED, breach=False)
            leg.redirect = instructions[0]
            leg.redirected.set()

    def _list(
        self, exchange: Exchange, request: web.BaseRequest, query: dict[str, list[str]]
    ) -> dict[str, Any]:
        forms.check_list(query)
        switch = exchange.switch
        wanted: dict[str, Callable[[LegRecord], str]] = {
            "To": lambda leg: leg.to,
            "From": lambda leg: leg.from_,
            "Status": lambda leg: leg.status,
        }
        found = [
            leg
            for leg in reversed(switch.legs)
            if all(query[name] == [read(leg)] for name, read in wanted.items() if name in query)
        ]
        size, page = _whole(query, "PageSize") or _PAGE_SIZE, _whole(query, "Page") or 0
        start = size * page
        shown = found[start : start + size]

        def uri(number: int) -> str:
            asked = {name: values[0] for name, values in query.items()}
            asked |= {"PageSize": str(size), "Page": str(number)}
            return f"{request.path}?{urlencode(asked)}"

        return {
            "calls": [call_resource(switch, leg) for leg in shown],
            "page": page,
            "page_size": size,
            "start": start,
            "end": max(start, start + len(shown) - 1),
            "uri": uri(page),
            "first_page_uri": uri(0),
            "next_page_uri": uri(page + 1) if start + size < len(found) else None,
            "previous_page_uri": uri(page - 1) if page else None,
        }

    # --- what goes wrong on command ----------------------------------------------------------

    async def _spoil(
        self, request: web.BaseRequest, form: dict[str, list[str]], fault: Fault
    ) -> web.StreamResponse:
        exchange = self._exchange
        # Whoever asked keeps real time meanwhile, by its own bound; we hold nothing.
        if fault.kind == "late":
            await asyncio.sleep(_LATE_SEC)
        if fault.kind in ("hang", "reset", "cut"):
            self._note(request, form, None)
            if fault.kind == "hang":
                await asyncio.sleep(_HANG_SEC)
            if request.transport is not None and fault.kind == "cut":
                request.transport.write(_CUT_ANSWER)
                request.transport.close()
            elif request.transport is not None:
                request.transport.abort()
            return web.Response()
        status, body, headers = _spoilt(request, fault)
        self._note(request, form, status)
        response = web.Response(status=status, body=body, content_type="application/json")
        response.headers.update(headers)
        if exchange is not None:
            response.headers["Date"] = format_datetime(exchange.switch.clock.wall(), usegmt=True)
        return response

    def _note(
        self, request: web.BaseRequest, form: dict[str, list[str]], status: int | None
    ) -> None:
        self._requests.append(
            Request(method=request.method, path=request.path, form=form, status=status)
        )


def _spoilt(request: web.BaseRequest, fault: Fault) -> tuple[int, bytes, dict[str, str]]:
    headers: dict[str, str] = {}
    if fault.retry_after_sec is not None:
        headers["Retry-After"] = f"{fault.retry_after_sec:g}"
    match fault.kind:
        case "redirect":
            return 307, b"", {"Location": str(request.url)}
        case "garbage":
            return 201, b"<html>It works!</html>", headers
        case "429":
            return 429, orjson.dumps(error_body(20429, "Too Many Requests", 429)), headers
        case "400":
            message = "Account not allowed to call this number"
            return 400, orjson.dumps(error_body(21215, message, 400)), headers
        case kind:
            status = 503 if kind == "late" else int(kind)
            message = "The service is not available"
            return status, orjson.dumps(error_body(20500, message, status)), headers


def _what(request: web.BaseRequest) -> str | None:
    """Which kind of fault a request can have."""
    path = _PATH.fullmatch(request.path)
    if path is None:
        return None
    if path["call"] is None:
        return {"POST": "create", "GET": "list"}.get(request.method)
    return {"POST": "hang_up", "GET": "fetch"}.get(request.method)


def _check_content_type(request: web.BaseRequest) -> None:
    if request.content_type != "application/x-www-form-urlencoded":
        raise forms.BadForm(20001, f"A body cannot be {request.content_type}", status=415)


def _authorised(request: web.BaseRequest, account_sid: str, auth_token: str) -> bool:
    expected = base64.b64encode(f"{account_sid}:{auth_token}".encode()).decode()
    return request.headers.get("Authorization") == f"Basic {expected}"


def _checked_path(request: web.BaseRequest, account_sid: str, auth_token: str) -> re.Match[str]:
    if not _authorised(request, account_sid, auth_token):
        raise forms.BadForm(20003, "Authenticate", status=401, breach=False)
    path = _PATH.fullmatch(request.path)
    if path is None or path["account"] != account_sid:
        raise _no_such(request)
    return path


def _no_such(request: web.BaseRequest, *, breach: bool = True) -> forms.BadForm:
    message = f"The requested resource {request.path} was not found"
    return forms.BadForm(20404, message, status=404, breach=breach)


def _whole(form: dict[str, list[str]], name: str) -> int | None:
    return int(form[name][0]) if name in form else None


def _json(exchange: Exchange, status: int, payload: object) -> web.Response:
    body = b"" if payload is None else orjson.dumps(payload)
    response = web.Response(status=status, body=body, content_type="application/json")
    response.headers["Date"] = format_datetime(exchange.switch.clock.wall(), usegmt=True)
    return response
