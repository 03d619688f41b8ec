"""The floor's two messages: protobuf of its own, made here without a compiler, as large as an invoice with all its facts is.

The product's events are smaller, for an account's facts are not told with each invoice; the floor is measured with the larger one.
"""

import time
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_TYPES = {"bytes": 12, "text": 9, "int": 3}
_INVOICE = {
    "event_id": "bytes", "invoice_id": "bytes", "tenant_id": "int", "customer_id": "bytes", "number": "text", "status": "int",
    "currency": "text", "amount_minor": "int", "paid_minor": "int", "issued_at_us": "int", "due_at_us": "int", "name": "text",
    "email": "text", "phone": "text", "locale": "text", "zone": "text", "channels": "int", "policy_id": "int", "version": "int",
    "source_ref": "text",
}  # fmt: skip
_REMINDER = {
    "reminder_id": "bytes", "invoice_id": "bytes", "tenant_id": "int", "stage": "int", "channel": "int", "due_at_us": "int",
    "dedupe_key": "text", "recipient": "text", "locale": "text", "amount_minor": "int", "currency": "text", "version": "int",
}  # fmt: skip


def _messages() -> tuple[Any, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="paycue/bench/floor.proto", package="paycue.bench.floor", syntax="proto3")
    for name, fields in (("Invoice", _INVOICE), ("Reminder", _REMINDER)):
        message = file.message_type.add(name=name)
        for number, (field, kind) in enumerate(fields.items(), 1):
            message.field.add(name=field, number=number, type=_TYPES[kind], label=1)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    names = ("paycue.bench.floor.Invoice", "paycue.bench.floor.Reminder")
    invoice, reminder = (message_factory.GetMessageClass(pool.FindMessageTypeByName(name)) for name in names)
    return invoice, reminder


INVOICE, REMINDER = _messages()


def invoices(start: int, stop: int, partitions: int) -> list[tuple[bytes, bytes]]:
    """Key and value of the invoices numbered `start` to `stop`, due since yesterday; the key's last byte spreads them evenly."""
    now = time.time_ns() // 1000
    return [_invoice(n, now, partitions) for n in range(start, stop)]


def _invoice(n: int, now: int, partitions: int) -> tuple[bytes, bytes]:
    # Time-ordered, as ids should be: the high bits are the moment, the low ones tell invoices apart.
    invoice_id = ((now // 1000 << 80) | (7 << 76) | (n << 8) | n % partitions).to_bytes(16, "big")
    event = INVOICE(
        event_id=(n * 7919).to_bytes(16, "big"), invoice_id=invoice_id, tenant_id=n % 500, customer_id=(n * 104729).to_bytes(16, "big"),
        number=f"INV-{n:08d}", status=1, currency="EUR", amount_minor=129_900, issued_at_us=now - 30 * 86_400_000_000,
        due_at_us=now - 86_400_000_000 + n, name=f"Customer Name {n}", email=f"customer{n}@example-42.com", phone="+4915112345678",
        locale="de-DE", zone="Europe/Berlin", channels=3, policy_id=7, version=1, source_ref=f"erp:{n}",
    )  # fmt: skip
    return invoice_id, event.SerializeToString()
