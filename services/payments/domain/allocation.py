"""Which money pays which invoice: one pure function of all the facts of an account, asked again after each new one.

What it answers depends on the facts alone and never on the order they came in, so every order of a history ends in the same
balances. It must never let money cross from one currency to another. The rules, in this order:

1. Credit notes and credits of disputes with an amount lower what an invoice asks for, down to zero at most.
2. A payment counts with what was not returned. Payments that name invoices pay them in the order named, earliest received
   first. What is left waits for the invoices named that are not known yet (reserved); if all are known, it is credit.
3. A dispute that credits the whole invoice credits what references left open, so that unreferenced money is not drawn to it.
4. Unreferenced money and credit are spent as time goes by. A payment that names nothing pays, on the day it came, what is open
   of the invoices issued until then, oldest due first; what is left is credit. Credit waits for the next invoice issued, and
   the earliest received is spent first. It never pays an older invoice: whoever overpaid one by name did not mean that one.
"""

from collections import defaultdict
from datetime import date

from msgspec.structs import replace

from services.payments.domain.account import Invoice, Payment, PaymentAccount, Share


def rebalance(account: PaymentAccount, *, by_return: bool = False) -> PaymentAccount:
    """The account with the balances that follow from its facts. `by_return`: what opens again was reopened by a return."""
    books = _Books(account)
    books.credit_amounts()
    books.pay_by_reference()
    books.credit_whole_disputes()
    for currency in sorted(books.currencies_with_money()):
        books.pay_in_time(currency)
    return books.close(by_return)


class _Books:
    """The workings of one rebalance: what is still open on each invoice, what is still left of each payment."""

    def __init__(self, account: PaymentAccount) -> None:
        self.account = account
        self.open = {invoice_id: invoice.amount_minor for invoice_id, invoice in account.invoices.items()}
        self.returned = _returned(account)
        self.left = {payment_id: p.amount_minor - self.returned.get(payment_id, 0) for payment_id, p in account.payments.items()}
        self.credited: defaultdict[str, int] = defaultdict(int)
        self.spent: defaultdict[str, dict[str, int]] = defaultdict(dict)
        self.reserved: dict[str, tuple[Share, ...]] = {}

    def credit_amounts(self) -> None:
        for note in self.account.credit_notes.values():
            self._credit(note.invoice_id, note.currency, note.amount_minor)
        for dispute in self.account.dispute_credits.values():
            self._credit(dispute.invoice_id, dispute.currency, dispute.credit_minor)

    def pay_by_reference(self) -> None:
        """In the order received. What is left and names an unknown invoice waits for it, whole: the first one unknown has it."""
        for payment_id, payment in sorted(self.account.payments.items(), key=_when_received):
            for invoice_id in payment.invoice_ids:
                self._spend(payment_id, payment, invoice_id)
            unknown = next((i for i in payment.invoice_ids if i not in self.account.invoices), None)
            if unknown and self.left[payment_id]:
                self.reserved[payment_id] = ((unknown, self.left[payment_id]),)
                self.left[payment_id] = 0

    def credit_whole_disputes(self) -> None:
        for dispute in self.account.dispute_credits.values():
            if dispute.whole:
                self._credit(dispute.invoice_id, dispute.currency, self.open.get(dispute.invoice_id, 0))

    def currencies_with_money(self) -> set[str]:
        return {self.account.payments[payment_id].currency for payment_id, left in self.left.items() if left}

    def pay_in_time(self, currency: str) -> None:
        """Walk one currency day by day: an invoice takes the credit that waits, then the day's payments pay what is open."""
        issued: list[tuple[date, str]] = []
        credit: list[str] = []
        for _, money, due_on, fact_id in self._days(currency):
            if money:
                self._pay_oldest_due(fact_id, issued)
                credit.append(fact_id)
                continue
            for payment_id in credit:
                self._spend(payment_id, self.account.payments[payment_id], fact_id)
            issued.append((due_on, fact_id))

    def _days(self, currency: str) -> list[tuple[date, bool, date, str]]:
        """Invoices and payments with money left by day, on one day invoices (oldest due first) before payments."""
        days = [
            (invoice.issued_on, False, invoice.due_on, invoice_id)
            for invoice_id, invoice in self.account.invoices.items()
            if invoice.currency == currency and self.open[invoice_id]
        ]
        days += [
            (payment.received_on, True, date.min, payment_id)
            for payment_id, payment in self.account.payments.items()
            if payment.currency == currency and self.left[payment_id]
        ]
        return sorted(days)

    def _pay_oldest_due(self, payment_id: str, issued: list[tuple[date, str]]) -> None:
        payment = self.account.payments[payment_id]
        if payment.invoice_ids:
            return
        for _, invoice_id in sorted(issued):
            self._spend(payment_id, payment, invoice_id)

    def _credit(self, invoice_id: str, currency: str, minor: int) -> None:
        invoice = self.account.invoices.get(invoice_id)
        if invoice and currency in (invoice.currency, ""):
            minor = min(minor, self.open[invoice_id])
            self.open[invoice_id] -= minor
            self.credited[invoice_id] += minor

    def _spend(self, payment_id: str, payment: Payment, invoice_id: str) -> None:
        invoice = self.account.invoices.get(invoice_id)
        if not invoice or invoice.currency != payment.currency:
            return
        if minor := min(self.left[payment_id], self.open[invoice_id]):
            self.left[payment_id] -= minor
            self.open[invoice_id] -= minor
            self.spent[payment_id][invoice_id] = self.spent[payment_id].get(invoice_id, 0) + minor

    def close(self, by_return: bool) -> PaymentAccount:
        """The account with every balance written down; what did not change keeps its identity."""
        invoices = {invoice_id: self._closed_invoice(invoice_id, i, by_return) for invoice_id, i in self.account.invoices.items()}
        payments = {payment_id: self._closed_payment(payment_id, payment) for payment_id, payment in self.account.payments.items()}
        return replace(self.account, invoices=invoices, payments=payments)

    def _closed_invoice(self, invoice_id: str, old: Invoice, by_return: bool) -> Invoice:
        still_open, credited = self.open[invoice_id], self.credited.get(invoice_id, 0)
        if still_open == old.open_minor:
            return old if credited == old.credited_minor else replace(old, credited_minor=credited)
        reopening = old.reopening + (by_return and old.open_minor == 0)
        return replace(old, open_minor=still_open, credited_minor=credited, version=old.version + 1, reopening=reopening)

    def _closed_payment(self, payment_id: str, old: Payment) -> Payment:
        new = Payment(
            currency=old.currency,
            amount_minor=old.amount_minor,
            received_on=old.received_on,
            invoice_ids=old.invoice_ids,
            unallocated_minor=self.left[payment_id],
            returned_minor=self.returned.get(payment_id, 0),
            allocations=tuple(sorted(self.spent.get(payment_id, {}).items())),
            reserved=self.reserved.get(payment_id, ()),
        )
        return old if new == old else new


def _when_received(item: tuple[str, Payment]) -> tuple[date, str]:
    payment_id, payment = item
    return payment.received_on, payment_id


def _returned(account: PaymentAccount) -> dict[str, int]:
    """What went back of each known payment, never more than came."""
    returned: dict[str, int] = {}
    for back in account.returns.values():
        payment = account.payments.get(back.payment_id)
        if payment and back.currency in (payment.currency, ""):
            minor = returned.get(back.payment_id, 0) + (back.amount_minor or payment.amount_minor)
            returned[back.payment_id] = min(minor, payment.amount_minor)
    return returned
