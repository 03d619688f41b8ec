"""Facts that do not count, or not in full, though they are on file: other currencies, and more taken back than there was.

A person should look at each, so each becomes a note in the ledger when it first shows. They change no balance.
"""

from collections import defaultdict
from collections.abc import Iterator

from paycue.money import Money
from services.payments.domain.account import PaymentAccount


def oddities(account: PaymentAccount) -> set[str]:
    """A sentence for each, the same whatever order the facts came in."""
    return {*_payments(account), *_returns(account), *_credits(account)}


def _payments(account: PaymentAccount) -> Iterator[str]:
    for payment_id, payment in account.payments.items():
        for invoice_id in payment.invoice_ids:
            invoice = account.invoices.get(invoice_id)
            if invoice and invoice.currency != payment.currency:
                yield f"payment {payment_id} of {payment.currency} names invoice {invoice_id} of {invoice.currency}: not spent on it"


def _returns(account: PaymentAccount) -> Iterator[str]:
    total: defaultdict[str, int] = defaultdict(int)
    for return_id, back in account.returns.items():
        payment = account.payments.get(back.payment_id)
        if not payment:
            continue
        if back.currency not in (payment.currency, ""):
            yield f"return {return_id} is of {back.currency}, its payment {back.payment_id} of {payment.currency}: not counted"
            continue
        total[back.payment_id] += back.amount_minor or payment.amount_minor
    for payment_id, minor in total.items():
        payment = account.payments[payment_id]
        if minor > payment.amount_minor:
            yield f"returns of payment {payment_id} exceed it by {Money(payment.currency, minor - payment.amount_minor)}: not counted"


def _credits(account: PaymentAccount) -> Iterator[str]:
    total: defaultdict[str, int] = defaultdict(int)
    notes = [(f"credit note {key}", n.invoice_id, n.currency, n.amount_minor) for key, n in account.credit_notes.items()]
    disputes = [(f"dispute {key}", d.invoice_id, d.currency, d.credit_minor) for key, d in account.dispute_credits.items()]
    for name, invoice_id, currency, minor in notes + disputes:
        invoice = account.invoices.get(invoice_id)
        if not invoice:
            continue
        if currency not in (invoice.currency, ""):
            yield f"{name} is of {currency}, its invoice {invoice_id} of {invoice.currency}: not counted"
            continue
        total[invoice_id] += minor
    for invoice_id, minor in total.items():
        invoice = account.invoices[invoice_id]
        if minor > invoice.amount_minor:
            yield f"credits of invoice {invoice_id} exceed it by {Money(invoice.currency, minor - invoice.amount_minor)}: not counted"
