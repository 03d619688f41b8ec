"""The disputes of one account in short words: each word is an event or command, folded by the real handlers."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec

from paycue.decision import Context, Decision
from paycue.events.v1 import dispute_pb2, invoice_pb2, payment_pb2
from services.disputes.domain.account import DisputeAccount
from services.disputes.domain.rows import CaseRow, NoteRow
from services.disputes.handlers import HANDLERS

NOW = datetime(2013, 3, 1, 9, tzinfo=UTC)
WHO = {"tenant_id": "acme", "account_id": "a1"}
WRONG_AMOUNT, QUALITY = dispute_pb2.DISPUTE_REASON_WRONG_AMOUNT, dispute_pb2.DISPUTE_REASON_QUALITY
VALID, PARTLY_VALID = dispute_pb2.DISPUTE_OUTCOME_VALID, dispute_pb2.DISPUTE_OUTCOME_PARTLY_VALID
INVALID, WITHDRAWN = dispute_pb2.DISPUTE_OUTCOME_INVALID, dispute_pb2.DISPUTE_OUTCOME_WITHDRAWN

E = TypeVar("E")


def raised(
    key: str = "d1",
    invoice_id: str = "i1",
    minor: int = 0,
    *,
    currency: str = "EUR",
    reason: dispute_pb2.DisputeReason = WRONG_AMOUNT,
    note: str = "",
) -> dispute_pb2.DisputeRaised:
    return dispute_pb2.DisputeRaised(
        **WHO, dispute_id=key, invoice_id=invoice_id, reason=reason, currency=currency, disputed_minor=minor, note=note
    )


def reviewed(key: str = "d1", note: str = "") -> dispute_pb2.DisputeReviewStarted:
    return dispute_pb2.DisputeReviewStarted(**WHO, dispute_id=key, note=note)


def decided(key: str = "d1", outcome: Any = INVALID, credit: int = 0, reason: str = "") -> dispute_pb2.DisputeDecided:
    return dispute_pb2.DisputeDecided(**WHO, dispute_id=key, outcome=outcome, credit_minor=credit, reason=reason)


def issued(key: str = "i1", minor: int = 10_000, currency: str = "EUR") -> invoice_pb2.InvoiceIssued:
    days = {"issued_on": "2013-01-01", "due_on": "2013-01-31"}
    return invoice_pb2.InvoiceIssued(**WHO, invoice_id=key, currency=currency, amount_minor=minor, **days)


def balance(key: str, minor: int, version: int, currency: str = "EUR") -> payment_pb2.InvoiceBalance:
    return payment_pb2.InvoiceBalance(invoice_id=key, currency=currency, open_minor=minor, version=version)


def settled(key: str = "i1", version: int = 1, currency: str = "EUR") -> payment_pb2.InvoiceSettled:
    return payment_pb2.InvoiceSettled(**WHO, balance=balance(key, 0, version, currency))


def reopened(key: str = "i1", minor: int = 10_000, version: int = 2) -> payment_pb2.InvoiceReopened:
    return payment_pb2.InvoiceReopened(**WHO, balance=balance(key, minor, version), reason="returned_direct_debit AC04")


def changed(*balances: payment_pb2.InvoiceBalance) -> payment_pb2.BalanceChanged:
    return payment_pb2.BalanceChanged(**WHO, balances=balances)


class Story:
    """An account and everything its handlers said so far."""

    def __init__(self, *facts: Any) -> None:
        self.account, self.events, self.rows = DisputeAccount(), list[Any](), list[msgspec.Struct]()
        self.told = 0
        self.tell_all(facts)

    def tell_all(self, facts: Iterable[Any]) -> None:
        for fact in facts:
            self.tell(fact)

    def tell(self, fact: Any, cause: str = "") -> Decision[DisputeAccount]:
        """Fold one event or command; without a cause of its own it is told under a new one each time."""
        self.told += 1
        context = Context(now=NOW, tenant="acme", account="a1", cause=cause or f"cause-{self.told}")
        decision: Decision[DisputeAccount] = HANDLERS[type(fact)](self.account, fact, context)
        self.account = decision.state
        self.events += decision.events
        self.rows += decision.rows
        return decision

    def said(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    def case(self, key: str = "d1") -> CaseRow:
        """The row that stands in the table of disputes."""
        return [row for row in self.rows if isinstance(row, CaseRow) and row.dispute_id == key][-1]

    def notes(self) -> list[str]:
        return [row.text for row in self.rows if isinstance(row, NoteRow)]

    def stands(self) -> dict[str, tuple[object, ...]]:
        """What must not depend on the order of the facts: everything but versions, instants and who told it."""
        return {
            key: (case.claim, case.status, case.outcome, case.credit_minor, case.credit_whole, case.refusal)
            for key, case in self.account.cases.items()
        }


def held(events: Iterable[Any]) -> dict[str, bool]:
    """Disputes that hold their invoice, to a consumer that keeps the highest version it heard of each."""
    best: dict[str, tuple[int, bool]] = {}
    for event in events:
        if isinstance(event, dispute_pb2.DisputeRefused):
            continue
        if event.dispute_id not in best or event.version > best[event.dispute_id][0]:
            best[event.dispute_id] = event.version, not isinstance(event, dispute_pb2.DisputeResolved)
    return {key: holds for key, (_, holds) in best.items() if holds}
