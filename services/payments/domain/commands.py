"""What a person or system may ask of the ledger over the API, and what it is answered.

A command is folded like an event and by the same functions; the difference is that somebody waits for the answer and can be
told to correct it. It must never do what no event could do.
"""

from datetime import date, datetime

import msgspec

from services.payments.domain.rows import InvoiceRow, PaymentRow


class RecordPayment(msgspec.Struct, frozen=True):
    """Money came."""

    payment_id: str
    currency: str
    amount_minor: int
    received_on: date
    invoice_ids: tuple[str, ...] = ()


class RecordReturn(msgspec.Struct, frozen=True):
    """Money that had come went back."""

    return_id: str
    payment_id: str
    kind: str
    """`declined_cheque`, `returned_direct_debit` or `chargeback`."""
    reason_code: str = ""
    currency: str = ""
    """Empty: the payment's."""
    amount_minor: int = 0
    """Zero: the whole payment."""


class IssueCreditNote(msgspec.Struct, frozen=True):
    """Less is owed on an invoice."""

    credit_note_id: str
    invoice_id: str
    currency: str
    amount_minor: int
    reason: str


class CreatePaymentLink(msgspec.Struct, frozen=True):
    """A signed link to the open items, or to those named."""

    invoice_ids: tuple[str, ...] = ()
    """None: all that are open."""
    valid_days: int = 14


class Part(msgspec.Struct, frozen=True):
    """A part of a payment and the invoice it is spent on, or kept for."""

    invoice_id: str
    amount_minor: int


class PaymentView(msgspec.Struct, frozen=True):
    """The answer to RecordPayment and RecordReturn: the payment as it stands."""

    payment: PaymentRow
    allocations: tuple[Part, ...]
    reserved: tuple[Part, ...]


class CreditNoteView(msgspec.Struct, frozen=True):
    """The answer to IssueCreditNote: the note, and its invoice as it stands."""

    credit_note_id: str
    amount_minor: int
    reason: str
    invoice: InvoiceRow


class PaymentLinkTerms(msgspec.Struct, frozen=True):
    """The answer to CreatePaymentLink: what is to be signed, with tenant and account, and what is open on it now."""

    link_id: str
    invoice_ids: tuple[str, ...]
    expires_at: datetime
    open_minor: dict[str, int]
    """By currency."""
