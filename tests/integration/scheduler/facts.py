"""Facts as other services tell them, and the policies of these tests."""

from typing import Any

from paycue.events.v1 import account_pb2, dispute_pb2, invoice_pb2, message_pb2, payment_pb2

YAML = {"Content-Type": "application/yaml"}
POLICY = """\
policy: standard
version: 1
window: {from: "09:00", to: "18:00", days: all}
steps:
  - {when: due - 7d,  stage: friendly, channels: [email]}
  - {when: due,       stage: friendly, channels: [email]}
  - {when: due + 15d, stage: firm,     channels: [email, sms]}
"""


def registered(account: str = "A1", tenant: str = "acme", zone: str = "") -> Any:
    return account_pb2.AccountRegistered(tenant_id=tenant, account_id=account, version=1, zone=zone, locale="en")


def issued(invoice: str = "I1", account: str = "A1", tenant: str = "acme", due_on: str = "2013-01-20", minor: int = 123450) -> Any:
    who = {"tenant_id": tenant, "account_id": account}
    return invoice_pb2.InvoiceIssued(**who, invoice_id=invoice, currency="USD", amount_minor=minor, issued_on="2013-01-02", due_on=due_on)


def settled(invoice: str = "I1", account: str = "A1", version: int = 1) -> Any:
    told = payment_pb2.InvoiceBalance(invoice_id=invoice, currency="USD", open_minor=0, version=version)
    return payment_pb2.InvoiceSettled(tenant_id="acme", account_id=account, balance=told)


def disputed(invoice: str = "I1", account: str = "A1") -> Any:
    return dispute_pb2.DisputeRegistered(tenant_id="acme", account_id=account, dispute_id="D1", invoice_id=invoice, version=1)


def skipped(reminder_id: str, reason: str = "no_contact", account: str = "A1") -> Any:
    return message_pb2.ReminderSkipped(tenant_id="acme", account_id=account, reminder_id=reminder_id, reason=reason)
