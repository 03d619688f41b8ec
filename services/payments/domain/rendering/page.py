"""The read-only page behind a payment link, and the pages for links that do not open: self-contained HTML without a script.

Every value is escaped. A page for a link that does not open must never say anything of an account.
"""

import base64
import hashlib
from collections.abc import Sequence
from datetime import date, datetime
from functools import cache
from importlib import resources
from typing import Literal

import msgspec
from jinja2 import DictLoader, Environment, StrictUndefined

from paycue.money import Money, decimal_text
from services.payments.domain.rows import Balance, InvoiceRow

_FOLDER = resources.files("services.payments.domain").joinpath("templates")
_FILES = ("base.html.jinja", "items.html.jinja", "closed.html.jinja", "page.css")

Closed = Literal["expired", "unknown"]


class Item(msgspec.Struct, frozen=True):
    """An open invoice. `credited` and `paid` are zero where nothing was."""

    invoice_id: str
    issued_on: date
    due_on: date
    amount: Money
    credited: Money
    paid: Money
    open: Money


class OpenItems(msgspec.Struct, frozen=True):
    """What the page shows, as of an instant: items oldest due first, and how many more there are."""

    creditor_name: str
    account_id: str
    as_of: datetime
    items: tuple[Item, ...]
    more: int
    open: tuple[Money, ...]
    """Per currency, of all items."""
    credit: tuple[Money, ...] = ()
    """Received and not spent, per currency."""
    reserved: tuple[Money, ...] = ()
    """Received for invoices that are not known yet, per currency."""


def open_items(
    creditor_name: str, account_id: str, as_of: datetime, items: Sequence[InvoiceRow], balances: Sequence[Balance], *, whole: bool
) -> OpenItems:
    """What to show of an account: the first of its open invoices, and its balances. Unless `whole`, its credit is not shown."""
    lines = tuple(_item(row) for row in items)
    more = sum(balance.open_invoices for balance in balances) - len(lines)
    due = tuple(Money(b.currency, b.open_minor) for b in balances if b.open_minor)
    credit = tuple(Money(b.currency, b.credit_minor) for b in balances if b.credit_minor and whole)
    reserved = tuple(Money(b.currency, b.reserved_minor) for b in balances if b.reserved_minor and whole)
    return OpenItems(creditor_name, account_id, as_of, lines, more, due, credit, reserved)


def _item(row: InvoiceRow) -> Item:
    minors = (row.amount_minor, row.credited_minor, row.amount_minor - row.credited_minor - row.open_minor, row.open_minor)
    return Item(row.invoice_id, row.issued_on, row.due_on, *(Money(row.currency, minor) for minor in minors))


def open_items_page(shown: OpenItems) -> str:
    """The page of a link that opens."""
    return _templates().get_template("items.html.jinja").render(style=_style(), shown=shown)


def closed_page(why: Closed) -> str:
    """The page of a link whose time is over, or that is none of ours."""
    return _templates().get_template("closed.html.jinja").render(style=_style(), why=why)


@cache
def content_security_policy() -> str:
    """Nothing but the page's own style, by its hash."""
    digest = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def money(amount: Money) -> str:
    """`EUR 1,234.50`: the code, so that no dollar is taken for another."""
    whole, point, decimals = decimal_text(amount.minor, amount.currency).partition(".")
    return f"{amount.currency} {int(whole):,}{point}{decimals}"


def day(value: date) -> str:
    """`20 January 2013`: no order of numbers to mistake."""
    return f"{value.day} {_MONTHS[value.month - 1]} {value.year}"


def _moment(at: datetime) -> str:
    return f"{day(at)}, {at:%H:%M} UTC"


# Not the process's locale: the page is English wherever it runs.
_MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"]


@cache
def _sources() -> dict[str, str]:
    return {name: _FOLDER.joinpath(name).read_text(encoding="utf-8") for name in _FILES}


def _style() -> str:
    return _sources()["page.css"]


@cache
def _templates() -> Environment:
    made = Environment(loader=DictLoader(_sources()), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters |= {"money": money, "day": day, "moment": _moment}
    return made
