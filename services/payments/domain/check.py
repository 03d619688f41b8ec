"""What must hold of every account after every event: no amount is lost, made or owed below zero.

Property tests ask it after each step. It answers in sentences and never repairs.
"""

from collections import defaultdict
from collections.abc import Iterator

from services.payments.domain.account import PaymentAccount


def check(account: PaymentAccount) -> list[str]:
    """What does not hold; nothing, if all is well."""
    return [*_payments(account), *_invoices(account)]


def _payments(account: PaymentAccount) -> Iterator[str]:
    for payment_id, payment in account.payments.items():
        parts = [minor for _, minor in payment.allocations + payment.reserved] + [payment.unallocated_minor, payment.returned_minor]
        if sum(parts) != payment.amount_minor:
            yield f"payment {payment_id}: the parts {parts} do not add up to {payment.amount_minor}"
        if min(parts) < 0:
            yield f"payment {payment_id}: a part of {parts} is below zero"
        for invoice_id, _ in payment.reserved:
            if invoice_id in account.invoices or invoice_id not in payment.invoice_ids:
                yield f"payment {payment_id}: reserved for {invoice_id}, which is known or not named"
        if payment.reserved and not {invoice_id for invoice_id, _ in payment.allocations} <= set(payment.invoice_ids):
            yield f"payment {payment_id}: spent on others while it waits for an invoice it names"


def _invoices(account: PaymentAccount) -> Iterator[str]:
    paid: defaultdict[str, int] = defaultdict(int)
    for payment_id, payment in account.payments.items():
        for invoice_id, minor in payment.allocations:
            paid[invoice_id] += minor
            if account.invoices[invoice_id].currency != payment.currency:
                yield f"payment {payment_id}: {payment.currency} spent on {invoice_id}, which is of another currency"
    for invoice_id, invoice in account.invoices.items():
        if invoice.open_minor != invoice.amount_minor - invoice.credited_minor - paid[invoice_id]:
            yield f"invoice {invoice_id}: open {invoice.open_minor} is not amount - credited - {paid[invoice_id]} paid"
        if min(invoice.open_minor, invoice.credited_minor, invoice.version, invoice.reopening) < 0:
            yield f"invoice {invoice_id}: below zero: {invoice}"
