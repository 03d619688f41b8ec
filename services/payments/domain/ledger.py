"""Facts enter the ledger here: each is checked for sense, recorded once under its natural key, and the balances follow.

The first content of a key stays; the same key again changes nothing. These functions must never refuse an event for coming too
early or for naming what is not known: it is recorded and counts as soon as it can.
"""

from collections.abc import Iterable
from datetime import date

from msgspec.structs import replace

from paycue.money import known_currency
from services.payments.domain.account import CreditNote, DisputeCredit, Invoice, Payment, PaymentAccount, Return
from services.payments.domain.allocation import rebalance


def new_invoice(currency: str, amount_minor: int, issued_on: date, due_on: date, kind: str) -> Invoice:
    """An invoice of which all is open. Raises ValueError on an amount or currency that cannot be."""
    _check_money(currency, amount_minor)
    return Invoice(currency, amount_minor, issued_on, due_on, kind, open_minor=amount_minor)


def new_payment(currency: str, amount_minor: int, received_on: date, invoice_ids: Iterable[str]) -> Payment:
    """A payment that is spent on nothing yet. Raises ValueError on an amount or currency that cannot be."""
    _check_money(currency, amount_minor)
    return Payment(currency, amount_minor, received_on, tuple(dict.fromkeys(filter(None, invoice_ids))), unallocated_minor=amount_minor)


def new_credit_note(invoice_id: str, currency: str, amount_minor: int, reason: str) -> CreditNote:
    """A credit note. Raises ValueError on an amount or currency that cannot be."""
    _check_money(currency, amount_minor)
    return CreditNote(invoice_id, currency, amount_minor, reason)


def _check_money(currency: str, amount_minor: int) -> None:
    if not known_currency(currency):
        raise ValueError(f"the currency is {currency!r}, expected one of ISO 4217, such as EUR")
    if amount_minor <= 0:
        raise ValueError(f"the amount is {amount_minor} minor units, expected more than zero")


def issue(account: PaymentAccount, invoice_id: str, invoice: Invoice) -> PaymentAccount:
    """The invoice is owed from now on; what was reserved for it, and credit that waited, is spent on it."""
    if invoice_id in account.invoices:
        return account
    return rebalance(replace(account, invoices={**account.invoices, invoice_id: invoice}))


def receive(account: PaymentAccount, payment_id: str, payment: Payment) -> PaymentAccount:
    """The money is in the ledger, less what is known to have gone back already."""
    if payment_id in account.payments:
        return account
    return rebalance(replace(account, payments={**account.payments, payment_id: payment}))


def give_back(account: PaymentAccount, return_id: str, back: Return) -> PaymentAccount:
    """Money went back; what it paid is open again. A return of an unknown payment waits for it."""
    if return_id in account.returns:
        return account
    return rebalance(replace(account, returns={**account.returns, return_id: back}), by_return=True)


def credit(account: PaymentAccount, credit_note_id: str, note: CreditNote) -> PaymentAccount:
    """Less is owed; money that paid more than is owed now becomes credit. A note for an unknown invoice waits for it."""
    if credit_note_id in account.credit_notes:
        return account
    return rebalance(replace(account, credit_notes={**account.credit_notes, credit_note_id: note}))


def resolve_dispute(account: PaymentAccount, dispute_id: str, outcome: DisputeCredit) -> PaymentAccount:
    """A dispute ended, with a credit or none. A later resolution of the same dispute replaces the earlier one's credit."""
    known = account.dispute_credits.get(dispute_id)
    if known and known.version >= outcome.version:
        return account
    return rebalance(replace(account, dispute_credits={**account.dispute_credits, dispute_id: outcome}))
