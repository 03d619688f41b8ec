"""What a decision leaves in tables: the double-entry ledger and its notes (appended), projections for lists (upserted).

Every row belongs to one account; the store adds tenant and account. Amounts are minor units of the currency beside them.
"""

from datetime import date, datetime

import msgspec


class LedgerEntry(msgspec.Struct, frozen=True):
    """One amount from one account of the books to another. Appended, never changed: what was wrong is entered the other way."""

    entry_id: str
    at: datetime
    cause: str
    debit: str
    """`receivable`, `cash`, `unallocated`, `reserved`, `credit_given` or `revenue`; `credit` likewise."""
    credit: str
    invoice_id: str
    """Empty: concerns no invoice; `payment_id` likewise."""
    payment_id: str
    amount_minor: int
    currency: str


class LedgerNote(msgspec.Struct, frozen=True):
    """A fact that did not count, or not in full, and why."""

    note_id: str
    at: datetime
    cause: str
    text: str


class InvoiceRow(msgspec.Struct, frozen=True):
    """An invoice as it stands. Key: invoice_id."""

    invoice_id: str
    kind: str
    currency: str
    amount_minor: int
    credited_minor: int
    open_minor: int
    state: str
    """`open` or `settled`."""
    issued_on: date
    due_on: date
    version: int
    reopening: int


class PaymentRow(msgspec.Struct, frozen=True):
    """A payment as it stands. Key: payment_id."""

    payment_id: str
    currency: str
    amount_minor: int
    received_on: date
    allocated_minor: int
    reserved_minor: int
    unallocated_minor: int
    returned_minor: int
    state: str
    """`received`, `partly_returned` or `returned`."""


class AllocationRow(msgspec.Struct, frozen=True):
    """What of a payment is spent on an invoice, or reserved for it. Key: payment_id, invoice_id. Both zero: no longer."""

    payment_id: str
    invoice_id: str
    currency: str
    amount_minor: int
    reserved_minor: int


class PaymentLinkRow(msgspec.Struct, frozen=True):
    """A payment link that was made. Key: link_id."""

    link_id: str
    created_at: datetime
    expires_at: datetime
    invoice_ids: str
    """One per line: an invoice id has no control characters."""


class Balance(msgspec.Struct, frozen=True):
    """No row of its own: what the invoices and payments of an account add up to in one currency."""

    currency: str
    open_minor: int
    open_invoices: int
    credit_minor: int
    """Received and not spent; `reserved_minor`: kept for invoices that are not known yet."""
    reserved_minor: int
