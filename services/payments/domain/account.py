"""The document of one account: the facts that were told, and beside each what follows from it.

A fact is kept for ever under its natural key, so that nothing is ever applied twice. What follows from the facts is written
by `allocation.rebalance` alone and must never be changed by hand.
"""

from datetime import date, datetime

import msgspec

Share = tuple[str, int]
"""An invoice and the minor units of a payment that are spent on it, or kept for it."""


class Invoice(msgspec.Struct, frozen=True, array_like=True):
    """What was asked for. Open = amount - credited - what payments were spent on it, never below zero."""

    currency: str
    amount_minor: int
    issued_on: date
    due_on: date
    kind: str
    open_minor: int
    credited_minor: int = 0
    version: int = 0
    """Grows by one with every event that changes what is open; 0: the whole amount is open and nobody was told otherwise."""
    reopening: int = 0
    """How often a returned payment opened it again after it was settled."""

    @property
    def fact(self) -> tuple[object, ...]:
        """What was told about it, without what follows."""
        return self.currency, self.amount_minor, self.issued_on, self.due_on, self.kind


class Payment(msgspec.Struct, frozen=True, array_like=True):
    """Money that came. Amount = allocated + reserved + unallocated + returned, always."""

    currency: str
    amount_minor: int
    received_on: date
    invoice_ids: tuple[str, ...]
    """The invoices it names, in order; none: it pays the oldest due."""
    unallocated_minor: int
    """Credit that waits for the next invoice."""
    returned_minor: int = 0
    allocations: tuple[Share, ...] = ()
    reserved: tuple[Share, ...] = ()
    """Kept for invoices it names that are not known yet."""

    @property
    def fact(self) -> tuple[object, ...]:
        """What was told about it, without what follows."""
        return self.currency, self.amount_minor, self.received_on, self.invoice_ids


class Return(msgspec.Struct, frozen=True, array_like=True):
    """Money that went back."""

    payment_id: str
    currency: str
    amount_minor: int
    """Zero: the whole payment."""
    kind: str
    """`declined_cheque`, `returned_direct_debit` or `chargeback`."""
    reason_code: str
    """The bank's or scheme's own, such as AC04."""

    @property
    def reason(self) -> str:
        return f"{self.kind} {self.reason_code}".strip()


class CreditNote(msgspec.Struct, frozen=True, array_like=True):
    """An invoice was credited, in part or in whole."""

    invoice_id: str
    currency: str
    amount_minor: int
    reason: str


class DisputeCredit(msgspec.Struct, frozen=True, array_like=True):
    """How a dispute ended, as far as the ledger cares. The highest version of a dispute wins."""

    invoice_id: str
    currency: str
    credit_minor: int
    whole: bool
    """Whatever references leave open is credited."""
    version: int


class PaymentAccount(msgspec.Struct, frozen=True):
    """What is owed and paid on one account. Each dictionary is keyed by the fact's own id; the account's own is the store's.

    Returns, credit notes and dispute credits may stand here before the payment or invoice they are about.
    """

    next_action_at: datetime | None = None
    invoices: dict[str, Invoice] = {}
    payments: dict[str, Payment] = {}
    returns: dict[str, Return] = {}
    credit_notes: dict[str, CreditNote] = {}
    dispute_credits: dict[str, DisputeCredit] = {}
