"""Rows from the difference between two states of an account: double entries, and the projections that changed.

Every amount that moved is entered once, so that summing the entries gives the balances at any time. Nothing here decides what
moves; and nothing unchanged is ever entered again.
"""

from collections.abc import Iterator
from datetime import datetime

import msgspec

from paycue.ids import derived_id
from services.payments.domain.account import Invoice, Payment, PaymentAccount, Share
from services.payments.domain.commands import Part, PaymentView
from services.payments.domain.rows import AllocationRow, InvoiceRow, LedgerEntry, LedgerNote, PaymentRow


class Move(msgspec.Struct, frozen=True):
    """An amount from `credit` to `debit`; negative: the other way."""

    debit: str
    credit: str
    invoice_id: str
    payment_id: str
    amount_minor: int
    currency: str


def entries(before: PaymentAccount, after: PaymentAccount, at: datetime, *identity: str) -> tuple[LedgerEntry, ...]:
    """The double entries between two states; `identity` (tenant, account, cause) makes their ids, its last part is the cause."""
    moved = [move for move in _moves(before, after) if move.amount_minor]
    return tuple(
        LedgerEntry(
            entry_id=derived_id(at, *identity, "entry", index),
            at=at,
            cause=identity[-1],
            debit=move.debit if move.amount_minor > 0 else move.credit,
            credit=move.credit if move.amount_minor > 0 else move.debit,
            invoice_id=move.invoice_id,
            payment_id=move.payment_id,
            amount_minor=abs(move.amount_minor),
            currency=move.currency,
        )
        for index, move in enumerate(moved)
    )


def notes(texts: list[str], at: datetime, *identity: str) -> tuple[LedgerNote, ...]:
    """A note of each text; `identity` as with entries."""
    return tuple(LedgerNote(derived_id(at, *identity, "note", index), at, identity[-1], text) for index, text in enumerate(texts))


def projections(before: PaymentAccount, after: PaymentAccount) -> Iterator[msgspec.Struct]:
    """The rows for lists that are not what they were."""
    for invoice_id, _, invoice in changed_invoices(before, after):
        yield invoice_row(invoice_id, invoice)
    for payment_id, old, payment in changed_payments(before, after):
        yield payment_row(payment_id, payment)
        yield from _allocation_rows(payment_id, old, payment)


def changed_invoices(before: PaymentAccount, after: PaymentAccount) -> list[tuple[str, Invoice | None, Invoice]]:
    """Invoices that are new or not what they were, by id, with what they were."""
    known = before.invoices
    return [(key, known.get(key), new) for key, new in sorted(after.invoices.items()) if known.get(key) is not new]


def changed_payments(before: PaymentAccount, after: PaymentAccount) -> list[tuple[str, Payment | None, Payment]]:
    """Payments that are new or not what they were, by id, with what they were."""
    known = before.payments
    return [(key, known.get(key), new) for key, new in sorted(after.payments.items()) if known.get(key) is not new]


def changed_balances(before: PaymentAccount, after: PaymentAccount) -> list[tuple[str, int, Invoice]]:
    """Invoices of which another amount is open than before, by id, with what was; a new one was wholly open.

    A new one that a payment named before it came is always told of: whoever stopped it on sight of that money waits for this,
    also when the money has gone back meanwhile.
    """
    changed = [(key, old.open_minor if old else new.amount_minor, new) for key, old, new in changed_invoices(before, after)]
    named = {key for payment in before.payments.values() for key in payment.invoice_ids} - before.invoices.keys()
    return [(key, was_open, new) for key, was_open, new in changed if was_open != new.open_minor or key in named]


def _moves(before: PaymentAccount, after: PaymentAccount) -> Iterator[Move]:
    for invoice_id, old, invoice in changed_invoices(before, after):
        if not old:
            yield Move("receivable", "revenue", invoice_id, "", invoice.amount_minor, invoice.currency)
        credited = invoice.credited_minor - (old.credited_minor if old else 0)
        yield Move("credit_given", "receivable", invoice_id, "", credited, invoice.currency)
    for payment_id, paid, payment in changed_payments(before, after):
        yield from _money_moves(payment_id, paid, payment)


def _money_moves(payment_id: str, old: Payment | None, new: Payment) -> Iterator[Move]:
    """Through `unallocated`, where every payment enters, and from where it is spent, reserved and returned."""
    if not old:
        yield Move("cash", "unallocated", "", payment_id, new.amount_minor, new.currency)
    for invoice_id, minor in _difference(old.reserved if old else (), new.reserved):
        yield Move("unallocated", "reserved", invoice_id, payment_id, minor, new.currency)
    for invoice_id, minor in _difference(old.allocations if old else (), new.allocations):
        yield Move("unallocated", "receivable", invoice_id, payment_id, minor, new.currency)
    returned = new.returned_minor - (old.returned_minor if old else 0)
    yield Move("unallocated", "cash", "", payment_id, returned, new.currency)


def _difference(old: tuple[Share, ...], new: tuple[Share, ...]) -> Iterator[Share]:
    was, now = dict(old), dict(new)
    for invoice_id in sorted(was | now):
        yield invoice_id, now.get(invoice_id, 0) - was.get(invoice_id, 0)


def _allocation_rows(payment_id: str, old: Payment | None, new: Payment) -> Iterator[AllocationRow]:
    allocated, reserved = dict(new.allocations), dict(new.reserved)
    was = dict(old.allocations + old.reserved) if old else {}
    for invoice_id in sorted(was | allocated | reserved):
        yield AllocationRow(payment_id, invoice_id, new.currency, allocated.get(invoice_id, 0), reserved.get(invoice_id, 0))


def invoice_row(invoice_id: str, invoice: Invoice) -> InvoiceRow:
    """An invoice as lists show it."""
    return InvoiceRow(
        invoice_id=invoice_id,
        kind=invoice.kind,
        currency=invoice.currency,
        amount_minor=invoice.amount_minor,
        credited_minor=invoice.credited_minor,
        open_minor=invoice.open_minor,
        state="open" if invoice.open_minor else "settled",
        issued_on=invoice.issued_on,
        due_on=invoice.due_on,
        version=invoice.version,
        reopening=invoice.reopening,
    )


def payment_row(payment_id: str, payment: Payment) -> PaymentRow:
    """A payment as lists show it."""
    kept = payment.amount_minor - payment.returned_minor
    return PaymentRow(
        payment_id=payment_id,
        currency=payment.currency,
        amount_minor=payment.amount_minor,
        received_on=payment.received_on,
        allocated_minor=sum(minor for _, minor in payment.allocations),
        reserved_minor=sum(minor for _, minor in payment.reserved),
        unallocated_minor=payment.unallocated_minor,
        returned_minor=payment.returned_minor,
        state="returned" if not kept else "partly_returned" if payment.returned_minor else "received",
    )


def payment_view(payment_id: str, payment: Payment) -> PaymentView:
    """A payment as its own answer shows it, part by part."""
    allocations, reserved = (tuple(Part(*share) for share in shares) for shares in (payment.allocations, payment.reserved))
    return PaymentView(payment_row(payment_id, payment), allocations, reserved)


def waiting(account: PaymentAccount, payment: Payment) -> tuple[Share, ...]:
    """What is kept for invoices that are not known yet. The first one named has it all; what it leaves is for the next: they wait too."""
    if not payment.reserved:
        return ()
    unknown = (invoice_id for invoice_id in payment.invoice_ids if invoice_id not in account.invoices)
    return tuple({**dict.fromkeys(unknown, 0), **dict(payment.reserved)}.items())
