"""What the inbox received, counted: by channel, too late, twice. The text of the messages is the truth here, not any table."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from paycue.clock import instant
from paycue.ledger import InvoiceRow
from paycue.local.inbox import Received

_LINK = re.compile(r"https?://\S+")
_MIDNIGHT = datetime.min.time()


class Tally(msgspec.Struct, frozen=True):
    """Counts over the messages received."""

    by_channel: dict[str, int]
    late: int
    """Messages that name an invoice which was settled or disputed when they were sent."""
    duplicate: int
    """Messages whose recipient, day and content another message had before."""


def tally(messages: Sequence[Received], invoices: Iterable[InvoiceRow]) -> Tally:
    """Count `messages` against the ledger they should follow."""
    channels = {"email": 0, "sms": 0}
    watched = _by_address(invoices)
    seen: set[tuple[str, str, str]] = set()
    late = duplicate = 0
    for message in messages:
        channels[message.channel] += 1
        sent_at = message.sent_at
        if sent_at is None:
            raise ValueError(f"message {message.id} has no date; every message must tell when it was sent")
        late += any(_stopped(row, sent_at) and name.search(message.text) for row, name in watched.get(message.to, ()))
        identity = (message.to, sent_at.date().isoformat(), _LINK.sub("", message.text))
        duplicate += identity in seen
        seen.add(identity)
    return Tally(channels, late, duplicate)


def _by_address(invoices: Iterable[InvoiceRow]) -> dict[str, list[tuple[InvoiceRow, re.Pattern[str]]]]:
    watched: dict[str, list[tuple[InvoiceRow, re.Pattern[str]]]] = {}
    for row in invoices:
        name = re.compile(rf"(?<![\w-]){re.escape(row.invoice)}(?![\w-])")
        for address in filter(None, (row.email, row.phone)):
            watched.setdefault(address, []).append((row, name))
    return watched


def _stopped(row: InvoiceRow, at: datetime) -> bool:
    stops = [day for day in (row.paid_on, row.disputed_on) if day is not None]
    return any(instant(day, _MIDNIGHT, row.zone) <= at for day in stops)
