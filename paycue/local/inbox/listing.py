"""Twilio's list of messages: newest first, filtered by recipient and date, in pages that name the next one."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time
from itertools import islice
from typing import Protocol
from urllib.parse import urlencode

from fastapi import Request

from paycue.local.inbox.box import Box
from paycue.local.inbox.received import Received

_PAGE = 50
_MAX_PAGE = 1_000


class Account(Protocol):
    """Whose messages are listed."""

    def resource(self, message: Received) -> dict[str, object]:
        """Twilio's own JSON of a message."""


def listing(account: Account, box: Box, request: Request) -> dict[str, object]:
    """One page. Raises ValueError on a filter that cannot be read."""
    query = request.query_params
    size, page = min(_MAX_PAGE, max(1, int(query.get("PageSize", _PAGE)))), max(0, int(query.get("Page", 0)))
    before = int(query["PageToken"].removeprefix("PASM")) if query.get("PageToken") else None
    keeps = _filter(query.get("From"), query.get("DateSent"), query.get("DateSent>"), query.get("DateSent<"))
    wanted: Iterator[Received] = filter(keeps, box.newest("sms", before, query.get("To") or None))
    if before is None:
        wanted = islice(wanted, page * size, None)
    found = list(islice(wanted, size + 1))
    shown, more = found[:size], len(found) > size
    here = [(name, value) for name, value in query.multi_items() if name not in ("Page", "PageSize", "PageToken")]
    answer: dict[str, object] = {"messages": [account.resource(message) for message in shown], "page": page, "page_size": size}
    answer |= {"start": page * size, "end": page * size + max(0, len(shown) - 1), "uri": _uri(request, here, size, page, before)}
    answer |= {"first_page_uri": _uri(request, here, size, 0, None), "previous_page_uri": None}
    return answer | {"next_page_uri": _uri(request, here, size, page + 1, shown[-1].number) if more else None}


def _uri(request: Request, filters: list[tuple[str, str]], size: int, page: int, before: int | None) -> str:
    token = [("PageToken", f"PASM{before}")] if before is not None else []
    return f"{request.url.path}?{urlencode([*filters, ('PageSize', size), ('Page', page), *token])}"


def _filter(sender: str | None, on: str | None, since: str | None, until: str | None) -> Callable[[Received], bool]:
    """`DateSent`, `DateSent>` and `DateSent<` include their own day; a moment instead of a day is taken to the second."""
    first, last = (_moment(since, time.min) if since else None), (_moment(until, time.max) if until else None)
    if on:
        first, last = _moment(on, time.min), _moment(on, time.max)

    def keeps(message: Received) -> bool:
        if sender and message.sender != sender:
            return False
        at = message.sms.sent_at
        return (first is None or at >= first) and (last is None or at <= last)

    return keeps


def _moment(text: str, hour: time) -> datetime:
    try:
        if len(text) == 10:
            return datetime.combine(date.fromisoformat(text), hour, UTC)
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a date such as 2024-02-29") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
