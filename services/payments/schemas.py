"""What the ledger's API takes and gives: amounts as decimal text beside their currency, dates as YYYY-MM-DD.

A value that cannot be is refused here with the name of its field; what the ledger's present state forbids, the handlers refuse.
"""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Annotated, Any, Literal, Self

import msgspec
from pydantic import BaseModel, Field, StringConstraints, field_validator

from paycue.http.fields import AmountText, Day, Identity, KnownCurrency, Printable, RequestBody, above_zero
from paycue.money import decimal_text, parse_minor
from paycue.stops import Stopping
from services.payments.domain.commands import Part, PaymentLinkTerms
from services.payments.domain.rows import InvoiceRow, LedgerEntry, PaymentRow

Reference = Annotated[str, StringConstraints(min_length=1, max_length=128), Printable]
"""The id of a payment, return or credit note: events hold it to the same."""
Code = Annotated[str, StringConstraints(max_length=64), Printable]
Days = Annotated[int, Field(strict=True, ge=1, le=90)]
_STATUS = Field(validation_alias="state")
InvoiceIds = Annotated[list[Identity], Field(max_length=100)]


class _Priced(RequestBody):
    currency: KnownCurrency = Field(description="ISO 4217.", examples=["EUR"])
    amount: AmountText = Field(description="More than zero, with no more decimals than the currency has.", examples=["1234.50"])

    _checked = field_validator("amount")(above_zero)

    @property
    def amount_minor(self) -> int:
        """In the currency's minor units."""
        return parse_minor(self.amount, self.currency)


class PaymentIn(_Priced):
    """Money that came."""

    payment_id: Reference = Field(description="Unique on the account; the same again changes nothing.", examples=["bank-2013-0042"])
    received_on: Day = Field(description="The day it came.", examples=["2013-01-20"])
    invoice_ids: InvoiceIds = Field(default=[], description="What it pays, in this order; none: what is due longest.")


class ReturnIn(RequestBody):
    """Money that went back: a declined cheque, a returned direct debit, a chargeback."""

    return_id: Reference = Field(description="Unique on the account; the same again changes nothing.")
    payment_id: Reference = Field(description="The payment that went back.")
    kind: Literal["declined_cheque", "returned_direct_debit", "chargeback"]
    reason_code: Code = Field(default="", description="The bank's or scheme's own.", examples=["AC04"])
    currency: KnownCurrency | None = Field(default=None, description="The payment's.")
    amount: AmountText | None = Field(default=None, description="What went back, with its currency; absent: the whole payment.")

    _checked = field_validator("amount")(above_zero)

    @property
    def amount_minor(self) -> int:
        """Zero: the whole payment."""
        return parse_minor(self.amount, self.currency) if self.amount and self.currency else 0


class CreditNoteIn(_Priced):
    """Less is owed on an invoice."""

    credit_note_id: Reference = Field(description="Unique on the account; the same again changes nothing.")
    invoice_id: Identity = Field(description="The invoice that is credited.")
    reason: Annotated[str, StringConstraints(max_length=500)] = Field(default="", description="Why, for whoever reads the ledger.")


class PaymentLinkIn(RequestBody):
    """What a link shows, and for how long."""

    invoice_ids: InvoiceIds = Field(default=[], description="None: all that are open now.")
    valid_days: Days | None = Field(default=None, description="Absent: as installed, usually 14.")


def readable(row: msgspec.Struct, currency: str) -> dict[str, Any]:
    """A row's fields, its minor units as decimal text: amount_minor becomes amount."""
    fields = msgspec.structs.asdict(row).items()
    return {k.removesuffix("_minor"): decimal_text(v, currency) if k.endswith("_minor") else v for k, v in fields}


class PartOut(BaseModel):
    """A part of a payment."""

    invoice_id: str
    amount: str


class PaymentOut(BaseModel):
    """A payment as it stands: amount = allocated + reserved + unallocated + returned."""

    account_id: str
    payment_id: str
    status: Literal["received", "partly_returned", "returned"] = _STATUS
    currency: str
    amount: str
    received_on: date
    allocated: str = Field(description="Spent on invoices.")
    reserved: str = Field(description="Kept for invoices it names that are not known yet.")
    unallocated: str = Field(description="Credit that waits for the next invoice.")
    returned: str = Field(description="Went back.")
    allocations: list[PartOut]
    reserved_for: list[PartOut]

    @classmethod
    def of(cls, account: str, row: PaymentRow, allocations: Iterable[Part], reserved: Iterable[Part]) -> Self:
        spent, kept = ([PartOut(**readable(part, row.currency)) for part in parts] for parts in (allocations, reserved))
        return cls(account_id=account, allocations=spent, reserved_for=kept, **readable(row, row.currency))


class InvoiceOut(BaseModel):
    """An invoice as it stands: open = amount - credited - paid."""

    account_id: str
    invoice_id: str
    kind: str
    status: Literal["open", "settled"] = _STATUS
    currency: str
    amount: str
    credited: str
    paid: str
    open: str
    issued_on: date
    due_on: date
    version: int = Field(description="Of the balance; grows with every change of it.")
    reopening: int = Field(description="How often a returned payment opened it again.")

    @classmethod
    def of(cls, account: str, row: InvoiceRow) -> Self:
        paid = decimal_text(row.amount_minor - row.credited_minor - row.open_minor, row.currency)
        return cls(account_id=account, paid=paid, **readable(row, row.currency))


class PaymentRecorded(PaymentOut, Stopping):
    """The answer to whoever records a payment."""


class CreditNoteOut(Stopping):
    """A credit note, and its invoice as it stands."""

    credit_note_id: str
    amount: str
    reason: str
    invoice: InvoiceOut


class Amount(BaseModel):
    """An amount of one currency."""

    currency: str
    amount: str


class PaymentLinkOut(BaseModel):
    """A link to hand to the debtor: whoever has it sees the page."""

    link_id: str
    url: str
    expires_at: datetime
    invoice_ids: list[str]
    open: list[Amount] = Field(description="What is open on it now, per currency.")

    @classmethod
    def of(cls, url: str, terms: PaymentLinkTerms) -> Self:
        open_now = [Amount(currency=currency, amount=decimal_text(minor, currency)) for currency, minor in terms.open_minor.items()]
        return cls(link_id=terms.link_id, url=url, expires_at=terms.expires_at, invoice_ids=list(terms.invoice_ids), open=open_now)


class BalanceOut(BaseModel):
    """One currency of an account."""

    currency: str
    open: str = Field(description="Still owed on its invoices.")
    open_invoices: int
    credit: str = Field(description="Received and not spent: it waits for the next invoice.")
    reserved: str = Field(description="Received for invoices that are not known yet.")


class AccountBalance(BaseModel):
    """What an account owes and has, per currency. Currencies are never added up."""

    account_id: str
    balances: list[BalanceOut]


Book = Literal["receivable", "cash", "unallocated", "reserved", "credit_given", "revenue"]


class LedgerEntryOut(BaseModel):
    """One amount from one account of the books to another."""

    entry_id: str
    at: datetime
    cause: str = Field(description="The id of the event or command it follows from.")
    debit: Book
    credit: Book
    invoice_id: str | None
    payment_id: str | None
    currency: str
    amount: str

    @classmethod
    def of(cls, entry: LedgerEntry) -> Self:
        return cls(**readable(entry, entry.currency) | {"invoice_id": entry.invoice_id or None, "payment_id": entry.payment_id or None})


class LedgerNoteOut(BaseModel):
    """A fact that did not count, or not in full, and why: a person should look at it."""

    note_id: str
    at: datetime
    cause: str
    text: str
