"""The part of Mailpit's API that a mail is looked up with, over the local inbox; paths and field names are Mailpit's own."""

import shlex
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import getaddresses
from itertools import islice

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from paycue.local.inbox.box import Box
from paycue.local.inbox.received import Received

_LIMIT = 50
_SNIPPET = 250
_FIELDS = ("to", "from", "subject")
_NO_DATE = datetime(1970, 1, 1, tzinfo=UTC)


class Lookup:
    """Finds mails by Message-ID without reading a mail twice; nothing is indexed until somebody asks."""

    def __init__(self, box: Box) -> None:
        self._box, self._seen = box, 0
        self._numbers: dict[str, int] = {}

    def by_message_id(self, message_id: str) -> list[Received]:
        for message in self._box.newest("email"):
            if message.number <= self._seen:
                break
            self._numbers[message.message_id] = message.number
        self._seen = self._box.count
        number = self._numbers.get(message_id.strip("<> "))
        found = self._box.get(number) if number is not None else None
        return [found] if found is not None else []


def routes(box: Box) -> APIRouter:
    """Mailpit's paths."""
    router, api = APIRouter(prefix="/api/v1"), _Api(box)
    router.add_api_route("/messages", api.messages, methods=["GET"])
    router.add_api_route("/search", api.search, methods=["GET"])
    router.add_api_route("/message/{number}/raw", api.raw, methods=["GET"])
    return router


class _Api:
    def __init__(self, box: Box) -> None:
        self._box, self._lookup = box, Lookup(box)

    async def messages(self, request: Request) -> Response:
        return _page(list(self._box.newest("email")), request)

    async def search(self, request: Request) -> Response:
        query = request.query_params.get("query", "").strip()
        if not query:
            return JSONResponse({"Error": "no search query"}, 400)
        name, colon, value = query.partition(":")
        if colon and name == "message-id":
            return _page(self._lookup.by_message_id(value.strip("\"' ")), request)
        keeps = _matching(query)
        return _page([message for message in self._box.newest("email") if keeps(message)], request)

    async def raw(self, number: str) -> Response:
        message = self._box.get(int(number)) if number.isdecimal() else None
        if message is None or message.channel != "email":
            return JSONResponse({"Error": "message not found"}, 404)
        return Response(message.raw, media_type="text/plain; charset=utf-8")


def _page(found: list[Received], request: Request) -> Response:
    start, limit = (_whole(request.query_params.get(name), default) for name, default in (("start", 0), ("limit", _LIMIT)))
    shown = [_summary(message) for message in islice(found, start, start + limit)]
    counts = {"total": len(found), "unread": 0, "count": len(shown), "messages_count": len(found), "messages_unread": 0}
    return JSONResponse(counts | {"start": start, "tags": [], "messages": shown})


def _whole(text: str | None, default: int) -> int:
    return int(text) if text and text.isdecimal() else default


def _summary(message: Received) -> dict[str, object]:
    mail = message.mail
    addresses = {
        name: [{"Name": who, "Address": address} for who, address in getaddresses([mail.header(name.lower())])]
        for name in ("From", "To", "Cc", "Bcc")
        if mail.header(name.lower())
    }
    answer: dict[str, object] = {"ID": message.id, "MessageID": message.message_id, "Read": False}
    answer |= {"From": addresses.get("From", [None])[0]} | {name: addresses.get(name, []) for name in ("To", "Cc", "Bcc")}
    answer |= {"ReplyTo": [], "Subject": message.subject, "Created": (message.sent_at or _NO_DATE).isoformat()}
    return answer | {"Tags": [], "Size": len(message.raw), "Attachments": 0, "Snippet": " ".join(message.text.split())[:_SNIPPET]}


def _matching(query: str) -> Callable[[Received], bool]:
    """`to:`, `from:`, `subject:` and bare words, all of which must be found; quotes keep words together."""
    try:
        words = shlex.split(query)
    except ValueError:
        words = query.split()
    named = [(word, *word.lower().partition(":")) for word in words]
    wanted = [(name, value) if name in _FIELDS else ("", word.lower()) for word, name, _, value in named]

    def keeps(message: Received) -> bool:
        fields = {"to": " ".join(message.recipients), "from": message.mail.header("from"), "subject": message.subject}
        whole = f"{fields['to']} {fields['from']} {fields['subject']} {message.text}"
        return all(value in fields.get(name, whole).lower() for name, value in wanted)

    return keeps
