"""Records and events for tests of the bus: one sound invoice, and how to spoil it."""

from datetime import UTC, datetime
from typing import Any

from google.protobuf.message import Message

from paycue.bus.envelope import Headers, Record, outgoing
from paycue.events.v1.invoice_pb2 import InvoiceIssued

AT = datetime(2013, 1, 2, 5, tzinfo=UTC)


def invoice(account: str = "a1", number: str = "1", **changed: Any) -> InvoiceIssued:
    sound = {"tenant_id": "acme", "currency": "USD", "amount_minor": 100, "issued_on": "2013-01-02", "due_on": "2013-01-09"}
    return InvoiceIssued(**{**sound, "account_id": account, "invoice_id": number, **changed})


def record(
    event: Message | None = None, event_id: str = "1", *, offset: int = 0, key: bytes | None = None, **headers: str | None
) -> Record:
    """A record of an event; `headers` replace CloudEvents' own (ce_time="...") or, as None, leave them out."""
    made = outgoing(event or invoice(), event_id=event_id, source="urn:erp", at=AT, partition=0, key=key)
    return Record(made.topic, 0, offset, made.key, made.value, changed(made.headers, **headers))


def changed(headers: Headers, **wanted: str | None) -> Headers:
    kept = tuple((name, value) for name, value in headers if name not in wanted)
    return (*kept, *((name, text.encode()) for name, text in wanted.items() if text is not None))
