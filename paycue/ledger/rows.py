"""One record into one invoice row: each field's text found by the mapping and checked, the first that is wrong refuses the row.

It sees one row at a time and keeps nothing between them; what rows say together is for the reader and for the facts.
"""

from collections.abc import Callable
from datetime import date
from typing import TypeVar

import msgspec

from paycue.ledger import values
from paycue.ledger.mapping import CHECKS, COMMON, OPENED, TEMPLATES, LedgerMapping, fill
from paycue.ledger.records import Broken, Record
from paycue.ledger.values import BadValue

T = TypeVar("T")


class RowError(msgspec.Struct, frozen=True):
    """A row that was skipped, and why. `field` is the CSV's column, with the mapping's name for it in brackets."""

    file: str
    line: int
    field: str
    found: str
    expected: str

    def __str__(self) -> str:
        place = ", ".join(part for part in (self.file, f"line {self.line}", self.field) if part)
        return f"{place}: found {self.found}, expected {self.expected}"


class InvoiceRow(msgspec.Struct, frozen=True):
    """One good row. Dates are the debtor's local ones; `email`, `phone` and `name` are "" where there is none."""

    account: str
    invoice: str
    issued: date
    due: date
    amount_minor: int
    currency: str
    paid_on: date | None
    zone: str
    disputed_on: date | None
    locale: str
    email: str
    phone: str
    name: str


class Refused(Exception):
    """A field that refuses its row."""

    def __init__(self, field: str, bad: BadValue) -> None:
        super().__init__(field)
        self.field, self.bad = field, bad


def named(mapping: LedgerMapping, field: str) -> str:
    """`DueDate (due)`: the column as the CSV calls it, the field as the mapping does."""
    column = mapping.disputes.opened if mapping.disputes and field == "disputes.opened" else mapping.columns.get(field, field)
    return field if column == field else f"{column} ({field})"


class RowParser:
    """Reads records of one file, whose columns are known to be there."""

    def __init__(self, mapping: LedgerMapping, header: list[str], file: str) -> None:
        self._mapping, self._file, self._width = mapping, file, len(header)
        self._place = {column: place for place, column in enumerate(header)}
        self._fields = {field: self._place[column] for field, column in mapping.columns.items()}

    def row(self, record: Record | Broken) -> InvoiceRow | RowError:
        """The row of a record, or what is wrong with it."""
        if isinstance(record, Broken):
            return RowError(self._file, record.line, "", record.found, record.expected)
        if len(record.cells) != self._width:
            return RowError(self._file, record.line, "", f"{len(record.cells)} columns", f"{self._width}, as in the first line")
        try:
            return self._invoice([cell.strip(" ") for cell in record.cells])
        except Refused as refused:
            return RowError(self._file, record.line, named(self._mapping, refused.field), refused.bad.found, refused.bad.expected)

    def _invoice(self, cells: list[str]) -> InvoiceRow:
        common = self._common(cells)
        issued, due = self._day("issued", cells), self._day("due", cells)
        if due < issued:
            raise Refused("due", BadValue(self._text("due", cells), f"a date not before the issue date {self._text('issued', cells)}"))
        paid_on = self._day("paid_on", cells) if self._text("paid_on", cells) else None
        minor = self._check("amount", lambda text: values.amount(text, self._mapping.formats.decimal, common["currency"]), cells)
        return InvoiceRow(
            issued=issued,
            due=due,
            amount_minor=minor,
            paid_on=paid_on,
            disputed_on=self._disputed_on(cells, {"issued": issued, "due": due, "paid_on": paid_on}),
            **common,
        )

    def _common(self, cells: list[str]) -> dict[str, str]:
        """The fields that are texts: who it is, what it is called, and what columns or constants say of both."""
        row = {field: self._check(field, values.identity, cells) for field in ("account", "invoice")}
        for field in COMMON:
            text = self._text(field, cells) if field in self._fields else self._constant(field, row)
            row[field] = self._checked(field, CHECKS[field], text) if text or field not in TEMPLATES else ""
        return row

    def _constant(self, field: str, row: dict[str, str]) -> str:
        template = self._mapping.constants.get(field, "")
        return fill(template, row) if field in TEMPLATES else template

    def _disputed_on(self, cells: list[str], dates: dict[str, date | None]) -> date | None:
        disputes = self._mapping.disputes
        if disputes is None or cells[self._place[disputes.column]] != disputes.equals:
            return None
        if disputes.opened not in OPENED:
            text = cells[self._place[disputes.opened]]
            return self._checked("disputes.opened", lambda text: values.day(text, self._mapping.formats.date), text)
        opened = dates[disputes.opened]
        if opened is None:
            raise Refused("disputes.opened", BadValue("no paid_on", "the date on which the dispute was opened"))
        return opened

    def _day(self, field: str, cells: list[str]) -> date:
        return self._check(field, lambda text: values.day(text, self._mapping.formats.date), cells)

    def _text(self, field: str, cells: list[str]) -> str:
        return cells[self._fields[field]] if field in self._fields else ""

    def _check(self, field: str, check: Callable[[str], T], cells: list[str]) -> T:
        return self._checked(field, check, self._text(field, cells))

    def _checked(self, field: str, check: Callable[[str], T], text: str) -> T:
        try:
            return check(text)
        except BadValue as bad:
            raise Refused(field, bad) from None
