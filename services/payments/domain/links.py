"""Which open items a payment link shows. A link shows what is open when it is looked at; here it is only chosen.

Amounts are never added across currencies.
"""

from collections import defaultdict
from collections.abc import Collection

from services.payments.domain.account import PaymentAccount


def open_items(account: PaymentAccount, wanted: Collection[str]) -> tuple[str, ...]:
    """The open invoices among those wanted, oldest due first; of all, if none are named."""
    found = [(i.due_on, key) for key, i in account.invoices.items() if i.open_minor and (not wanted or key in wanted)]
    return tuple(key for _, key in sorted(found))


def open_by_currency(account: PaymentAccount, invoice_ids: Collection[str]) -> dict[str, int]:
    """What is open on these invoices, per currency."""
    total: defaultdict[str, int] = defaultdict(int)
    for invoice_id in invoice_ids:
        invoice = account.invoices[invoice_id]
        total[invoice.currency] += invoice.open_minor
    return dict(sorted(total.items()))
