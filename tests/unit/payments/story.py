"""The history of one account in short words: each word is an event or command, folded by the real handlers."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any, TypeVar

import msgspec

from paycue.decision import Context, Decision
from paycue.events.v1 import dispute_pb2, invoice_pb2, payment_pb2
from services.payments.domain.account import PaymentAccount
from services.payments.domain.check import check
from services.payments.handlers import HANDLERS

NOW = datetime(2013, 3, 1, 9, tzinfo=UTC)
WHO = {"tenant_id": "acme", "account_id": "a1"}
VALID, PARTLY_VALID = dispute_pb2.DISPUTE_OUTCOME_VALID, dispute_pb2.DISPUTE_OUTCOME_PARTLY_VALID
INVALID = dispute_pb2.DISPUTE_OUTCOME_INVALID

E = TypeVar("E")


def context(cause: str) -> Context:
    return Context(now=NOW, tenant="acme", account="a1", cause=cause)


def invoice(key: str, minor: int, *, issued: int = 1, due: int = 20, currency: str = "EUR") -> invoice_pb2.InvoiceIssued:
    """Issued and due on a day of January 2013."""
    days = {"issued_on": date(2013, 1, issued).isoformat(), "due_on": date(2013, 1, due).isoformat()}
    return invoice_pb2.InvoiceIssued(**WHO, invoice_id=key, currency=currency, amount_minor=minor, **days)


def payment(key: str, minor: int, *names: str, on: int = 10, currency: str = "EUR") -> payment_pb2.PaymentReceived:
    """Received on a day of January 2013, for the invoices named."""
    received_on = date(2013, 1, on).isoformat()
    return payment_pb2.PaymentReceived(
        **WHO, payment_id=key, currency=currency, amount_minor=minor, received_on=received_on, invoice_ids=names
    )


def returned(key: str, payment_id: str, minor: int = 0, code: str = "AC04", currency: str = "EUR") -> payment_pb2.PaymentReturned:
    kind = payment_pb2.RETURN_KIND_RETURNED_DIRECT_DEBIT
    return payment_pb2.PaymentReturned(
        **WHO, return_id=key, payment_id=payment_id, currency=currency, amount_minor=minor, kind=kind, reason_code=code
    )


def credit_note(key: str, invoice_id: str, minor: int, currency: str = "EUR") -> invoice_pb2.CreditNoteIssued:
    return invoice_pb2.CreditNoteIssued(
        **WHO, credit_note_id=key, invoice_id=invoice_id, currency=currency, amount_minor=minor, reason="short delivery"
    )


def resolved(
    key: str, invoice_id: str, outcome: dispute_pb2.DisputeOutcome, minor: int = 0, *, whole: bool = False, version: int = 1
) -> dispute_pb2.DisputeResolved:
    return dispute_pb2.DisputeResolved(
        **WHO,
        dispute_id=key,
        invoice_id=invoice_id,
        outcome=outcome,
        currency="EUR",
        credit_minor=minor,
        credit_whole=whole,
        version=version,
    )


class Story:
    """An account and everything its handlers said so far. Every step must keep the invariants."""

    def __init__(self, facts: Iterable[Any] = ()) -> None:
        self.account, self.events, self.rows = PaymentAccount(), list[Any](), list[msgspec.Struct]()
        self.told = 0
        for fact in facts:
            self.tell(fact)

    def tell(self, fact: Any, cause: str = "") -> Decision[PaymentAccount]:
        """Fold one event or command; without a cause of its own it is told under a new one each time."""
        self.told += 1
        decision: Decision[PaymentAccount] = HANDLERS[type(fact)](self.account, fact, context(cause or f"cause-{self.told}"))
        self.account = decision.state
        self.events += decision.events
        self.rows += decision.rows
        assert check(self.account) == []
        return decision

    def open(self) -> dict[str, int]:
        return {key: i.open_minor for key, i in sorted(self.account.invoices.items())}

    def credit(self) -> dict[str, int]:
        return {key: p.unallocated_minor for key, p in sorted(self.account.payments.items()) if p.unallocated_minor}

    def allocations(self, payment_id: str) -> dict[str, int]:
        return dict(self.account.payments[payment_id].allocations)

    def said(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    def wrote(self, kind: type[E]) -> list[E]:
        return [row for row in self.rows if isinstance(row, kind)]

    def balances(self) -> dict[str, Any]:
        """What must not depend on the order of the facts: everything but versions and reopenings."""
        invoices = {key: (i.fact, i.open_minor, i.credited_minor) for key, i in self.account.invoices.items()}
        return {"invoices": invoices, "payments": self.account.payments}
