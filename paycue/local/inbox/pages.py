"""The inbox as a person reads it: a list, newest first, and a page per message. Everything is escaped, mails' own HTML stands in a
sandbox, and no page runs script or asks another host for anything.
"""

from datetime import datetime
from itertools import islice

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from paycue.local.inbox.box import Box
from paycue.local.inbox.received import Received
from paycue.local.inbox.show import line

PAGE = 100
_MAX_LINES = 1_000
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
)
_HEADERS = {"Content-Security-Policy": _POLICY, "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff"}


def when(at: datetime | None) -> str:
    """Business time as it was written, with its offset."""
    if at is None:
        return "no date"
    offset = at.strftime("%z")
    return f"{at:%a} {at.day} {at:%b %Y, %H:%M} {'UTC' if offset == '+0000' else f'{offset[:3]}:{offset[3:]}'}"


def routes(box: Box) -> APIRouter:
    """The pages, and the list as JSON."""
    router, pages = APIRouter(), _Pages(box)
    for path, page in (("/", pages.index), ("/messages.json", pages.lines), ("/messages/{number}", pages.message)):
        router.add_api_route(path, page, methods=["GET"])
    return router


class _Pages:
    def __init__(self, box: Box) -> None:
        self._box = box
        self._templates = Environment(loader=PackageLoader("paycue.local.inbox"), autoescape=True, undefined=StrictUndefined)
        self._templates.filters["when"] = when

    async def index(self, request: Request) -> Response:
        query = request.query_params
        text, before = query.get("q", "").strip(), query.get("before", "")
        found = (message for message in self._box.newest(before=int(before) if before.isdecimal() else None) if _has(message, text.lower()))
        shown = list(islice(found, PAGE + 1))
        older = shown[PAGE - 1].number if len(shown) > PAGE else None
        live = not before and not text
        return self._page("list.html", messages=shown[:PAGE], older=older, total=self._box.count, text=text, live=live)

    async def message(self, number: str) -> Response:
        found = self._box.get(int(number)) if number.isdecimal() else None
        if found is None:
            return self._page("missing.html", 404, number=number)
        newer, older = self._box.get(found.number + 1), self._box.get(found.number - 1)
        return self._page("message.html", message=found, newer=newer, older=older)

    async def lines(self, request: Request) -> Response:
        limit = request.query_params.get("limit", "")
        shown = islice(self._box.newest(), min(int(limit), _MAX_LINES) if limit.isdecimal() else 50)
        return Response(msgspec.json.encode([line(message) for message in shown]), media_type="application/json")

    def _page(self, name: str, status: int = 200, **values: object) -> Response:
        return HTMLResponse(self._templates.get_template(name).render(values), status, _HEADERS)


def _has(message: Received, text: str) -> bool:
    return not text or text in message.to.lower() or text in message.subject.lower() or text in message.text.lower()
